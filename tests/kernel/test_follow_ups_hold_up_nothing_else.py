"""What is to be done about a change is done once it can be; one that fails holds up nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.follow_ups import FollowUps, NotYet, note

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
TOPIC = "things.changed"


class Deeds:
    """Writes what it does in the transaction, and fails for whom the test says."""

    def __init__(self) -> None:
        self.failing: dict[UUID, Exception] = {}
        self.meanwhile: UUID | None = None

    async def do(self, session: AsyncSession, key: UUID, now: datetime) -> None:
        await session.execute(
            text(
                "insert into audit_entry"
                " (id, at, actor_role, action, subject_type, subject_id, reason, detail)"
                " values (gen_random_uuid(), :now, '', 'did', 'thing', :key, '', '{}')"
            ),
            {"key": str(key), "now": now},
        )
        if key in self.failing:
            raise self.failing[key]
        if self.meanwhile == key:
            self.meanwhile = None
            await session.execute(text("update follow_up set try_again_at = now(), attempts = 0"))


async def changed(sessions: Sessions, redis: Redis, *keys: UUID) -> None:
    async with transaction(sessions) as session:
        await outbox.add_many(session, TOPIC, [(str(key), {}) for key in keys])
    async with transaction(sessions) as session:
        await outbox.relay(session, redis, {TOPIC: note("deed")})


async def done(sessions: Sessions) -> list[UUID]:
    async with sessions() as session:
        found = await session.scalars(text("select subject_id from audit_entry where action = 'did'"))
        return [UUID(key) for key in found]


async def test_one_that_fails_is_undone_kept_and_tried_again(sessions: Sessions, redis: Redis) -> None:
    deeds, good, bad = Deeds(), uuid4(), uuid4()
    deeds.failing[bad] = ValueError("broken")
    await changed(sessions, redis, bad, good, good)
    work, now = FollowUps(sessions, {"deed": deeds.do}), datetime.now(UTC) + timedelta(seconds=1)
    assert await work.do_some(now) == 2
    assert await done(sessions) == [good]
    async with sessions() as session:
        (kept,) = (await session.execute(text("select key, attempts, failure from follow_up"))).all()
    assert tuple(kept) == (bad, 1, "ValueError")
    assert await work.do_some(now) == 0
    deeds.failing.clear()
    assert await work.do_some(now + timedelta(minutes=1)) == 1
    assert sorted(await done(sessions)) == sorted([good, bad])
    assert await work.do_some(now + timedelta(days=1)) == 0


async def test_what_waits_is_no_fault(sessions: Sessions, redis: Redis) -> None:
    deeds, key = Deeds(), uuid4()
    deeds.failing[key] = NotYet()
    await changed(sessions, redis, key)
    work, now = FollowUps(sessions, {"deed": deeds.do}), datetime.now(UTC) + timedelta(seconds=1)
    for hours in range(30):
        assert await work.do_some(now + timedelta(hours=hours)) == 1
    async with sessions() as session:
        assert await session.scalar(text("select failure from follow_up")) == "not yet"
    deeds.failing.clear()
    await work.do_some(now + timedelta(hours=30))
    assert await done(sessions) == [key]


async def test_what_changes_again_while_it_is_looked_at_is_looked_at_again(
    sessions: Sessions, redis: Redis
) -> None:
    deeds, key = Deeds(), uuid4()
    deeds.meanwhile = key
    await changed(sessions, redis, key)
    work, now = FollowUps(sessions, {"deed": deeds.do}), datetime.now(UTC) + timedelta(seconds=1)
    for seconds in range(4):
        await work.do_some(now + timedelta(seconds=seconds))
    assert await done(sessions) == [key, key]


async def test_many_are_done_at_once_and_where_one_fails_each_by_itself(
    sessions: Sessions, redis: Redis
) -> None:
    deeds, keys, at_once = Deeds(), [uuid4() for _ in range(3)], []

    async def do_many(session: AsyncSession, found: Sequence[UUID], now: datetime) -> None:
        at_once.append(sorted(found))
        for key in found:
            await deeds.do(session, key, now)

    deeds.failing[keys[1]] = ValueError("broken")
    await changed(sessions, redis, *keys)
    work, now = FollowUps(sessions, {"deed": deeds.do}, {"deed": do_many}), datetime.now(UTC)
    now += timedelta(seconds=1)
    assert await work.do_some(now) == 3
    assert at_once == [sorted(keys)]
    assert sorted(await done(sessions)) == sorted([keys[0], keys[2]])
    deeds.failing.clear()
    later = [*keys[1:2], uuid4()]
    await changed(sessions, redis, *later)
    assert await work.do_some(now + timedelta(minutes=1)) == 2
    assert at_once[1:] == [sorted(later)]
    assert sorted(await done(sessions)) == sorted([*keys, later[1]])

"""Signing in: right, wrong, locked, and what a token is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts import service, tokens
from parking_cloud.accounts.events import SOURCE_CHANGED, publish_sources
from parking_cloud.accounts.models import User
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import AccountLocked, WrongPassword
from parking_cloud.kernel import audit, outbox
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import transaction
from sensor_gateway.directory import SOURCES_HASH

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SECRET = "a secret only for tests, long enough"


async def make_user(session: AsyncSession) -> None:
    await service.upsert_user(session, username="Li", password="right", role=Role.AUDITOR)
    await session.commit()


async def test_the_right_password_signs_in(session: AsyncSession) -> None:
    await make_user(session)
    identity = await service.sign_in(session, FixedClock(NOW), "LI", "right")
    assert (identity.username, identity.role) == ("Li", Role.AUDITOR)
    token = tokens.issue(identity, SECRET, NOW)
    assert tokens.read(token, SECRET, NOW + timedelta(minutes=59)) == identity
    for secret, when in ((SECRET, NOW + timedelta(hours=1)), (SECRET + "x", NOW)):
        with pytest.raises(tokens.InvalidToken):
            tokens.read(token, secret, when)


async def test_five_failures_lock_for_a_quarter_of_an_hour(session: AsyncSession) -> None:
    await make_user(session)
    clock = FixedClock(NOW)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await service.sign_in(session, clock, "Li", "wrong")
    with pytest.raises(AccountLocked):
        await service.sign_in(session, clock, "Li", "right")
    clock.moment += timedelta(minutes=15)
    assert (await service.sign_in(session, clock, "Li", "right")).username == "Li"


async def test_who_has_no_password_signs_in_by_none(session: AsyncSession) -> None:
    session.add_all(User(username=f"u{hash_}", password_hash=hash_, role=Role.DRIVER) for hash_ in (None, ""))
    await session.flush()
    for name in ("uNone", "u"):
        for password in ("", "nobody has this password"):
            with pytest.raises(WrongPassword):
                await service.sign_in(session, FixedClock(NOW), name, password)


async def test_nobody_is_told_whether_a_user_exists(session: AsyncSession) -> None:
    with pytest.raises(WrongPassword):
        await service.sign_in(session, FixedClock(NOW), "nobody", "right")


async def test_a_new_key_replaces_the_old_one_at_the_gateway(
    sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    for key in ("old", "new"):
        async with transaction(sessions) as session:
            await service.upsert_api_key(
                session, source="garage", key=key, scopes=("observations",), any_device=False
            )
        async with transaction(sessions) as session:
            assert await outbox.relay(session, redis, {SOURCE_CHANGED: publish_sources}) == 1
    assert await redis.hlen(SOURCES_HASH) == 1


async def test_the_audit_log_only_grows(session: AsyncSession) -> None:
    await audit.record(
        session, actor_id=None, actor_role="auditor", action="look", subject_type="x", subject_id="1"
    )
    for statement in ("update audit_entry set reason = 'other'", "delete from audit_entry"):
        with pytest.raises(DBAPIError, match="never changed"):
            async with session.begin_nested():
                await session.execute(text(statement))

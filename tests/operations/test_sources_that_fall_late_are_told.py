"""Each source's last word and usual interval are kept; operations hear when it falls late, and is back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import outbox
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.clocks import ClockWatch
from parking_cloud.operations import service
from parking_cloud.operations.events import EVENTS_STREAM, SOURCE_HEALTH, publish_source_health
from parking_cloud.operations.schemas import DutyIn
from parking_cloud.operations.sources import SourceEar, judge_sources, list_sources
from parking_cloud.worker import Worker
from sensor_gateway.observation import BODY_FIELD, Observation, encode, streams
from sensor_gateway.records import RECORDS_FIELD, Sighting, encode_records, record_streams
from tests.factories import NOON, load_small_city, observed, statement_of
from tests.operations.waiting import waits

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

MINUTE = timedelta(minutes=1)
CHIEF = Identity(user_id=uuid4(), username="chen", role=Role.CITY_ADMINISTRATOR)


def word(source: str, at: datetime) -> Observation:
    return msgspec.structs.replace(statement_of(uuid4(), at=at), source=source)


async def hear(session: AsyncSession, words: Sequence[Observation | Sighting]) -> None:
    ear = SourceEar()
    ear.note(words)
    await ear.flush(session)


async def half_hourly(session: AsyncSession, times: int = 5) -> datetime:
    """A museum that sent two statements every half hour, the last of them at the time given back."""
    for n in range(times):
        at = NOON + n * 30 * MINUTE
        await hear(session, [word("museum", at), word("museum", at + timedelta(milliseconds=5))])
    return at


async def told(session: AsyncSession, redis: Redis) -> list[tuple[str, str]]:
    await outbox.relay(session, redis, {SOURCE_HEALTH: publish_source_health})
    events = [msgspec.json.decode(fields[b"e"]) for _, fields in await redis.xrange(EVENTS_STREAM)]
    return [(event["source"], event["state"]) for event in events]


async def states(session: AsyncSession, now: datetime) -> dict[str, str]:
    return {source.source: source.state for source in await list_sources(session, now)}


async def test_three_usual_intervals_without_a_word_are_late_and_a_word_ends_it(
    session: AsyncSession, redis: Redis
) -> None:
    last = await half_hourly(session)
    await judge_sources(session, last + 90 * MINUTE)
    assert await states(session, last + 90 * MINUTE) == {"museum": "ok"}
    for minutes in (91, 92):
        await judge_sources(session, last + minutes * MINUTE)
    (museum,) = await list_sources(session, last + 92 * MINUTE)
    assert (museum.state, museum.last_heard, museum.usual_s) == ("late", last, 1800.0)
    assert (museum.late_since, museum.late_after_s) == (last + 91 * MINUTE, 5400.0)
    await hear(session, [word("museum", last + 93 * MINUTE)])
    await judge_sources(session, last + 94 * MINUTE)
    assert await states(session, last + 94 * MINUTE) == {"museum": "ok"}
    assert await told(session, redis) == [("museum", "late"), ("museum", "back")]


async def test_what_waited_for_the_worker_counts_by_when_it_arrived(session: AsyncSession) -> None:
    """Hours of one source's words taken in at once, as after the worker was away."""
    await hear(session, [word("museum", NOON + n * 30 * MINUTE) for n in (0, 2, 1, 3, 5, 4)])
    (museum,) = await list_sources(session, NOON + 150 * MINUTE)
    assert (museum.last_heard, museum.usual_s) == (NOON + 150 * MINUTE, 1800.0)


async def test_what_is_heard_while_a_flush_waits_is_not_lost(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    """Another worker is just writing the same new source."""
    ear = SourceEar()
    async with sessions() as other, sessions() as session:
        await hear(other, [word("museum", NOON)])
        pid = await session.scalar(text("select pg_backend_pid()"))
        ear.note([word("museum", NOON + MINUTE)])
        flush = asyncio.create_task(ear.flush(session))
        while not await waits(other, pid):
            assert not flush.done()
        ear.note([word("hospital", NOON + MINUTE)])
        await other.commit()
        await flush
        await ear.flush(session)
        assert set(await states(session, NOON)) == {"museum", "hospital"}


async def test_a_duty_goes_before_what_is_usual(session: AsyncSession, redis: Redis) -> None:
    last = await half_hourly(session)
    await service.set_source_duty(session, CHIEF, "museum", DutyIn(900), last)
    await judge_sources(session, last + 16 * MINUTE)
    assert await states(session, last + 16 * MINUTE) == {"museum": "late"}
    await service.set_source_duty(session, CHIEF, "museum", DutyIn(None), last)
    await judge_sources(session, last + 17 * MINUTE)
    assert await told(session, redis) == [("museum", "late"), ("museum", "back")]
    audited = await session.scalars(
        text("select detail from audit_entry where subject_id = 'museum' order by id")
    )
    assert list(audited) == [{"every_s": 900}, {"every_s": None}]


async def test_a_duty_holds_for_a_source_that_was_never_heard(session: AsyncSession) -> None:
    await service.set_source_duty(session, CHIEF, "hospital", DutyIn(900), NOON)
    assert await states(session, NOON + 15 * MINUTE) == {"hospital": "ok"}
    assert await states(session, NOON + 16 * MINUTE) == {"hospital": "late"}
    await service.set_source_duty(session, CHIEF, "hospital", DutyIn(None), NOON)
    assert await states(session, NOON) == {}


async def test_gates_and_patrols_are_sources_too_and_clocks_are_shown(session: AsyncSession) -> None:
    sighting = Sighting("patrol", "s1", "patrol", NOON, NOON, 30.87, 120.1, "wgs84", plate_hash=b"hash")
    fast = msgspec.structs.replace(word("museum", NOON), sent_at=NOON + 30 * timedelta(seconds=1))
    await hear(session, [sighting, fast])
    clocks = ClockWatch()
    clocks.note([fast])
    await clocks.flush(session)
    museum, patrol = await list_sources(session, NOON)
    assert (museum.source, museum.skew_s, museum.ahead) == ("museum", -30.0, 1)
    assert (patrol.source, patrol.last_heard, patrol.skew_s, patrol.ahead) == ("patrol", NOON, None, 0)


async def test_the_worker_hears_every_source_also_one_whose_words_were_heard_before(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    """Two network servers hear the same frames, and one is always second: it is not late for that."""
    async with sessions() as session:
        sensor = (await load_small_city(session))["sensor-1"]
    for server in ("first", "second"):
        said = msgspec.structs.replace(observed(sensor, occupied=True), source=server)
        await redis.xadd(streams(settings.stream_shards)[0], {BODY_FIELD: encode([said])})
    sighting = Sighting("patrol", "s1", "patrol", NOON, NOON, 30.87, 120.1, "wgs84", plate_hash=b"hash")
    records = record_streams(settings.stream_shards)[0]
    await redis.xadd(records, {RECORDS_FIELD: encode_records([sighting])})
    worker = asyncio.create_task(Worker(settings, sessions, redis, "tested").run())
    heard: dict[str, str] = {}
    async with asyncio.timeout(10), sessions() as session:
        while len(heard) < 3:
            await asyncio.sleep(0.05)
            heard = await states(session, NOON)
            await session.rollback()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert heard == {"first": "ok", "second": "ok", "patrol": "ok"}

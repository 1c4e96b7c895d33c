"""Passages, repeated, corrected and in any order, over days and at two places, end in the same stays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.gates.projector import project_records
from parking_cloud.kernel import outbox
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import make_sessions
from parking_cloud.stays.listening import handlers
from sensor_gateway.records import Direction, Record
from tests.factories import NOON, load_small_city
from tests.stays.parts import VAULT, corrected, passed, plate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

PLACES = ("garage-counter", "sensor-1")
PLATES = ["浙E12345", "浙E12346"]
minutes = st.one_of(st.integers(0, 12), st.integers(0, 5 * 1440), st.integers(0, 36).map(lambda h: 60 * h))
plates = st.sampled_from(PLATES)
parts = st.one_of(
    st.just({"void": True}),
    st.fixed_dictionaries({"occurred_at": minutes.map(lambda m: NOON + timedelta(minutes=m))}),
    st.fixed_dictionaries({"plate": plates}),
    st.fixed_dictionaries({"direction": st.sampled_from(Direction)}),
)
Said = tuple[Any, ...]


@pytest.fixture
async def devices(engine: AsyncEngine) -> dict[str, Any]:
    """The small city, committed; the examples roll back what they do in it."""
    async with make_sessions(engine)() as session:
        return await load_small_city(session)


@st.composite
def said(draw: st.DrawFn) -> list[Said]:
    """Passages (place, record, direction, minute, plate), corrections (record, corrects, minute, parts)."""
    count = draw(st.integers(1, 9))
    words: list[Said] = [
        (
            draw(st.sampled_from(PLACES)),
            f"r{n}",
            draw(st.sampled_from(Direction)),
            draw(minutes),
            draw(plates),
        )
        for n in range(count)
    ]
    for n in range(draw(st.integers(0, 4))):
        words.append((f"c{n}", f"r{draw(st.integers(0, count - 1))}", draw(st.integers(0, 9)), draw(parts)))
    return words


def record_of(devices: dict[str, Any], word: Said) -> Record:
    if len(word) == 4:
        record, corrects, minute, different = word
        if "plate" in different:
            different = {"plate": plate(different["plate"])}
        if "occurred_at" in different:
            minute = 6 * 1440
        return corrected(record, corrects, minute, **different)
    place, record, direction, minute, number = word
    return passed(devices[place], record, direction, minute, number)


async def stays_after(
    sessions: async_sessionmaker[AsyncSession], redis: Redis, batches: Sequence[Sequence[Record]]
) -> list[Any]:
    """The stays that are not void after the batches, rolled back afterwards."""
    listening = handlers(VAULT, FixedClock(NOON + timedelta(days=6)))
    async with sessions() as session:
        for batch in batches:
            assert (await project_records(session, batch)).orphans == []
            while await outbox.relay(session, redis, listening):
                pass
            await session.execute(text("set constraints all immediate"))
            await session.execute(text("set constraints all deferred"))
        rows = await session.execute(
            text(
                "select id, facility_id, plate_hash, plate_color, state, entered_at, opened_by,"
                " entry_event_id, exited_at, ended_by, exit_event_id, not_after, facts_from, facts_until,"
                " situations, confidence from stay where state <> 'void' order by id"
            )
        )
        return [tuple(row) for row in rows]


@given(words=said(), seed=st.integers(0, 2**32), size=st.integers(1, 4))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_order_and_repetition_ends_the_same(
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    devices: dict[str, Any],
    words: list[Said],
    seed: int,
    size: int,
) -> None:
    once = [record_of(devices, word) for word in words]
    chance = random.Random(seed)
    shuffled = once + chance.choices(once, k=chance.randint(0, 4))
    chance.shuffle(shuffled)
    batches = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    assert await stays_after(sessions, redis, batches) == await stays_after(sessions, redis, [once])

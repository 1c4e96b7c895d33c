"""A query that is lost, an entry that cannot be read, a city that outgrows its rows: guidance goes on."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from parking_cloud.guidance import loading
from parking_cloud.guidance.herding import chosen
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.events import EVENTS_STREAM, FacilityEvent
from tests.factories import NOON, facility_id_of, load_small_city
from tests.guidance.test_answers_follow_what_happens import by_code, places
from tests.guidance.test_the_index_is_exact import a_loader, bring, some_places
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SOON = NOON + timedelta(minutes=10)


@pytest.mark.parametrize("error", [OSError("lost"), ValueError("could not be broadcast"), KeyError("row")])
async def test_a_first_load_that_fails_half_way_is_made_again(
    settings: Settings,
    session: AsyncSession,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    await load_small_city(session)
    errors = [error]
    real = loading.versions_since

    async def lost_once(*asked: Any) -> Any:
        if errors:
            raise errors.pop()
        return await real(*asked)

    monkeypatch.setattr(loading, "versions_since", lost_once)
    async with client_of(settings, FixedClock(NOON)) as client:
        assert len((await places(client)).items) == 2
    assert not errors


async def test_an_entry_that_cannot_be_read_stops_nothing(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    event = FacilityEvent(
        id=facility_id_of(await load_small_city(session), "garage-counter"),
        code="garage",
        free=12,
        occupied=88,
        unknown=0,
        capacity=100,
        observed_at=NOON,
        quality="good",
    )
    async with client_of(settings, FixedClock(NOON)) as client:
        await places(client)
        for entry in ({"e": b"{not JSON"}, {"other": b""}, {"e": msgspec.json.encode(event)}):
            await redis.xadd(EVENTS_STREAM, entry)
        for _ in range(500):
            if (free := by_code(await places(client))["garage"].free) is not None:
                break
            await asyncio.sleep(0.01)
    assert free == 12


async def test_while_the_index_outgrows_its_rows_questions_are_answered(
    engine: AsyncEngine, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of facilities and that of their profiles, drivers ask and choose."""
    rng = random.Random(9)
    await bring(session, some_places(rng, 250))
    known, loader = a_loader(engine)
    await loader.load(NOON)
    real = loading.load_outlooks
    asked = []

    def ask() -> int:
        rows = known.index.nearest(30.87, 120.1, 999).rows
        found, _ = known.hopes.at(rows, NOON, SOON)
        assert np.isfinite(found[:, 0]).all()
        return len(rows)

    async def meanwhile(*args: Any) -> Any:
        known.sent.add(chosen(known.index.ids[-1], int(SOON.timestamp() // 60)), int(NOON.timestamp() // 60))
        asked.append(ask())
        return await real(*args)

    assert ask() == 250
    await bring(session, some_places(rng, 50))
    monkeypatch.setattr(loading, "load_outlooks", meanwhile)
    await loader.load(NOON)
    assert asked == [250]
    assert ask() == 300
    last = np.array([len(known.index) - 1])
    assert known.sent.before(last, np.zeros(1), SOON.timestamp() + 60)[0] == pytest.approx(0.8)

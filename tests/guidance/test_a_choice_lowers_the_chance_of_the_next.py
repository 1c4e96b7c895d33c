"""From the choice of one driver to the answer for the next: a lower chance, and another place first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.sent import SentStream
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.projector import project
from tests.factories import NOON, facility_id_of, load_small_city, observed
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

ARRIVE = NOON + timedelta(minutes=10)
QUESTION = {"lat": 30.8700, "lon": 120.1000, "arrive_at": (ARRIVE + timedelta(minutes=2)).isoformat()}
"""At the garage's own door; the street is 350 m off."""


async def answers(client: AsyncTestClient[Any]) -> dict[str, float]:
    """Facility → chance, best first."""
    items = (await client.get("/v1/guidance/places", params=QUESTION)).json()["items"]
    return {item["facility"]["code"]: item["chance"] for item in items}


async def test_the_last_spaces_are_not_promised_twice(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    devices = await load_small_city(session)
    seen = [observed(devices["garage-counter"], free=3, at=NOON)]
    seen += [observed(devices[f"sensor-{n}"], occupied=False, at=NOON, frame=n) for n in (1, 2, 3, 4)]
    await project(session, seen)
    await session.commit()
    async with client_of(settings, FixedClock(NOON)) as client:
        before = await answers(client)
        assert next(iter(before)) == "garage"
        choice = {"facility": "garage", "arrive_at": ARRIVE.isoformat()}
        assert (await client.post("/v1/guidance/choices", json=choice)).json() == {"counted": True}
        others = SentStream(redis, FixedClock(NOON))
        garage = facility_id_of(devices, "garage-counter")
        for _ in range(5):  # who sit at other addresses
            assert await others.choose(garage, ARRIVE.timestamp())
        for _ in range(500):
            after = await answers(client)
            if after["garage"] < before["garage"] / 2:
                break
            await asyncio.sleep(0.01)
    assert after["garage"] < before["garage"] / 2
    assert next(iter(after)) == "street"
    assert after["street"] == pytest.approx(before["street"], abs=0.05)

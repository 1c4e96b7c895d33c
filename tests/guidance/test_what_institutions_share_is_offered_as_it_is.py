"""An institution's car park in an answer: shut, to be booked, or booked out; never open to everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.app import create_app
from parking_cloud.guidance.schemas import PlaceOut
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.guidance.test_answers_follow_what_happens import by_code, places
from tests.sharing.parts import FRIDAY_NOON, city, hall, owner

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN = city("2026-11-20 19:00")


async def at(client: AsyncTestClient[Any], when: datetime, minutes: int = 120) -> PlaceOut:
    answer = await places(client, arrive_at=when.isoformat(), stay_minutes=minutes)
    return by_code(answer)["hall"]


async def test_it_is_shut_then_bookable_then_booked_out(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    await hall(session, walk_in=False)
    async with AsyncTestClient(create_app(settings, FixedClock(FRIDAY_NOON))) as client:
        shut = await at(client, FRIDAY_NOON + timedelta(hours=1))
        assert (shut.access.value, shut.booking) == ("closed", None)
        offered = await at(client, SEVEN)
        assert offered.access.value == "booking"
        assert (offered.price, offered.chance) == (800, 0.99)
        assert offered.booking is not None
        assert (offered.booking.left, offered.booking.price) == (1, 800)
        assert [one["asked"]["left"] for one in (await client.get(offered.booking.offer)).json()] == [1]
        assert offered.why[0].code == "booking"
        assert (await at(client, SEVEN, 6_000)).access.value == "closed", "not open throughout"
    await (await owner(session)).books(session, SEVEN, SEVEN + timedelta(hours=2))
    async with AsyncTestClient(create_app(settings, FixedClock(FRIDAY_NOON))) as client:
        assert (await at(client, SEVEN)).access.value == "booked_out"
        assert (await at(client, SEVEN + timedelta(hours=3))).access.value == "booking"


async def test_where_anybody_may_walk_in_it_is_open_and_can_be_booked(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    await hall(session, walk_in=True)
    async with AsyncTestClient(create_app(settings, FixedClock(FRIDAY_NOON))) as client:
        evening = await at(client, SEVEN)
        assert evening.access.value == "open"
        assert evening.booking is not None
        assert (await at(client, FRIDAY_NOON)).access.value == "closed"

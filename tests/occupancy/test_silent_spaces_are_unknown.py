"""A space that no sensor spoke of for three keep-alives is unknown, never free, until it is heard again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy import service
from parking_cloud.occupancy.projector import forget_silent_spaces, project
from tests.factories import NOON, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

KEEP_ALIVE = timedelta(hours=24)
"""Of a model without a profile."""


async def street(session: AsyncSession) -> tuple[int | None, int | None, int]:
    """Free, occupied and unknown spaces of the street, which has three."""
    now = await service.get_facility(session, "street", now=NOON, stale_after=timedelta(days=99))
    return now.free, now.occupied, now.unknown


async def shown(session: AsyncSession, now: datetime) -> list[bool | None]:
    spaces = await service.list_spaces(session, "street", now=now, stale_after=timedelta(hours=2))
    return [space.occupied for space in spaces]


async def test_a_silent_space_is_unknown_until_it_is_heard_again(session: AsyncSession) -> None:
    devices = await load_small_city(session, spaces=3)
    late = NOON + 3 * KEEP_ALIVE
    await project(
        session,
        [
            observed(devices["sensor-1"], occupied=False),
            observed(devices["sensor-2"], occupied=True),
            observed(devices["sensor-3"], occupied=False, at=NOON + timedelta(minutes=1)),
        ],
    )
    assert await forget_silent_spaces(session, late) == set()
    assert await street(session) == (2, 1, 0)

    assert await forget_silent_spaces(session, late + timedelta(seconds=1)) == {
        devices["sensor-1"].facility_id
    }
    assert await street(session) == (1, 0, 2)
    assert await shown(session, late) == [None, None, False]
    assert await forget_silent_spaces(session, late + timedelta(seconds=1)) == set()

    await project(session, [observed(devices["sensor-1"], occupied=False, at=late, frame=2)])
    assert await street(session) == (2, 0, 1)
    await project(session, [observed(devices["sensor-2"], occupied=False, at=late, frame=2)])
    assert await street(session) == (3, 0, 0)


async def test_what_comes_late_does_not_wake_a_silent_space(session: AsyncSession) -> None:
    devices = await load_small_city(session, spaces=3)
    await project(session, [observed(devices["sensor-1"], occupied=False)])
    await forget_silent_spaces(session, NOON + 4 * KEEP_ALIVE)
    for earlier, occupied in ((1, True), (2, False)):
        at = NOON - timedelta(minutes=earlier)
        await project(session, [observed(devices["sensor-1"], occupied=occupied, at=at, frame=9 + earlier)])
        assert await street(session) == (None, None, 3)


async def test_a_space_whose_sensor_was_moved_away_is_unknown(session: AsyncSession) -> None:
    devices = await load_small_city(session, spaces=3)
    await project(session, [observed(devices["sensor-1"], occupied=True)])
    await session.execute(text("delete from device where external_id = 'sensor-3'"))
    await session.execute(
        text("update device set space_id = :space where external_id = 'sensor-1'"),
        {"space": devices["sensor-3"].space_id},
    )
    await forget_silent_spaces(session, NOON + timedelta(minutes=1))
    assert await street(session) == (None, None, 3)

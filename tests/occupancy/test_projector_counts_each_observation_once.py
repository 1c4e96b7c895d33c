"""Whatever is repeated, delayed or reordered, the tables end the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy import service
from parking_cloud.occupancy.projector import project
from sensor_gateway.observation import Observation
from tests.factories import NOON, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

LIMIT = timedelta(hours=2)


async def show(session: AsyncSession, code: str) -> Any:
    return await service.get_facility(session, code, now=NOON, stale_after=LIMIT)


async def test_spaces_become_free_counts(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project(
        session,
        [
            observed(devices["sensor-1"], occupied=True, battery_v=3.6),
            observed(devices["sensor-2"], occupied=False),
        ],
    )
    street = await show(session, "street")
    assert (street.free, street.occupied, street.unknown, street.capacity) == (1, 1, 2, 4)
    assert street.observed_at == NOON
    assert not street.stale


async def test_an_older_frame_changes_nothing(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["sensor-1"], occupied=True)])
    await project(session, [observed(devices["sensor-1"], occupied=False, at=NOON - timedelta(minutes=1))])
    assert (await show(session, "street")).occupied == 1


@pytest.mark.parametrize(
    ("reported", "shown", "quality"), [(-3, 0, "out_of_range"), (130, 100, "out_of_range"), (42, 42, "good")]
)
async def test_counts_are_kept_as_reported_and_shown_clamped(
    session: AsyncSession, reported: int, shown: int, quality: str
) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=reported, frame=None)])
    garage = await show(session, "garage")
    assert (garage.free, garage.reported_free, garage.quality) == (shown, reported, quality)


async def test_what_the_registry_does_not_have_is_set_aside(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    good = observed(devices["sensor-1"], occupied=True)
    moved = observed(devices["sensor-2"], occupied=True)
    elsewhere = Observation(
        **{n: getattr(moved, n) for n in moved.__struct_fields__ if n != "space_id"},
        space_id=devices["sensor-3"].space_id,
    )
    done = await project(session, [good, elsewhere])
    assert (done.recorded, done.orphans) == (1, [elsewhere])

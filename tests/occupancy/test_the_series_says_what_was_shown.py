"""The five-minute series is what people were shown at that moment, and unknown where nothing was known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy import service
from parking_cloud.occupancy.series import Sample, drop_old, grid_time, record, sample, series_of
from tests.factories import NOON, load_small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

STALE = timedelta(hours=2)
LATER = NOON + timedelta(hours=1)


async def taken(session: AsyncSession, now: datetime) -> list[Sample]:
    """The samples of that moment, street and garage."""
    await sample(session, now, stale_after=STALE)
    ids = list(await session.scalars(text("select id from facility order by code")))
    found = await series_of(session, ids, now - timedelta(minutes=5), now + timedelta(minutes=5))
    return [one for id_ in ids for one in found[id_]]


async def state(session: AsyncSession, code: str, **columns: object) -> None:
    """Put a facility's state as it is to be."""
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    await session.execute(
        text(
            "insert into facility_state"
            f" (facility_id, occupied_spaces, free_spaces, {names})"
            f" select id, 0, 0, {values} from facility where code = :code"
            if "occupied_spaces" not in columns
            else f"insert into facility_state (facility_id, {names})"
            f" select id, {values} from facility where code = :code"
        ),
        {"code": code, **columns},
    )


@pytest.mark.parametrize("counted", [None, -7, 0, 12, 100, 130])
@pytest.mark.parametrize(("occupied", "free"), [(0, 0), (3, 0), (1, 2), (0, 4)])
@pytest.mark.parametrize("age", [timedelta(0), STALE, STALE + timedelta(seconds=1)], ids=str)
async def test_as_the_page_said(
    session: AsyncSession, counted: int | None, occupied: int, free: int, age: timedelta
) -> None:
    await load_small_city(session)
    at = NOON - age
    await state(session, "garage", counted_free=counted, counted_at=None if counted is None else at)
    await state(session, "street", occupied_spaces=occupied, free_spaces=free, spaces_observed_at=at)
    samples = {one.facility_id: one for one in await taken(session, NOON)}
    shown = await service.list_facilities(session, now=NOON, stale_after=STALE)
    assert len(samples) == len(shown) == 2
    for facility in shown:
        one = samples[facility.id]
        said = (None, None) if facility.stale else (facility.free, facility.occupied)
        assert ((one.free, one.occupied), one.capacity) == (said, facility.capacity)


async def test_each_moment_of_the_grid_once(session: AsyncSession) -> None:
    await load_small_city(session)
    moments = [NOON + timedelta(seconds=seconds) for seconds in (0, 29, 299, 300, 601)]
    written = [await sample(session, moment, stale_after=STALE) for moment in moments]
    assert written == [2, 0, 0, 2, 2]
    times = set(await session.scalars(text("select at from facility_series")))
    assert times == {NOON, NOON + timedelta(minutes=5), NOON + timedelta(minutes=10)}
    assert {grid_time(moment) for moment in moments} == times


async def test_old_months_go_whole(session: AsyncSession) -> None:
    facility = UUID(int=1)
    months = [datetime(2026, month, 28, 12, tzinfo=UTC) for month in (7, 8, 9, 10)]
    await record(session, [Sample(facility, at, 1, 2, 3) for at in months])
    await drop_old(session, datetime(2026, 11, 20, tzinfo=UTC), days=70)
    found = await series_of(session, [facility], months[0], NOON)
    assert [one.at for one in found[facility]] == months[2:]
    await drop_old(session, datetime(2026, 11, 20, tzinfo=UTC), days=70)

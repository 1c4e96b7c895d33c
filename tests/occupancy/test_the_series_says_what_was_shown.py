"""The five-minute series is what people were shown at that moment, and unknown where nothing was known."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy import service
from parking_cloud.occupancy.backfill import backfill_day
from parking_cloud.occupancy.projector import project
from parking_cloud.occupancy.series import Sample, drop_old, grid_time, record, sample, series_of
from tests.factories import NOON, facility_id_of, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

STALE = timedelta(hours=2)


async def taken(session: AsyncSession, now: datetime) -> list[Sample]:
    """The samples of that moment, street and garage."""
    await sample(session, now, stale_after=STALE)
    ids = list(await session.scalars(text("select id from facility order by code")))
    found = await series_of(session, ids, now, now + timedelta(minutes=5))
    return [one for id_ in ids for one in found[id_]]


async def is_so(session: AsyncSession, code: str, **columns: object) -> None:
    """Put a facility's state as it is to be."""
    await session.execute(
        text(
            f"update facility_state set {', '.join(f'{name} = :{name}' for name in columns)}"
            " where facility_id = (select id from facility where code = :code)"
        ),
        {"code": code, **columns},
    )


async def test_as_the_page_said(session: AsyncSession) -> None:
    await load_small_city(session)
    await session.execute(
        text(
            "insert into facility_state (facility_id, occupied_spaces, free_spaces)"
            " select id, 0, 0 from facility"
        )
    )
    cases = itertools.product(
        [None, -7, 0, 12, 100, 130],
        [(0, 0), (3, 0), (1, 2), (0, 4)],
        [timedelta(0), STALE, STALE + timedelta(seconds=1)],
    )
    for number, (counted, (occupied, free), age) in enumerate(cases):
        now = NOON + number * timedelta(minutes=5)
        at = now - age
        await is_so(session, "garage", counted_free=counted, counted_at=None if counted is None else at)
        await is_so(session, "street", occupied_spaces=occupied, free_spaces=free, spaces_observed_at=at)
        samples = {one.facility_id: one for one in await taken(session, now)}
        shown = await service.list_facilities(session, now=now, stale_after=STALE)
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


async def test_full_counts_of_old_become_a_series_once(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    counted = [(timedelta(0), 40), (timedelta(minutes=2), 41), (timedelta(minutes=6), -3)]
    day = NOON - timedelta(days=3)
    await project(session, [observed(devices["garage-counter"], at=day + ago, free=n) for ago, n in counted])
    assert await backfill_day(session, day.date()) == 2
    assert await backfill_day(session, day.date()) == 0
    garage = facility_id_of(devices, "garage-counter")
    found = await series_of(session, [garage], day, NOON)
    assert [(one.at - day, one.free, one.occupied) for one in found[garage]] == [
        (timedelta(minutes=5), 41, 59),
        (timedelta(minutes=10), 0, 100),
    ]


async def test_old_months_go_whole(session: AsyncSession) -> None:
    facility = UUID(int=1)
    months = [datetime(2026, month, 28, 12, tzinfo=UTC) for month in (7, 8, 9, 10)]
    await record(session, [Sample(facility, at, 1, 2, 3) for at in months])
    await drop_old(session, datetime(2026, 11, 20, tzinfo=UTC), days=70)
    found = await series_of(session, [facility], months[0], NOON)
    assert [one.at for one in found[facility]] == months[2:]
    await drop_old(session, datetime(2026, 11, 20, tzinfo=UTC), days=70)

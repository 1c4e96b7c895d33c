"""From series to profile, in the database: by day of the city's calendar, without what was not known."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.profile import SD_SCALE, SHARE_SCALE, DayOf
from parking_cloud.guidance.outlooks import load_outlooks
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.occupancy.profiles import kind_profiles, profile_of, stored_profiles
from parking_cloud.occupancy.profiling import refresh_profiles
from parking_cloud.occupancy.series import Sample, record
from tests.factories import NOON, facility_id_of, load_small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SINCE = NOON - timedelta(days=42)
"""Holds the holidays of October but for the first days: 9 October to 20 November."""


def taken(at: datetime) -> int | None:
    """Of 100: on workdays 90 from eight to six, else 20; on days of rest 50. Nothing is heard by night."""
    local = city_time(at)
    if local.hour < 6:
        return None
    if day_of(local.date())[0] is DayOf.REST:
        return 50
    return 90 if 8 <= local.hour < 18 else 20


def history(facility: UUID) -> list[Sample]:
    moments = [SINCE + timedelta(minutes=5 * number) for number in range(42 * 288)]
    numbers = [(at, taken(at)) for at in moments]
    return [
        Sample(facility, at, None if occupied is None else 100 - occupied, occupied, 100)
        for at, occupied in numbers
    ]


async def test_a_series_becomes_a_profile(session: AsyncSession) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    await record(session, history(garage))
    await refresh_profiles(session, NOON)
    ((stored,),) = [page async for page in stored_profiles(session)]
    profile = profile_of(stored.means, stored.sds)
    means, sds = profile.means / SHARE_SCALE, profile.sds / SD_SCALE
    assert means[DayOf.WORK, 24] == pytest.approx(0.9, abs=0.05)
    assert means[DayOf.WORK, 40] == pytest.approx(0.2, abs=0.06)
    assert means[DayOf.REST, 24] == pytest.approx(0.5, abs=0.03)
    assert sds[DayOf.WORK, 24] < 0.12 < 0.2 < sds[DayOf.WORK, 2]
    query = "select work_days, rest_days from occupancy_profile where facility_id = :id"
    row = (await session.execute(text(query), {"id": garage})).one()
    assert row.work_days > row.rest_days > 3


async def test_each_has_its_turn_once_a_day_and_kinds_follow(session: AsyncSession) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    await record(session, history(garage)[-4000:])
    assert await refresh_profiles(session, NOON) == 2
    assert set(await kind_profiles(session)) == {"public_offstreet"}
    assert await refresh_profiles(session, NOON + timedelta(hours=19)) == 0
    assert await refresh_profiles(session, NOON + timedelta(hours=21)) == 2


async def test_a_place_never_known_is_looked_at_once_a_day_and_counts_for_none(session: AsyncSession) -> None:
    """The street says nothing: its samples, however many, are not read through every minute."""
    devices = await load_small_city(session)
    street, garage = facility_id_of(devices, "sensor-1"), facility_id_of(devices, "garage-counter")
    await record(session, [Sample(street, SINCE + n * timedelta(hours=1), None, None, 4) for n in range(900)])
    await record(session, history(garage)[-4000:])
    assert await refresh_profiles(session, NOON) == 2
    assert await refresh_profiles(session, NOON + timedelta(minutes=1)) == 0
    found = [row.facility_id async for page in stored_profiles(session) for row in page]
    assert found == [garage]
    assert set(await kind_profiles(session)) == {"public_offstreet"}


async def test_memory_holds_what_the_database_does(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    garage, street = facility_id_of(devices, "garage-counter"), facility_id_of(devices, "sensor-1")
    await record(session, history(garage))
    await refresh_profiles(session, NOON)
    outlooks = await load_outlooks(session, {street: 0, garage: 1}, ["on_street", "public_offstreet"])
    assert outlooks.own.tolist() == [False, True]
    noon_tomorrow = NOON + timedelta(days=3)
    answer = outlooks.at(
        np.array([0, 1]),
        np.array([100.0, 100.0]),
        np.full(2, np.nan),
        np.zeros(2),
        now=NOON,
        ahead_min=(noon_tomorrow - NOON).total_seconds() / 60,
    )
    assert answer.free[1] == pytest.approx(10, abs=5)
    assert answer.high[0] - answer.low[0] > 2 * (answer.high[1] - answer.low[1])
    later = await load_outlooks(session, {garage: 0}, ["public_offstreet"])
    await refresh_profiles(session, NOON + timedelta(days=1))
    await later.refresh(session, {garage: 0}, ["public_offstreet"])
    assert later.own.all()


async def test_a_place_that_is_new_has_what_is_usual_for_its_kind(session: AsyncSession) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    rows = {garage: 0}
    outlooks = await load_outlooks(session, rows, ["public_offstreet", "", "public_offstreet"])

    def at_noon(row: int) -> float:
        """Expected free of a hundred spaces, with nothing known of now."""
        hundred, unknown = np.array([100.0]), np.array([np.nan])
        said = outlooks.at(np.array([row]), hundred, unknown, np.zeros(1), now=NOON, ahead_min=0.0)
        return float(said.free[0])

    assert at_noon(2) == pytest.approx(40, abs=2)
    await record(session, history(garage))
    await refresh_profiles(session, NOON)
    await outlooks.refresh(session, rows, ["public_offstreet", "public_offstreet", "public_offstreet"])
    assert outlooks.own.tolist() == [True, False, False]
    assert at_noon(0) == pytest.approx(at_noon(1), abs=1)
    assert at_noon(1) == at_noon(2) < 20


async def test_the_last_space_on_the_street_is_promised_with_more_doubt(session: AsyncSession) -> None:
    outlooks = await load_outlooks(session, {}, ["on_street", "public_offstreet"])
    ten, one_free = np.array([10.0, 10.0]), np.array([1.0, 1.0])
    said = outlooks.at(np.array([0, 1]), ten, one_free, np.zeros(2), now=NOON, ahead_min=10.0)
    assert (said.high - said.low)[0] > (said.high - said.low)[1]

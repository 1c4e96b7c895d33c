"""Spaces that are open by their plans, and on which somebody stands all the time, or that nobody can see."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.projector import project
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, RegistryBatch
from parking_cloud.sharing.looking import look_at_open_spaces
from parking_cloud.sharing.use import month_use, taken_spaces_of
from parking_cloud.sharing.use_rules import LEAST_DAYS, DayLooks, Verdict, judge
from tests.factories import observed
from tests.sharing.parts import hall, hours, owner, pays
from tests.tariffs.parts import city

SEVEN = city("2026-11-02 19:00")
"""A Monday."""

GOOD, BAD, SILENT, FEW = DayLooks(60, 20, 0), DayLooks(60, 0, 5), DayLooks(60, 0, 60), DayLooks(2, 0, 0)


@pytest.mark.parametrize(
    ("days", "verdict"),
    [
        ([BAD] * 5, Verdict.TAKEN),
        ([BAD] * 4 + [FEW] * 9, Verdict.NOT_JUDGED),
        ([BAD] * 9 + [GOOD], Verdict.TAKEN),
        ([BAD] * 8 + [GOOD] * 2, Verdict.USABLE),
        ([SILENT] * 6, Verdict.SILENT),
        ([SILENT] * 5 + [BAD] * 5, Verdict.TAKEN),
        ([GOOD] * 6, Verdict.USABLE),
        ([], Verdict.NOT_JUDGED),
    ],
)
def test_by_the_share_of_its_days(days: list[DayLooks], verdict: Verdict) -> None:
    assert judge(days) is verdict


looks = st.integers(0, 70).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda used: st.builds(DayLooks, st.just(n), st.just(used), st.integers(0, n - used))
    )
)


@given(st.lists(looks, max_size=31))
def test_nobody_is_named_for_a_space_that_was_free_on_a_fifth_of_its_days(days: list[DayLooks]) -> None:
    judged = [day for day in days if day.looks >= 3]
    free = sum(day.usable > 0 for day in judged)
    if len(judged) < LEAST_DAYS:
        assert judge(days) is Verdict.NOT_JUDGED
    elif free * 5 >= len(judged):
        assert judge(days) is Verdict.USABLE


async def nights(session: AsyncSession, count: int) -> None:
    """So many nights are looked at, from 19:00 to 7:00 each hour."""
    for night in range(count):
        for hour in range(0, 12, 3):
            await look_at_open_spaces(session, SEVEN + timedelta(days=night, hours=hour))
    await session.commit()


async def with_sensors(session: AsyncSession, spaces: int) -> list[object]:
    devices = [
        DeviceIn(
            external_id=f"hall-{n}",
            vendor="bosch",
            model="tps110",
            source="chirpstack",
            dev_eui=f"{n:016x}",
            facility_code="hall",
            space_number=f"{n:03d}",
        )
        for n in range(1, spaces + 1)
    ]
    await import_batch(session, RegistryBatch(devices=devices))
    rows = await session.execute(
        text("select external_id, id, facility_id, space_id from device order by external_id")
    )
    await session.commit()
    return list(rows)


async def spaces_seen(session: AsyncSession, at: datetime, *occupied: bool | None) -> UUID:
    """A hall whose spaces' sensors said so at a moment; None: nothing was ever heard."""
    facility = await hall(session, spaces=len(occupied))
    devices = await with_sensors(session, len(occupied))
    seen = [
        observed(device, at=at, occupied=state, frame=1)
        for device, state in zip(devices, occupied, strict=True)
        if state is not None
    ]
    await project(session, seen)
    await session.execute(text("update space_state set settles_at = null"))
    await session.commit()
    return facility


@pytest.mark.stack
@pytest.mark.anyio
async def test_sensors_tell_which(session: AsyncSession) -> None:
    facility = await spaces_seen(session, SEVEN - hours(1), True, False, None)
    await nights(session, 6)
    assert await taken_spaces_of(session, [facility], SEVEN + timedelta(days=7)) == {facility: ["001", "003"]}
    use = (await month_use(session, date(2026, 11, 1), SEVEN + timedelta(days=7))).city
    assert (use.judged, use.taken, use.silent) == (3, 1, 1)


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_space_taken_by_who_booked_it_is_used_as_it_should_be(session: AsyncSession) -> None:
    facility = await spaces_seen(session, SEVEN - hours(1), True)
    driver = await owner(session)
    for night in range(5):
        start = SEVEN + timedelta(days=night)
        booked = await driver.books(session, start, start + hours(2), now=SEVEN - hours(1))
        await pays(session, booked, SEVEN - hours(1))
    await nights(session, 5)
    assert await taken_spaces_of(session, [facility], SEVEN + timedelta(days=7)) == {}


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_space_that_somebody_took_once_it_was_open_to_all_is_used_as_it_should_be(
    session: AsyncSession,
) -> None:
    facility = await hall(session, spaces=2)
    devices = await with_sensors(session, 2)
    for night in range(5):
        before, after = (SEVEN + timedelta(days=night) + hours(by) for by in (-1, -0.25))
        for at, stands, frame in ((before, (True, False), 2), (after, (True, True), 3), (after, None, 4)):
            gone = at + hours(13)
            seen = [
                observed(d, at=at if stands else gone, occupied=o, frame=10 * night + frame)
                for d, o in zip(devices, stands or (False, False), strict=True)
            ]
            await project(session, seen)
            await session.execute(text("update space_state set settles_at = null"))
            if stands and stands[1]:
                for later in range(0, 12, 3):
                    await look_at_open_spaces(session, SEVEN + timedelta(days=night, hours=later))
    await session.commit()
    assert await taken_spaces_of(session, [facility], SEVEN + timedelta(days=7)) == {facility: ["001"]}


@pytest.mark.stack
@pytest.mark.anyio
async def test_where_only_bookings_come_in_whoever_came_without_one_has_taken_it(
    session: AsyncSession,
) -> None:
    await spaces_seen(session, SEVEN - hours(0.25), True)
    await nights(session, 1)
    assert await session.scalar(text("select usable from sharing_space_day")) == 4
    await session.execute(text("update sharing_plan set walk_in = false"))
    await look_at_open_spaces(session, SEVEN + hours(12.5))
    assert await session.scalar(text("select usable from sharing_space_day")) == 4


@pytest.mark.stack
@pytest.mark.anyio
async def test_several_workers_look_once_in_ten_minutes(session: AsyncSession) -> None:
    await hall(session)
    for minute in (0, 1, 5, 10, 11, 20):
        await look_at_open_spaces(session, SEVEN + timedelta(minutes=minute))
    assert await session.scalar(text("select looks from sharing_space_day")) == 3


@pytest.mark.stack
@pytest.mark.anyio
async def test_closed_spaces_are_not_looked_at(session: AsyncSession) -> None:
    await hall(session)
    assert await look_at_open_spaces(session, SEVEN - hours(5)) == 0
    assert await look_at_open_spaces(session, SEVEN) == 1

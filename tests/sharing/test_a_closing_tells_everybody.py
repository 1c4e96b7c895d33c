"""An emergency closing takes back what is booked, with all of its money, and tells everybody concerned."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.sharing import closing, planning, problems
from parking_cloud.sharing.offers import offers
from parking_cloud.sharing.schemas import BookingKind, ClosingIn, ExceptionIn, Slot
from parking_cloud.sharing.service import booking_facts
from parking_cloud.sharing.times import Span
from parking_cloud.tariffs.permits import permits_of
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.service import price_stay
from tests.sharing.parts import ALWAYS, CHIEF, FRIDAY_NOON, hall, hours, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE = city("2026-11-20 19:00"), city("2026-11-20 21:00")
MINUTE = timedelta(minutes=1)
BURST_PIPE = ClosingIn(
    starts_at=city("2026-11-20 20:00"), ends_at=city("2026-11-21 12:00"), reason="水管爆裂抢修"
)


async def test_everybody_is_told_and_paid_back(session: AsyncSession) -> None:
    facility = await hall(session, spaces=3)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    here = await li.books(session, SEVEN, NINE)
    await pays(session, here, FRIDAY_NOON + MINUTE)
    soon = await wang.books(session, NINE, NINE + hours(1))  # held, not paid yet
    after = await wang.books(session, city("2026-11-21 13:00"), city("2026-11-21 14:00"))
    now = SEVEN + 30 * MINUTE  # li is there already
    soon_again = await wang.books(session, NINE, NINE + hours(1), now=now)
    span = Span(BURST_PIPE.starts_at, BURST_PIPE.ends_at)
    assert await closing.people_concerned(session, CHIEF, facility, span, now) == (2, 2)
    closed = await closing.close(session, CHIEF, facility, BURST_PIPE, now)
    assert (closed.bookings, closed.people, closed.amount) == (2, 2, 800)
    assert await state_of(session, here) == ("cancelled", "closed")
    assert await state_of(session, soon_again) == ("cancelled", "closed")
    assert (await state_of(session, soon))[0] == "lapsed"
    assert (await state_of(session, after))[0] == "lapsed"
    told = await session.execute(
        text("select user_id, count(*) from notice where kind = 'booking_closed' group by user_id")
    )
    assert {tuple(row) for row in told} == {(li.id, 1), (wang.id, 1)}
    refunded = await session.execute(text("select amount, why from refund"))
    assert [tuple(row) for row in refunded] == [(800, "void")]
    with pytest.raises(problems.NotOpenThen):
        await wang.books(session, NINE, NINE + hours(1), now=now)
    (shown,) = await offers(session, facility="hall", start=NINE, end=NINE + hours(1), now=now)
    assert shown.asked is None
    assert [each.reason for each in shown.closed] == ["水管爆裂抢修"]


async def test_who_is_there_already_has_time_to_leave(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE + hours(2))
    await pays(session, booked, FRIDAY_NOON + MINUTE)
    await closing.close(session, CHIEF, facility, BURST_PIPE, SEVEN + 30 * MINUTE)
    for minutes, amount in ((120, 0), (180, 600)):  # closed from 20:00, and an hour to leave
        price = await price_stay(
            session,
            facility_id=facility,
            vehicle=VehicleClass.SMALL,
            entered_at=SEVEN,
            left_at=SEVEN + minutes * MINUTE,
            plate_hash=li.held.plate_hash,
        )
        assert price.amount == amount


async def test_a_month_loses_the_times_concerned_and_gets_their_share_back(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    booked = await li.books(session, FRIDAY_NOON, kind=BookingKind.MONTH)
    await pays(session, booked, FRIDAY_NOON + MINUTE)
    whole = (await booking_facts(session, [booked.id]))[booked.id]
    closed = await closing.close(session, CHIEF, facility, BURST_PIPE, FRIDAY_NOON + hours(1))
    left = (await booking_facts(session, [booked.id]))[booked.id]
    first = Slot(BURST_PIPE.ends_at, whole.slots[0].ends_at)  # of a weekend the night concerned, until noon
    assert (left.state, left.slots) == ("confirmed", [first, *whole.slots[1:]])
    total = sum((slot.ends_at - slot.starts_at).total_seconds() for slot in whole.slots)
    gone = (first.starts_at - whole.slots[0].starts_at).total_seconds()
    assert closed.amount == int(20_000 * gone // total)


async def test_two_hours_of_a_month_that_is_always_open_take_a_day_of_it(session: AsyncSession) -> None:
    facility = await hall(session, windows=ALWAYS)
    li = await owner(session)
    booked = await li.books(session, city("2026-11-21 08:00"), kind=BookingKind.MONTH)
    await pays(session, booked, FRIDAY_NOON + MINUTE)
    now = city("2026-12-19 13:00")
    drill = ClosingIn(starts_at=now, ends_at=now + hours(2), reason="消防演练")
    closed = await closing.close(session, CHIEF, facility, drill, now)
    assert closed.amount == 20_000 // 30
    assert await state_of(session, booked) == ("confirmed", None)
    (permit,) = [p for p in await permits_of(session, li.held.plate_hash) if p.revoked_at is not None]
    assert (permit.valid_from, permit.revoked_at) == (city("2026-12-19 12:00"), now + hours(1))


async def test_who_is_there_over_noon_has_time_to_leave_as_well(session: AsyncSession) -> None:
    facility = await hall(session, windows=ALWAYS)
    li = await owner(session)
    booked = await li.books(session, city("2026-11-21 08:00"), kind=BookingKind.MONTH)
    await pays(session, booked, FRIDAY_NOON + MINUTE)
    now = city("2026-11-25 11:45")
    await closing.close(
        session, CHIEF, facility, ClosingIn(starts_at=now, ends_at=now + hours(2), reason="消防演练"), now
    )
    revoked = {p.revoked_at for p in await permits_of(session, li.held.plate_hash)}
    assert revoked == {None, now + hours(1)}


async def test_lifted_it_is_open_again(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    closed = await closing.close(session, CHIEF, facility, BURST_PIPE, FRIDAY_NOON)
    with pytest.raises(problems.NotOpenThen):
        await li.books(session, NINE, NINE + hours(1))
    for minutes in (10, 20):
        await closing.lift(session, CHIEF, facility, closed.id, FRIDAY_NOON + minutes * MINUTE)
    await li.books(session, NINE, NINE + hours(1), now=FRIDAY_NOON + hours(1))


async def test_an_exception_takes_nothing_back(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    await li.books(session, SEVEN, NINE)
    shut = ExceptionIn(day=SEVEN.date(), open=False, start=19 * 60, until=20 * 60, reason="单位活动")
    with pytest.raises(problems.BookingsConcerned):
        await planning.add_exception(session, CHIEF, facility, shut, FRIDAY_NOON)
    tomorrow = ExceptionIn(day=city("2026-11-21 00:00").date(), open=False, reason="单位活动")
    await planning.add_exception(session, CHIEF, facility, tomorrow, FRIDAY_NOON)
    with pytest.raises(problems.NotOpenThen):
        await li.books(session, city("2026-11-21 10:00"), city("2026-11-21 11:00"))


async def test_only_its_institution_and_the_city_keep_a_plan(session: AsyncSession) -> None:
    facility = await hall(session)
    institution = await session.scalar(text("select institution_id from facility"))
    own = Identity(
        user_id=CHIEF.user_id, username="m", role=Role.INSTITUTION_MANAGER, institution_id=institution
    )
    other = Identity(
        user_id=CHIEF.user_id, username="m", role=Role.INSTITUTION_MANAGER, institution_id=CHIEF.user_id
    )
    await closing.close(session, own, facility, BURST_PIPE, FRIDAY_NOON)
    for stranger in (other, Identity(user_id=CHIEF.user_id, username="a", role=Role.AUDITOR)):
        with pytest.raises(NotAllowed):
            await closing.close(session, stranger, facility, BURST_PIPE, FRIDAY_NOON)

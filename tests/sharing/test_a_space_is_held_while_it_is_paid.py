"""A booking holds its space for ten minutes, is confirmed by its payment, and lapses without."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.schemas import ChargeKind, ChargeState
from parking_cloud.sharing import paying, problems
from parking_cloud.sharing.schemas import BookingKind
from parking_cloud.sharing.service import bookable, booking_facts
from parking_cloud.tariffs.permits import permits_of
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from parking_cloud.tariffs.service import price_stay
from tests.sharing.parts import FRIDAY_NOON, hall, hours, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE_PM = city("2026-11-20 19:00"), city("2026-11-20 21:00")
MINUTE = timedelta(minutes=1)


async def test_it_is_confirmed_once_paid_and_its_time_costs_nothing_more(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE_PM)
    assert booked.offer is not None
    assert booked.offer.amount == 800
    assert await permits_of(session, li.held.plate_hash) == []
    await pays(session, booked, FRIDAY_NOON + 3 * MINUTE)
    assert await state_of(session, booked) == ("confirmed", None)
    (permit,) = await permits_of(session, li.held.plate_hash)
    assert (permit.kind, permit.valid_from, permit.valid_until) == (PermitKind.BOOKING, SEVEN, NINE_PM)
    price = await price_stay(
        session,
        facility_id=facility,
        vehicle=VehicleClass.SMALL,
        entered_at=SEVEN,
        left_at=NINE_PM + hours(1),
        plate_hash=li.held.plate_hash,
    )
    assert price.amount == 600  # the hour after it, by the filed tariff


async def test_unpaid_it_lapses_and_owes_nothing(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE_PM)
    facts = (await booking_facts(session, [booked.id]))[booked.id]
    assert facts.charge_id is not None
    await paying.lapse_unpaid(session, FRIDAY_NOON + 9 * MINUTE)
    assert await state_of(session, booked) == ("held", None)
    await paying.lapse_unpaid(session, FRIDAY_NOON + 11 * MINUTE)
    assert await state_of(session, booked) == ("lapsed", "not_paid")
    charge = (await charge_facts(session, [facts.charge_id]))[facts.charge_id]
    assert (charge.kind, charge.state, charge.plate_hash) == (ChargeKind.BOOKING, ChargeState.DUE, None)
    await paying.lapse_unpaid(session, FRIDAY_NOON + 41 * MINUTE)
    assert (await charge_facts(session, [charge.id]))[charge.id].state is ChargeState.VOID


async def test_a_hold_that_is_over_blocks_nobody_though_no_job_ran(session: AsyncSession) -> None:
    facility = await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    first = await li.books(session, SEVEN, NINE_PM)
    with pytest.raises(problems.NoSpaceLeft):
        await wang.books(session, SEVEN, NINE_PM, now=FRIDAY_NOON + 9 * MINUTE)
    await session.rollback()
    later = FRIDAY_NOON + 10 * MINUTE
    seen = await bookable(session, start=SEVEN, end=NINE_PM, now=later)
    assert seen[facility].left == 1
    second = await wang.books(session, SEVEN, NINE_PM, now=later)
    assert await state_of(session, first) == ("lapsed", "not_paid")
    assert await state_of(session, second) == ("held", None)


async def test_money_that_comes_late_books_again_where_the_space_is_free(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE_PM)
    await paying.lapse_unpaid(session, FRIDAY_NOON + 11 * MINUTE)
    await session.commit()
    await pays(session, booked, FRIDAY_NOON + 12 * MINUTE)
    assert await state_of(session, booked) == ("confirmed", None)


async def test_money_that_comes_too_late_goes_back_by_itself(session: AsyncSession) -> None:
    await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    booked = await li.books(session, SEVEN, NINE_PM)
    later = await wang.books(session, SEVEN, NINE_PM, now=FRIDAY_NOON + 11 * MINUTE)
    await pays(session, booked, FRIDAY_NOON + 12 * MINUTE)
    assert await state_of(session, booked) == ("lapsed", "no_space")
    assert await state_of(session, later) == ("held", None)
    refunded = await session.execute(text("select amount, why from refund"))
    assert [tuple(row) for row in refunded] == [(800, "void")]
    told = await session.scalars(text("select kind from notice where user_id = :id"), {"id": li.id})
    assert list(told) == ["booking_not_kept"]


async def test_what_costs_nothing_is_confirmed_at_once(session: AsyncSession) -> None:
    await hall(session, price_hour=0)
    booked = await (await owner(session)).books(session, SEVEN, NINE_PM)
    assert booked.offer is None
    assert await state_of(session, booked) == ("confirmed", None)


async def test_an_evening_is_the_window_as_a_whole(session: AsyncSession) -> None:
    await hall(session)
    booked = await (await owner(session)).books(session, SEVEN, kind=BookingKind.EVENING)
    facts = (await booking_facts(session, [booked.id]))[booked.id]
    assert (facts.starts_at, facts.ends_at) == (city("2026-11-20 18:30"), city("2026-11-21 08:00"))
    assert facts.price == 1000


async def test_a_month_holds_every_open_time(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await li.books(session, FRIDAY_NOON, kind=BookingKind.MONTH)
    facts = (await booking_facts(session, [booked.id]))[booked.id]
    assert facts.slots[0].starts_at == city("2026-11-20 18:30")
    assert facts.slots[0].ends_at == city("2026-11-23 08:00")  # over the weekend
    assert facts.ends_at == city("2026-12-20 00:00")
    assert len(facts.slots) == 21
    wang = await owner(session, "浙E54321", "wang")
    with pytest.raises(problems.NoSpaceLeft):
        await wang.books(session, city("2026-12-10 19:00"), city("2026-12-10 20:00"))


async def test_what_is_not_open_is_not_booked(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    for start, end in (("17:00", "19:00"), ("14:00", "15:00")):
        with pytest.raises(problems.NotOpenThen):
            await li.books(session, city(f"2026-11-20 {start}"), city(f"2026-11-20 {end}"))
    with pytest.raises(problems.WrongTime):
        await li.books(session, SEVEN, SEVEN + 20 * MINUTE)
    with pytest.raises(problems.WrongTime):
        await li.books(session, SEVEN + MINUTE, NINE_PM)
    with pytest.raises(problems.DaysUnknown):
        await li.books(session, city("2026-12-02 12:00"), kind=BookingKind.MONTH)


async def test_a_window_that_has_begun_is_booked_from_now_on(session: AsyncSession) -> None:
    await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    await pays(session, await li.books(session, SEVEN, NINE_PM), FRIDAY_NOON)
    now = NINE_PM + 7 * MINUTE
    booked = await wang.books(session, now, kind=BookingKind.EVENING, now=now)
    facts = (await booking_facts(session, [booked.id]))[booked.id]
    assert (facts.starts_at, facts.ends_at) == (NINE_PM + 5 * MINUTE, city("2026-11-21 08:00"))


async def test_who_lets_hold_after_hold_lapse_has_to_wait(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    now = FRIDAY_NOON
    for _ in range(5):
        await li.books(session, SEVEN, NINE_PM, now=now)
        now += 11 * MINUTE
    with pytest.raises(problems.TooManyUnpaid):
        await li.books(session, SEVEN, NINE_PM, now=now)
    await session.rollback()
    tomorrow = now + hours(24)
    await li.books(session, SEVEN + hours(24), NINE_PM + hours(24), now=tomorrow)

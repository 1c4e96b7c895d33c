"""What comes back of a booking, going on with it, and coming with another vehicle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.vehicles import HeldVehicle, held_vehicle
from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.sharing import bans, booking, ending, problems
from parking_cloud.sharing.booking import Booked
from parking_cloud.sharing.mine import my_booking
from parking_cloud.sharing.paying import end_over
from parking_cloud.sharing.schemas import BookingKind, BookingState
from parking_cloud.sharing.service import booking_facts
from parking_cloud.tariffs.permits import permits_of
from tests.payments.parts import VAULT
from tests.sharing.parts import ALWAYS, CHIEF, FRIDAY_NOON, Driver, hall, hours, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE, TEN = (city(f"2026-11-20 {hour}:00") for hour in (19, 21, 22))
MINUTE = timedelta(minutes=1)


async def confirmed(session: AsyncSession, driver: Driver) -> Booked:
    """¥8 from 19:00 to 21:00, paid."""
    booked = await driver.books(session, SEVEN, NINE)
    await pays(session, booked, FRIDAY_NOON + MINUTE)
    return booked


async def charged(session: AsyncSession, booked: Booked) -> tuple[ChargeState, int, int]:
    facts = (await booking_facts(session, [booked.id]))[booked.id]
    assert facts.charge_id is not None
    charge = (await charge_facts(session, [facts.charge_id]))[facts.charge_id]
    return charge.state, charge.amount, charge.paid


async def test_in_time_all_of_it_comes_back(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await confirmed(session, li)
    assert (await my_booking(session, li.id, booked.id, SEVEN - 30 * MINUTE)).comes_back == 800
    assert await ending.cancel(session, li.id, booked.id, SEVEN - 30 * MINUTE) == 800
    assert await state_of(session, booked) == ("cancelled", "driver")
    assert await charged(session, booked) == (ChargeState.VOID, 0, 0)
    wang = await owner(session, "浙E54321", "wang")
    await wang.books(session, SEVEN, NINE)
    with pytest.raises(problems.NoLonger):
        await ending.cancel(session, li.id, booked.id, SEVEN - 29 * MINUTE)


async def test_later_a_share_of_what_was_not_used(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await confirmed(session, li)
    assert await ending.cancel(session, li.id, booked.id, SEVEN + hours(1)) == 200
    assert await charged(session, booked) == (ChargeState.SETTLED, 600, 600)
    (permit,) = await permits_of(session, li.held.plate_hash)
    assert permit.revoked_at == SEVEN + hours(1)


async def test_while_it_is_held_nothing_was_paid_and_nothing_is_owed(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE)
    assert await ending.cancel(session, li.id, booked.id, FRIDAY_NOON + MINUTE) == 0
    assert await charged(session, booked) == (ChargeState.VOID, 0, 0)


async def test_nobody_gives_back_what_is_anothers(session: AsyncSession) -> None:
    await hall(session)
    booked = await confirmed(session, await owner(session))
    wang = await owner(session, "浙E54321", "wang")
    with pytest.raises(problems.BookingNotFound):
        await ending.cancel(session, wang.id, booked.id, FRIDAY_NOON)
    with pytest.raises(problems.BookingNotFound):
        await my_booking(session, wang.id, booked.id, FRIDAY_NOON)


async def test_it_goes_on_for_the_difference(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await confirmed(session, li)
    more = await booking.extend(session, li.id, booked.id, TEN, SEVEN + hours(1))
    await session.commit()
    assert more.offer is not None
    assert more.offer.amount == 200  # ¥12 for three hours, but no more than ¥10 an evening
    assert (await booking_facts(session, [booked.id]))[booked.id].continued_until == NINE
    await pays(session, more, SEVEN + hours(1) + MINUTE)
    facts = (await booking_facts(session, [booked.id, more.id]))[booked.id]
    assert facts.continued_until == TEN
    again = await booking.extend(session, li.id, booked.id, TEN + hours(1), SEVEN + hours(2))
    assert again.offer is None  # an evening costs no more than that
    assert (await booking_facts(session, [booked.id]))[booked.id].continued_until == TEN + hours(1)
    assert await ending.cancel(session, li.id, booked.id, SEVEN + hours(1)) == 200 + 200
    assert [(await state_of(session, each))[0] for each in (booked, more, again)] == ["cancelled"] * 3


async def test_it_goes_on_only_where_its_space_is_free_next(session: AsyncSession) -> None:
    await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    booked = await confirmed(session, li)
    await pays(session, await wang.books(session, NINE + 30 * MINUTE, TEN), FRIDAY_NOON)
    with pytest.raises(problems.NotFreeNext):
        await booking.extend(session, li.id, booked.id, TEN, SEVEN + hours(1))
    await booking.extend(session, li.id, booked.id, NINE + 30 * MINUTE, SEVEN + hours(1))
    with pytest.raises(problems.NoLonger):  # that is to be paid first
        await booking.extend(session, li.id, booked.id, TEN, SEVEN + hours(1))


async def test_it_goes_on_only_while_it_is_open(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await confirmed(session, li)
    with pytest.raises(problems.NotOpenThen):
        await booking.extend(session, li.id, booked.id, city("2026-11-23 08:05"), SEVEN)


async def second(session: AsyncSession, li: Driver) -> tuple[UUID, HeldVehicle]:
    """Another vehicle of this driver's; committed."""
    claim = await vehicles.claim(session, li.who, vehicles.VehicleIn("浙E54321"), VAULT, FRIDAY_NOON)
    seen = vehicles.ClaimDecision(verified=True, reason="行驶证原件", plate="浙E54321")
    await vehicles.decide(session, CHIEF, claim.id, seen, VAULT, FRIDAY_NOON)
    held = await held_vehicle(session, li.id, claim.id)
    await session.commit()
    return claim.id, held


async def test_a_vehicle_that_comes_after_all_does_not_pay_twice(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    other = await second(session, li)
    booked = await confirmed(session, li)
    await ending.change_vehicle(session, li.id, booked.id, *other, FRIDAY_NOON + 2 * MINUTE)
    await ending.change_vehicle(session, li.id, booked.id, li.vehicle_id, li.held, FRIDAY_NOON + 3 * MINUTE)
    valid = [p.valid_from for p in await permits_of(session, li.held.plate_hash) if p.revoked_at is None]
    assert valid == [SEVEN]
    assert all(p.revoked_at is not None for p in await permits_of(session, other[1].plate_hash))


async def test_no_vehicle_comes_by_two_bookings_at_a_time(session: AsyncSession) -> None:
    await hall(session, spaces=2)
    li = await owner(session)
    vehicle_id, other = await second(session, li)
    await confirmed(session, li)
    two = await Driver(li.who, vehicle_id, other).books(session, SEVEN, NINE)
    with pytest.raises(problems.BookedAlready):
        await ending.change_vehicle(session, li.id, two.id, li.vehicle_id, li.held, FRIDAY_NOON + MINUTE)


async def test_nothing_is_booked_or_extended_years_ahead(session: AsyncSession) -> None:
    await hall(session, windows=ALWAYS)
    li = await owner(session)
    booked = await confirmed(session, li)
    far = datetime(9999, 12, 31, 23, 55, tzinfo=UTC)
    for kind, start, end in (
        (BookingKind.HOUR, NINE, far),
        (BookingKind.HOUR, NINE, NINE + hours(24 * 31)),
        (BookingKind.EVENING, far, None),
        (BookingKind.MONTH, far, None),
        (BookingKind.EVENING, datetime(1, 1, 1, tzinfo=UTC), None),
    ):
        with pytest.raises(problems.WrongTime):
            await li.books(session, start, end, kind=kind)
    with pytest.raises(problems.WrongTime):
        await booking.extend(session, li.id, booked.id, far, SEVEN)


async def test_another_vehicle_comes_before_it_begins(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    vehicle_id, other = await second(session, li)
    booked = await confirmed(session, li)
    await ending.change_vehicle(session, li.id, booked.id, vehicle_id, other, SEVEN - MINUTE)
    (old,) = await permits_of(session, li.held.plate_hash)
    assert old.revoked_at == SEVEN - MINUTE
    (new,) = await permits_of(session, other.plate_hash)
    assert (new.valid_from, new.revoked_at) == (SEVEN, None)
    with pytest.raises(problems.NoLonger):
        await ending.change_vehicle(session, li.id, booked.id, li.vehicle_id, li.held, SEVEN)


async def test_who_books_too_much_twice_or_may_not_is_refused(session: AsyncSession) -> None:
    await hall(session, spaces=9)
    li = await owner(session)
    await li.books(session, SEVEN, NINE)
    with pytest.raises(problems.BookedAlready):
        await li.books(session, NINE - hours(1), TEN)
    await session.rollback()
    for day in (21, 22, 23, 24):
        await li.books(session, city(f"2026-11-{day} 19:00"), city(f"2026-11-{day} 20:00"))
    with pytest.raises(problems.TooManyBookings):
        await li.books(session, city("2026-11-25 19:00"), city("2026-11-25 20:00"))
    wang = await owner(session, "浙E54321", "wang")
    for _ in range(2):
        await bans.ban(
            session, wang.id, wang.held.plate_hash, until=NINE, cause="overstay 1", now=FRIDAY_NOON
        )
    with pytest.raises(problems.MayNotBook):
        await wang.books(session, SEVEN, NINE)
    assert await session.scalar(text("select count(*) from booking_ban")) == 1


async def test_an_account_begun_anew_does_not_lift_what_a_vehicle_may_not(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    await bans.ban(session, li.id, li.held.plate_hash, until=NINE, cause="overstay 1", now=FRIDAY_NOON)
    await vehicles.give_up(session, li.who, li.vehicle_id, FRIDAY_NOON)
    again = await owner(session, name="li again")
    with pytest.raises(problems.MayNotBook):
        await again.books(session, SEVEN, NINE)
    await session.rollback()
    other = await owner(session, "浙E54321", "li once more")
    booked = await other.books(session, SEVEN, NINE)
    with pytest.raises(problems.MayNotBook):
        await ending.change_vehicle(session, other.id, booked.id, again.vehicle_id, again.held, FRIDAY_NOON)


async def test_it_is_over_by_itself(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await confirmed(session, li)
    await end_over(session, NINE - MINUTE)
    assert (await state_of(session, booked))[0] == BookingState.CONFIRMED
    await end_over(session, NINE)
    assert await state_of(session, booked) == ("ended", "over")
    assert (await charged(session, booked))[1:] == (800, 800)
    month = await li.books(session, city("2026-11-21 08:00"), kind=BookingKind.MONTH)
    assert (await booking_facts(session, [month.id]))[month.id].starts_at == city("2026-11-21 00:00")

"""What is paid in time is kept; what is paid late, or booked while a closing comes, is looked at first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.payments.service import record_cash
from parking_cloud.sharing import booking, closing, ending, paying, problems
from parking_cloud.sharing.booking import Booked
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.schemas import ClosingIn
from parking_cloud.sharing.service import bookable, taken_times
from tests.sharing.parts import CHIEF, FRIDAY_NOON, Driver, hall, hours, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE = city("2026-11-20 19:00"), city("2026-11-20 21:00")
MINUTE = timedelta(minutes=1)
DRILL = ClosingIn(starts_at=SEVEN, ends_at=NINE, reason="消防演练")


async def not_paid(session: AsyncSession, driver: Driver) -> Booked:
    """Held at noon, given up at 12:11; committed."""
    booked = await driver.books(session, SEVEN, NINE)
    await paying.lapse_unpaid(session, FRIDAY_NOON + 11 * MINUTE)
    await session.commit()
    return booked


async def paid_unheard(session: AsyncSession, driver: Driver) -> tuple[Booked, UUID]:
    """Paid at 12:09, in time, and the booking has not heard of it yet; committed."""
    booked = await driver.books(session, SEVEN, NINE)
    found = await session.get_one(Booking, booked.id, populate_existing=True)
    assert found.charge_id is not None
    at = FRIDAY_NOON + 9 * MINUTE
    await record_cash(session, {found.charge_id: found.price}, found.price, uuid4(), at)
    await session.commit()
    return booked, found.charge_id


async def test_who_waited_for_a_closing_books_nothing_in_it(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    facility = await hall(session)
    li = await owner(session)
    async with sessions() as closes, sessions() as books:
        await closing.close(closes, CHIEF, facility, DRILL, FRIDAY_NOON)
        booked = asyncio.create_task(li.books(books, SEVEN, NINE))
        waits = text("select 1 from pg_locks where locktype = 'advisory' and not granted")
        while not booked.done() and await session.scalar(waits) is None:
            await session.rollback()
        await closes.commit()
        with pytest.raises(problems.NotOpenThen):
            await booked


async def test_money_that_comes_late_books_nothing_in_a_closing(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    booked = await not_paid(session, li)
    await closing.close(session, CHIEF, facility, DRILL, FRIDAY_NOON + 12 * MINUTE)
    await session.commit()
    await pays(session, booked, FRIDAY_NOON + 13 * MINUTE)
    assert await state_of(session, booked) == ("lapsed", "no_space")
    assert await session.scalar(text("select sum(amount) from refund")) == 800


async def test_a_closing_gives_up_what_was_not_paid_in_time(session: AsyncSession) -> None:
    facility = await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE)
    await closing.close(session, CHIEF, facility, DRILL, FRIDAY_NOON + 12 * MINUTE)
    await session.commit()
    await pays(session, booked, FRIDAY_NOON + 13 * MINUTE)
    assert await state_of(session, booked) == ("lapsed", "no_space")


async def test_money_that_comes_late_books_no_vehicle_twice(session: AsyncSession) -> None:
    await hall(session, spaces=2)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    first = await not_paid(session, li)
    other = await wang.books(session, SEVEN, NINE, now=FRIDAY_NOON + 11 * MINUTE)
    again = await li.books(session, SEVEN, NINE, now=FRIDAY_NOON + 12 * MINUTE)
    await ending.cancel(session, wang.id, other.id, FRIDAY_NOON + 12 * MINUTE)
    await session.commit()
    await pays(session, again, FRIDAY_NOON + 13 * MINUTE)
    await pays(session, first, FRIDAY_NOON + 14 * MINUTE)
    assert await state_of(session, again) == ("confirmed", None)
    assert await state_of(session, first) == ("lapsed", "no_space")


async def test_money_that_comes_late_finds_what_others_did_not_pay(session: AsyncSession) -> None:
    await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    first = await not_paid(session, li)
    other = await wang.books(session, SEVEN, NINE, now=FRIDAY_NOON + 11 * MINUTE)
    await pays(session, first, FRIDAY_NOON + 22 * MINUTE)
    assert await state_of(session, first) == ("confirmed", None)
    assert await state_of(session, other) == ("lapsed", "not_paid")


async def test_nothing_goes_on_from_what_was_given_back(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    first = await li.books(session, SEVEN, NINE)
    await pays(session, first, FRIDAY_NOON + MINUTE)
    more = await booking.extend(session, li.id, first.id, NINE + hours(1), FRIDAY_NOON + 2 * MINUTE)
    await paying.lapse_unpaid(session, FRIDAY_NOON + 13 * MINUTE)
    await ending.cancel(session, li.id, first.id, FRIDAY_NOON + 14 * MINUTE)
    await session.commit()
    await pays(session, more, FRIDAY_NOON + 15 * MINUTE)
    assert await state_of(session, more) == ("lapsed", "no_space")


async def test_what_is_paid_in_time_is_kept_though_nobody_has_heard(session: AsyncSession) -> None:
    facility = await hall(session)
    li, wang = await owner(session), await owner(session, "浙E54321", "wang")
    booked, charge_id = await paid_unheard(session, li)
    later = FRIDAY_NOON + 11 * MINUTE
    assert (await bookable(session, start=SEVEN, end=NINE, now=later))[facility].left == 0
    assert len(await taken_times(session, later)) == 1
    with pytest.raises(problems.NoSpaceLeft):
        await wang.books(session, SEVEN, NINE, now=later)
    await session.rollback()
    await paying.lapse_unpaid(session, later)
    assert await state_of(session, booked) == ("confirmed", None)
    await paying.follow_charge(session, charge_id, later)
    assert await state_of(session, booked) == ("confirmed", None)


async def test_a_closing_pays_back_what_was_paid_in_time(session: AsyncSession) -> None:
    facility = await hall(session)
    booked, _ = await paid_unheard(session, await owner(session))
    closed = await closing.close(session, CHIEF, facility, DRILL, FRIDAY_NOON + 12 * MINUTE)
    assert (closed.bookings, closed.amount) == (1, 800)
    assert await state_of(session, booked) == ("cancelled", "closed")

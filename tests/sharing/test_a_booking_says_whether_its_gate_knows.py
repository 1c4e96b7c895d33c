"""A confirmed booking is a pass at the gate in the same breath; where the gate is silent, people are told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.allow_list_keeping import AdapterIn, acknowledged, fetched, place_of, set_adapter
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.gates.allow_list_wire import AllowList, ListAnswer
from parking_cloud.sharing import ending
from parking_cloud.sharing.mine import my_booking
from parking_cloud.sharing.unconfirmed import tell_unconfirmed
from tests.payments.parts import VAULT
from tests.sharing.gate_parts import attendant, manager, told
from tests.sharing.parts import CHIEF, FRIDAY_NOON, Driver, hall, hours, owner, pays
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN = city("2026-11-20 19:00")


async def gated_hall(session: AsyncSession) -> UUID:
    """Its gate fetches its list."""
    facility = await hall(session)
    place = await place_of(session, CHIEF, "hall")
    await set_adapter(session, CHIEF, place, AdapterIn(way=Way.PULL), FRIDAY_NOON)
    await session.commit()
    return facility


async def fetches(session: AsyncSession, now: datetime, after: int = 0) -> AllowList:
    found = await fetched(session, VAULT, await place_of(session, CHIEF, "hall"), after, now)
    await session.commit()
    return found


async def gate_of(session: AsyncSession, driver: Driver, booking: UUID) -> str | None:
    return (await my_booking(session, driver.id, booking, FRIDAY_NOON)).gate


async def test_from_payment_to_withdrawal(session: AsyncSession) -> None:
    facility = await gated_hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2))
    assert (await fetches(session, FRIDAY_NOON)).entries == [], "held, and not paid"
    assert await gate_of(session, driver, booked.id) is None
    await pays(session, booked, FRIDAY_NOON)
    assert await gate_of(session, driver, booked.id) == "waiting"
    told_ = await fetches(session, FRIDAY_NOON)
    (entry,) = told_.entries
    assert (entry.id, entry.plate, entry.during[0].start) == (booked.id, "浙E12345", SEVEN)
    assert await gate_of(session, driver, booked.id) == "told"
    answer = ListAnswer(version=told_.version, accepted=[booked.id])
    await acknowledged(session, facility, answer, FRIDAY_NOON)
    assert await gate_of(session, driver, booked.id) == "acknowledged"
    await ending.cancel(session, driver.id, booked.id, FRIDAY_NOON)
    (entry,) = (await fetches(session, FRIDAY_NOON, told_.version)).entries
    assert (entry.id, entry.withdrawn, entry.plate) == (booked.id, True, None)


async def test_a_minute_before_the_driver_and_the_people_there_are_told_once(session: AsyncSession) -> None:
    facility = await gated_hall(session)
    people = [await manager(session), await attendant(session)]
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2))
    await pays(session, booked, FRIDAY_NOON)
    await tell_unconfirmed(session, SEVEN - hours(61 / 3600))
    assert await told(session, driver.id) == ["booking_confirmed"]
    for seconds in (60, 55, -600):
        await tell_unconfirmed(session, SEVEN - hours(seconds / 3600))
    assert await told(session, driver.id) == ["booking_confirmed", "gate_not_confirmed"]
    assert [await told(session, who.user_id) for who in people] == [["gate_not_confirmed"]] * 2
    said = await session.scalars(text("select texts::text from notice"))
    assert all("E12345" not in words for words in said)
    version = (await fetches(session, SEVEN)).version
    await acknowledged(session, facility, ListAnswer(version=version, accepted=[booked.id]), SEVEN)
    assert await gate_of(session, driver, booked.id) == "acknowledged"


async def test_a_gate_that_has_said_yes_worries_nobody(session: AsyncSession) -> None:
    facility = await gated_hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2))
    await pays(session, booked, FRIDAY_NOON)
    version = (await fetches(session, FRIDAY_NOON)).version
    await acknowledged(session, facility, ListAnswer(version=version, accepted=[booked.id]), FRIDAY_NOON)
    await tell_unconfirmed(session, SEVEN)
    assert await told(session, driver.id) == ["booking_confirmed"]


async def test_who_books_at_the_gate_is_not_told_before_it_could_answer(session: AsyncSession) -> None:
    await gated_hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2), now=SEVEN)
    await pays(session, booked, SEVEN)
    await tell_unconfirmed(session, SEVEN + hours(5 / 3600))
    assert "gate_not_confirmed" not in await told(session, driver.id)
    await tell_unconfirmed(session, SEVEN + hours(10 / 3600))
    assert "gate_not_confirmed" in await told(session, driver.id)

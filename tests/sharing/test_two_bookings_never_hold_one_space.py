"""Two hundred drivers at once want the last space: one has it, and the others are told so. The database
itself forbids more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.db import transaction
from parking_cloud.sharing import booking, problems
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.schemas import BookingIn, BookingKind
from tests.sharing.parts import FRIDAY_NOON, Driver, hall, owner
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE = city("2026-11-20 19:00"), city("2026-11-20 21:00")
MANY = 200


async def many_drivers(session: AsyncSession, count: int) -> list[Driver]:
    """Drivers with a vehicle each; made in two statements, since there are so many."""
    first = await owner(session)
    ids = [(uuid4(), uuid4(), f"plate-{n}".encode()) for n in range(count - 1)]
    await session.execute(
        text(
            "insert into user_account (id, username, password_hash, role)"
            " select u, 'd' || u, '', 'driver' from unnest(cast(:users as uuid[])) as u"
        ),
        {"users": [user for user, _, _ in ids]},
    )
    await session.execute(
        text(
            "insert into vehicle_binding (id, user_id, plate_hash, plate_sealed, state, asked_at, since)"
            " select b, u, p, p, 'verified', now(), now()"
            " from unnest(cast(:bindings as uuid[]), cast(:users as uuid[]), cast(:plates as bytea[]))"
            " as n(b, u, p)"
        ),
        {
            "users": [user for user, _, _ in ids],
            "bindings": [binding for _, binding, _ in ids],
            "plates": [plate for _, _, plate in ids],
        },
    )
    await session.commit()
    drivers = [first]
    for user, binding, plate in ids:
        held = first.held._replace(plate_hash=plate, plate_sealed=plate)
        drivers.append(Driver(Identity(user_id=user, username="d", role=Role.DRIVER), binding, held))
    return drivers


async def test_of_two_hundred_at_once_one_has_the_last_space(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    facility = await hall(session)
    drivers = await many_drivers(session, MANY)

    async def books(driver: Driver) -> str:
        asked = BookingIn(
            facility="hall", kind=BookingKind.HOUR, start=SEVEN, end=NINE, vehicle_id=driver.vehicle_id
        )
        try:
            async with transaction(sessions) as own:
                await booking.book(own, driver.id, asked, driver.held, FRIDAY_NOON)
        except problems.NoSpaceLeft:
            return "refused"
        return "booked"

    answers = await asyncio.gather(*(books(driver) for driver in drivers))
    assert sorted(answers) == ["booked"] + ["refused"] * (MANY - 1)
    counted = text(
        "select (select count(*) from booking_slot where live), (select count(*) from booking),"
        " (select count(*) from charge where facility_id = :facility)"
    )
    assert tuple((await session.execute(counted, {"facility": facility})).one()) == (1, 1, 1)


async def test_different_times_of_one_space_are_booked_side_by_side(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    await hall(session)
    drivers = await many_drivers(session, 8)

    async def books(number: int, driver: Driver) -> None:
        start = SEVEN + timedelta(minutes=30 * number)
        asked = BookingIn(
            facility="hall",
            kind=BookingKind.HOUR,
            start=start,
            end=start + timedelta(minutes=30),
            vehicle_id=driver.vehicle_id,
        )
        async with transaction(sessions) as own:
            await booking.book(own, driver.id, asked, driver.held, FRIDAY_NOON)

    await asyncio.gather(*(books(*each) for each in enumerate(drivers)))
    assert await session.scalar(text("select count(*) from booking where state = 'held'")) == 8


async def test_the_database_forbids_two_live_claims_on_one_space(session: AsyncSession) -> None:
    await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE)
    (row,) = (await session.scalars(text("select space_id from booking_slot"))).all()

    def slot(number: int, minutes: int, live: bool) -> BookingSlot:
        start = SEVEN + timedelta(minutes=minutes)
        during = Range(start, start + timedelta(hours=1))
        return BookingSlot(
            booking_id=booked.id, number=number, space_id=UUID(str(row)), during=during, live=live
        )

    session.add_all([slot(1, 120, live=True), slot(2, 0, live=False)])  # right after it; and one given up
    await session.commit()
    session.add(slot(3, 119, live=True))
    with pytest.raises(IntegrityError, match="ex_booking_slot_one_at_a_time"):
        await session.flush()


async def test_what_the_database_forbids_is_told_as_no_space(session: AsyncSession) -> None:
    """Should ever two get past the wait for each other, the second is refused and nothing of it stays."""
    facility = await hall(session)
    li = await owner(session)
    booked = await li.books(session, SEVEN, NINE)
    first = await session.get_one(Booking, booked.id)
    second = Booking(
        id=uuid4(),
        user_id=li.id,
        facility_id=facility,
        space_id=first.space_id,
        kind="hour",
        state="held",
        vehicle_id=li.vehicle_id,
        plate_hash=b"p",
        plate_sealed=b"p",
        starts_at=SEVEN,
        ends_at=NINE,
        price=0,
        held_until=NINE,
        made_at=FRIDAY_NOON,
        changed_at=FRIDAY_NOON,
    )
    with pytest.raises(problems.NoSpaceLeft):
        await booking.hold_space(session, second, [booking.Span(SEVEN, NINE)])
    assert await session.scalar(text("select count(*) from booking")) == 1

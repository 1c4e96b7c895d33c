"""A booking and its money: confirmed once paid, given up when not, booked again by money that comes late."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import alone
from parking_cloud.payments.charging import lock_charges, void
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.registry.sharing import shared_spaces
from parking_cloud.sharing import passes, rules, telling
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import PAID_LATE
from parking_cloud.sharing.schemas import BookingState, Why
from parking_cloud.sharing.service import booked_already
from parking_cloud.sharing.times import Span
from parking_cloud.tariffs.permits import grant_permit, revoke_permit
from parking_cloud.tariffs.schemas import PermitKind


async def follow_charge(session: AsyncSession, charge_id: UUID, now: datetime) -> None:
    """A booking's charge has changed: one that is paid is confirmed; one whose payment the bank took back is
    over. Paid too late, it is booked again where its space is still free, and paid back otherwise."""
    where = select(Booking.id, Booking.facility_id).where(Booking.charge_id == charge_id)
    found = (await session.execute(where)).one_or_none()
    if found is None:
        return
    await alone(session, f"bookings at {found.facility_id}")
    await lapse_at(session, found.facility_id, now)
    (charge,) = await lock_charges(session, ids=[charge_id])
    booking = await session.get_one(Booking, found.id, with_for_update=True, populate_existing=True)
    if charge.state == ChargeState.SETTLED and booking.state == BookingState.HELD:
        await confirm(session, booking, now)
    elif charge.state == ChargeState.SETTLED and booking.state == BookingState.LAPSED and charge.paid:
        if booking.ends_at > now and await _held_again(session, booking, now):
            await confirm(session, booking, now)
            return
        booking.why, booking.held_until = Why.NO_SPACE, None
        await session.flush()
        await void(session, charge, now)
        await telling.paid_too_late(session, booking, now)
    elif charge.state == ChargeState.DUE and booking.state == BookingState.CONFIRMED:
        await end(session, booking, BookingState.CANCELLED, Why.TAKEN_BACK, now)
        await void(session, charge, now)


async def confirm(session: AsyncSession, booking: Booking, now: datetime) -> None:
    """Its space is its driver's: what the vehicle parks there within its times costs nothing more."""
    booking.state = BookingState.CONFIRMED
    booking.why = booking.over_at = booking.held_until = None
    booking.changed_at = now
    await grant_permits(session, booking)
    await passes.follow(session, booking)
    await telling.confirmed(session, booking, now)


async def grant_permits(session: AsyncSession, booking: Booking) -> None:
    """A permit for each of its times, for the vehicle that it now is for: a new one, since a vehicle may have
    been given up before."""
    for slot in await live_slots(session, booking.id):
        slot.permit_id = await grant_permit(
            session,
            plate_hash=booking.plate_hash,
            plate_sealed=booking.plate_sealed,
            kind=PermitKind.BOOKING,
            valid_from=span_of(slot).start,
            valid_until=span_of(slot).end,
            source=f"booking {booking.id}",
            facility_id=booking.facility_id,
        )
    await session.flush()


async def live_slots(session: AsyncSession, booking_id: UUID) -> list[BookingSlot]:
    """The times for which a booking has its space, in order."""
    query = select(BookingSlot).where(BookingSlot.booking_id == booking_id, BookingSlot.live)
    query = query.order_by(BookingSlot.number).execution_options(populate_existing=True)
    return list(await session.scalars(query))


def span_of(slot: BookingSlot) -> Span:
    """A slot's time; the database has none without bounds."""
    start, until = slot.during.lower, slot.during.upper
    assert start is not None
    assert until is not None
    return Span(start, until)


async def end(session: AsyncSession, booking: Booking, state: BookingState, why: Why, now: datetime) -> None:
    """A locked booking is over: its space is free, and its times are covered no longer."""
    for slot in await live_slots(session, booking.id):
        if slot.permit_id is not None and state is not BookingState.ENDED:
            await revoke_permit(session, slot.permit_id, now)
        slot.live = False
    booking.state, booking.why = state, why
    booking.over_at = booking.changed_at = now
    if state is not BookingState.LAPSED:
        booking.held_until = None
    await session.flush()
    await passes.follow(session, booking)


async def _held_again(session: AsyncSession, booking: Booking, now: datetime) -> bool:
    """Whether a booking that was given up can still be kept; its space is its own again then."""
    if not await _still_wanted(session, booking) or not await _still_open(session, booking, now):
        return False
    try:
        async with session.begin_nested():
            await session.execute(
                update(BookingSlot).where(BookingSlot.booking_id == booking.id).values(live=True)
            )
    except IntegrityError:
        return False
    return True


async def _still_wanted(session: AsyncSession, booking: Booking) -> bool:
    """Not where its vehicle was booked anew for that time, nor where what it goes on from is given up."""
    if booking.extends is not None:
        first = await session.get_one(Booking, booking.extends, populate_existing=True)
        if first.state not in (BookingState.CONFIRMED, BookingState.ENDED):
            return False
    slots = await _every_slot(session, booking.id)
    return not await booked_already(session, booking.facility_id, booking.plate_hash, slots)


async def _still_open(session: AsyncSession, booking: Booking, now: datetime) -> bool:
    """Whether its space is shared and open at its times: it may have been closed since."""
    facility, space = booking.facility_id, booking.space_id
    plan = (await published(session, now, [facility])).get(facility)
    shared = {each.id for each in (await shared_spaces(session, [facility])).get(facility, [])}
    slots = await _every_slot(session, booking.id)
    return plan is not None and space in shared and bool(rules.spaces_open(plan, [space], slots))


async def _every_slot(session: AsyncSession, booking_id: UUID) -> list[Span]:
    query = select(BookingSlot).where(BookingSlot.booking_id == booking_id).order_by(BookingSlot.number)
    return [span_of(slot) for slot in await session.scalars(query)]


async def lapse_at(session: AsyncSession, facility_id: UUID, now: datetime) -> None:
    """What was not paid in time frees its space; what was, is confirmed, though nobody has followed its
    charge yet. The caller holds the facility."""
    query = select(Booking.id, Booking.charge_id).where(
        Booking.facility_id == facility_id,
        Booking.state == BookingState.HELD,
        Booking.held_until <= now,
    )
    late = {row.charge_id: row.id for row in await session.execute(query)}
    for charge in await lock_charges(session, ids=late) if late else []:
        booking = await session.get_one(
            Booking, late[charge.id], with_for_update=True, populate_existing=True
        )
        if charge.state == ChargeState.SETTLED:
            await confirm(session, booking, now)
        else:
            await end(session, booking, BookingState.LAPSED, Why.NOT_PAID, now)


async def lapse_unpaid(session: AsyncSession, now: datetime) -> None:
    """Free what was not paid in time; nothing is owed for it, once money on its way would have come. The
    worker's job."""
    late = select(Booking.facility_id).where(Booking.state == BookingState.HELD, Booking.held_until <= now)
    for facility_id in sorted(set(await session.scalars(late.limit(100)))):
        await alone(session, f"bookings at {facility_id}")
        await lapse_at(session, facility_id, now)
    old = await session.execute(
        select(Booking.id, Booking.charge_id)
        .where(Booking.state == BookingState.LAPSED, Booking.held_until < now - PAID_LATE)
        .order_by(Booking.id)
        .limit(100)
    )
    by_charge = {row.charge_id: row.id for row in old}
    for charge in await lock_charges(session, ids=by_charge):
        booking = await session.get_one(
            Booking, by_charge[charge.id], with_for_update=True, populate_existing=True
        )
        if booking.state == BookingState.LAPSED and charge.state == ChargeState.DUE and not charge.paid:
            booking.held_until = None
            await void(session, charge, now)


async def end_over(session: AsyncSession, now: datetime) -> None:
    """What is over by its own time is ended. The worker's job."""
    over = await session.scalars(
        select(Booking)
        .where(Booking.state == BookingState.CONFIRMED, Booking.ends_at <= now)
        .order_by(Booking.id)
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    for booking in over.all():
        await end(session, booking, BookingState.ENDED, Why.OVER, now)

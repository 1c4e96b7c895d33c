"""A driver's own bookings, as they see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.allow_list import pass_states
from parking_cloud.payments.facts import charge_facts, payments_by, receipt_token
from parking_cloud.registry.service import facility_labels, space_numbers
from parking_cloud.sharing import problems, rules
from parking_cloud.sharing.booking import own
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.schemas import LIVE, BookingKind, BookingOut, BookingState, Slot, Why
from parking_cloud.sharing.service import continued_until, slots_of, space_now


async def my_bookings(
    session: AsyncSession, user_id: UUID, now: datetime, *, before: UUID | None, limit: int
) -> list[BookingOut]:
    """A driver's bookings, the newest first."""
    query = select(Booking).where(Booking.user_id == user_id).order_by(Booking.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Booking.id < before)
    return await _shown(session, (await session.scalars(query)).all(), now)


async def my_booking(session: AsyncSession, user_id: UUID, booking_id: UUID, now: datetime) -> BookingOut:
    """One of a driver's own. Raises BookingNotFound."""
    found = await own(session, user_id, booking_id)
    await session.refresh(found)
    return (await _shown(session, [found], now))[0]


async def with_receipts(
    session: AsyncSession, user_id: UUID, secret_key: str, shown: Sequence[BookingOut]
) -> list[BookingOut]:
    """The same, with the receipts of what this driver paid."""
    paid = await payments_by(session, user_id, [each.charge_id for each in shown if each.charge_id])
    return [
        msgspec.structs.replace(
            each,
            receipts=[receipt_token(secret_key, payment) for payment in paid.get(each.charge_id, [])]
            if each.charge_id
            else [],
        )
        for each in shown
    ]


async def to_pay(session: AsyncSession, user_id: UUID, booking_id: UUID, now: datetime) -> Booking:
    """One of a driver's own that is still to be paid. Raises BookingNotFound, NothingToPay."""
    booking = await own(session, user_id, booking_id)
    if booking.state != BookingState.HELD or booking.held_until is None or booking.held_until <= now:
        raise problems.NothingToPay()
    return booking


async def _shown(session: AsyncSession, bookings: Sequence[Booking], now: datetime) -> list[BookingOut]:
    ids = [booking.id for booking in bookings]
    places = await facility_labels(session, {booking.facility_id for booking in bookings})
    standing = await space_now(session, ids, now)
    space_of = {booking.id: standing.get(booking.id, booking.space_id) for booking in bookings}
    spaces = await space_numbers(session, set(space_of.values()))
    slots = await slots_of(session, ids)
    until = await continued_until(session, ids)
    charges = await charge_facts(session, [b.charge_id for b in bookings if b.charge_id])
    gates = await pass_states(session, ids)
    policy = await policy_at(session, now)
    shown: list[BookingOut] = []
    for booking in bookings:
        state = BookingState(booking.state)
        charge = charges.get(booking.charge_id) if booking.charge_id else None
        paid = 0 if charge is None else max(charge.paid, 0)
        may_cancel = state in LIVE and booking.ends_at > now
        back = rules.comes_back(paid, slots.get(booking.id, []), now, policy) if may_cancel else 0
        place = places[booking.facility_id]
        shown.append(
            BookingOut(
                id=booking.id,
                facility_id=booking.facility_id,
                facility=place.name,
                facility_code=place.code,
                space=spaces[space_of[booking.id]],
                kind=BookingKind(booking.kind),
                state=state,
                why=None if booking.why is None else Why(booking.why),
                vehicle_id=booking.vehicle_id,
                starts_at=booking.starts_at,
                ends_at=booking.ends_at,
                slots=[Slot(*slot) for slot in slots.get(booking.id, [])],
                price=booking.price,
                paid=paid,
                held_until=booking.held_until if state is BookingState.HELD else None,
                extends=booking.extends,
                continued_until=until.get(booking.id, booking.ends_at),
                comes_back=back,
                gate=gates.get(booking.id) if state is BookingState.CONFIRMED else None,
                may_cancel=may_cancel,
                may_extend=state is BookingState.CONFIRMED
                and booking.kind != BookingKind.MONTH
                and booking.ends_at > now,
                made_at=booking.made_at,
                charge_id=booking.charge_id,
            )
        )
    return shown

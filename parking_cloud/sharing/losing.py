"""Bookings that come to nothing without their drivers' fault: the money goes back, all that was not used."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import alone
from parking_cloud.kernel.money import Fen
from parking_cloud.sharing import passes, rules
from parking_cloud.sharing.booking import locked
from parking_cloud.sharing.ending import charge_of, give_back, with_followers
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.paying import end, live_slots, span_of
from parking_cloud.sharing.schemas import LIVE, BookingKind, BookingState, Why
from parking_cloud.sharing.times import Span
from parking_cloud.tariffs.permits import revoke_permit


async def turn_away(
    session: AsyncSession, booking_id: UUID, slot: Span, *, whole: bool, now: datetime
) -> Fen:
    """The gate did not let a booked vehicle in: its money goes back, also for what goes on from it; all of
    it, or that of what is still to come. Of a month only the time concerned is lost."""
    booking = await session.get_one(Booking, booking_id)
    await alone(session, f"bookings at {booking.facility_id}")
    if booking.kind == BookingKind.MONTH:
        return await _turn_away_of_month(session, booking_id, slot, whole=whole, now=now)
    back = 0
    for each in reversed(await with_followers(session, booking_id)):
        charge = await charge_of(session, each)
        found = await locked(session, each)
        if found.state not in LIVE:
            continue
        slots = [span_of(slot) for slot in await live_slots(session, each)]
        await end(session, found, BookingState.TURNED_AWAY, Why.TURNED_AWAY, now)
        if charge is not None:
            share = charge.amount if whole else unused(charge.amount, slots, now)
            back += min(share, charge.paid)
            await give_back(session, charge, share, now)
    return Fen(back)


async def _turn_away_of_month(
    session: AsyncSession, booking_id: UUID, slot: Span, *, whole: bool, now: datetime
) -> Fen:
    back = await lose_times(session, booking_id, [slot.start], now, since=slot.start if whole else now)
    booking = await locked(session, booking_id)
    if not await live_slots(session, booking_id):  # it was its last
        await end(session, booking, BookingState.TURNED_AWAY, Why.TURNED_AWAY, now)
    return back


def unused(price: int, slots: Collection[Span], now: datetime) -> Fen:
    """The part of a price that falls on what is still to come."""
    left = [Span(max(slot.start, now), slot.end) for slot in slots if slot.end > now]
    return rules.share_of(price, list(slots), left) if left else Fen(0)


async def lose_times(
    session: AsyncSession,
    booking_id: UUID,
    starts: Collection[datetime],
    now: datetime,
    since: datetime | None = None,
) -> Fen:
    """A booking goes on without those of its times that begin then; what comes back for them, or for what of
    them comes after `since`. The caller holds the facility."""
    charge = await charge_of(session, booking_id)
    booking = await locked(session, booking_id)
    every = select(BookingSlot).where(BookingSlot.booking_id == booking_id)
    whole = [span_of(slot) for slot in await session.scalars(every)]
    lost: list[Span] = []
    for slot in await live_slots(session, booking_id):
        span = span_of(slot)
        if span.start in starts:
            if slot.permit_id is not None:
                await revoke_permit(session, slot.permit_id, now)
            slot.live, slot.lost = False, True
            lost.append(span if since is None else Span(min(max(span.start, since), span.end), span.end))
    booking.changed_at = now
    await session.flush()
    await passes.follow(session, booking)
    if charge is None or not lost:
        return Fen(0)
    share = min(rules.share_of(booking.price, whole, lost), charge.paid)
    await give_back(session, charge, share, now)
    return Fen(share)

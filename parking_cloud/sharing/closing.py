"""Emergency closings: nobody new comes, whoever has booked is told and paid back, and all may see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.sharing import problems, telling
from parking_cloud.sharing.booking import locked
from parking_cloud.sharing.ending import charge_of, give_back
from parking_cloud.sharing.losing import lose_times
from parking_cloud.sharing.models import Booking, SharingClosing, SharingPlan
from parking_cloud.sharing.paying import end, lapse_at, live_slots, span_of
from parking_cloud.sharing.planning import facility_to_keep, note
from parking_cloud.sharing.schemas import BookingKind, BookingState, ClosingIn, Why
from parking_cloud.sharing.service import concerned
from parking_cloud.sharing.times import Span, holding, union
from parking_cloud.tariffs.permits import revoke_permit

LONGEST = timedelta(days=31)
TIME_TO_LEAVE = timedelta(minutes=60)
"""Who is there already need not pay for so long after the closing began."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A closing: the bookings it took back, the people who were told, and what goes back, in fen."""

    id: UUID
    bookings: int
    people: int
    amount: int


class _Taken(NamedTuple):
    user_id: UUID
    back: int


async def people_concerned(
    session: AsyncSession, who: Identity, facility_id: UUID, span: Span, now: datetime
) -> tuple[int, int]:
    """How many bookings, of how many people, a closing would take back. Raises NotShared, NotAllowed."""
    await facility_to_keep(session, who, facility_id)
    ids = await concerned(session, facility_id, span, now)
    users = await session.scalars(select(Booking.user_id).where(Booking.id.in_(ids)).distinct())
    return len(ids), len(users.all())


async def close(
    session: AsyncSession, who: Identity, facility_id: UUID, stated: ClosingIn, now: datetime
) -> Closed:
    """Close a facility from a moment until another. Raises NotShared, NotAllowed, WrongTime."""
    await facility_to_keep(session, who, facility_id)
    if await session.get(SharingPlan, facility_id) is None:
        raise problems.NotShared()
    span = Span(max(stated.starts_at, now), stated.ends_at)
    if not timedelta() < span.end - span.start <= LONGEST:
        raise problems.WrongTime(
            errors=[{"field": "ends_at", "message": "later than now and starts_at, at most 31 days"}]
        )
    await alone(session, f"bookings at {facility_id}")
    await lapse_at(session, facility_id, now)
    row = SharingClosing(
        id=new_id(),
        facility_id=facility_id,
        starts_at=span.start,
        ends_at=span.end,
        reason=stated.reason,
        made_at=now,
        made_by=who.user_id,
    )
    session.add(row)
    await session.flush()
    taken = [
        await _take_back(session, booking_id, row, span, now)
        for booking_id in await concerned(session, facility_id, span, now)
    ]
    closed = Closed(
        id=row.id,
        bookings=len(taken),
        people=len({each.user_id for each in taken}),
        amount=sum(each.back for each in taken),
    )
    detail = {"bookings": closed.bookings, "people": closed.people, "amount": closed.amount}
    await note(session, who, "sharing.closed", facility_id, stated.reason, detail)
    return closed


async def lift(
    session: AsyncSession, who: Identity, facility_id: UUID, closing_id: UUID, now: datetime
) -> None:
    """It is open again from now on; what was taken back stays so. Raises NotShared, NotAllowed."""
    await facility_to_keep(session, who, facility_id)
    await alone(session, f"bookings at {facility_id}")
    row = await session.scalar(
        select(SharingClosing).where(
            SharingClosing.id == closing_id, SharingClosing.facility_id == facility_id
        )
    )
    if row is None or row.lifted_at is not None or row.ends_at <= now:
        return
    row.lifted_at = max(now, row.made_at)
    await session.flush()
    await note(session, who, "sharing.closing_lifted", facility_id, "", {"closing": str(row.id)})


async def _take_back(
    session: AsyncSession, booking_id: UUID, closing: SharingClosing, span: Span, now: datetime
) -> _Taken:
    """A month loses the times concerned, with their share of the price; another booking all, with all its
    money. Its driver is told."""
    charge = await charge_of(session, booking_id)
    booking = await locked(session, booking_id)
    slots = await live_slots(session, booking_id)
    lost = [slot for slot in slots if span_of(slot).start < span.end and span.start < span_of(slot).end]
    running = holding(union(span_of(slot) for slot in slots), Span(now, now))
    for slot in lost:
        if slot.permit_id is not None:  # revoked here, it is not revoked again below
            there = running is not None and running.start <= span_of(slot).start < running.end
            leave_by = max(span.start, now) + TIME_TO_LEAVE
            await revoke_permit(session, slot.permit_id, leave_by if there else now)
    of_month = booking.kind == BookingKind.MONTH and booking.state == BookingState.CONFIRMED
    wholly = not of_month or len(lost) == len(slots)
    if not wholly:
        back = await lose_times(session, booking_id, [span_of(slot).start for slot in lost], now)
    else:
        await end(session, booking, BookingState.CANCELLED, Why.CLOSED, now)
        back = Fen(0 if charge is None else max(charge.paid, 0))
        if charge is not None:
            await give_back(session, charge, charge.amount, now)
    closed_for = Span(closing.starts_at, closing.ends_at)
    await telling.closed(
        session, booking, closing.id, closed_for, closing.reason, back, wholly=wholly, now=now
    )
    return _Taken(booking.user_id, back)

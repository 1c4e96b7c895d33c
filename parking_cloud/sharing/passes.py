"""A confirmed booking is a pass at its facility's gate."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates import allow_list
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.schemas import BookingState


async def follow(session: AsyncSession, booking: Booking) -> None:
    """The gate lets the vehicle in at the times that the booking still has, and at no other. What is over by
    its own time the gate knows by itself."""
    if booking.state == BookingState.ENDED:
        return
    if booking.state != BookingState.CONFIRMED:
        await allow_list.withdraw(session, booking.id, booking.changed_at)
        return
    times = select(BookingSlot.during).where(BookingSlot.booking_id == booking.id, BookingSlot.live)
    held = await session.scalars(times)
    await allow_list.allow(
        session,
        pass_id=booking.id,
        facility_id=booking.facility_id,
        plate_hash=booking.plate_hash,
        plate_sealed=booking.plate_sealed,
        during=[(during.lower, during.upper) for during in held if during.lower and during.upper],
        now=booking.changed_at,
    )

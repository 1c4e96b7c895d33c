"""A confirmed booking is a pass at its facility's gate; and whoever may stand there without one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates import allow_list
from parking_cloud.registry.service import FacilityLabel
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.schemas import BookingState
from parking_cloud.tariffs.permits import permit_at
from parking_cloud.tariffs.schemas import PermitKind


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


async def has_other_permit(
    session: AsyncSession, plate_hash: bytes, place: FacilityLabel, at: datetime
) -> bool:
    """Whether a vehicle may stand at a facility by a permit that is no booking's: a booking's own outlasts an
    emergency closing, so that whoever is inside can leave."""
    other = await permit_at(session, plate_hash, place.id, place.operator_id, at, but=(PermitKind.BOOKING,))
    return other is not None

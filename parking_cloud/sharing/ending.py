"""Bookings that their drivers give back, or give to another of their vehicles."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.vehicles import HeldVehicle
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.money import Fen
from parking_cloud.payments.charging import lock_charges, void, waive
from parking_cloud.payments.models import Charge
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.sharing import passes, problems, rules
from parking_cloud.sharing.bans import refuse_banned
from parking_cloud.sharing.booking import locked, own
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.paying import end, grant_permits, lapse_at, live_slots, span_of
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.schemas import LIVE, BookingState, Why
from parking_cloud.sharing.service import booked_already
from parking_cloud.tariffs.permits import revoke_permit


async def cancel(session: AsyncSession, user_id: UUID, booking_id: UUID, now: datetime) -> Fen:
    """A driver gives a booking back, with those that go on from it; what comes back of the money.

    Raises BookingNotFound, NoLonger.
    """
    booking = await own(session, user_id, booking_id)
    await alone(session, f"bookings at {booking.facility_id}")
    policy = await policy_at(session, now)
    back = 0
    for each in reversed(await with_followers(session, booking.id)):
        charge = await charge_of(session, each)
        found = await locked(session, each)
        if found.state not in LIVE or found.ends_at <= now:
            raise problems.NoLonger()
        slots = [span_of(slot) for slot in await live_slots(session, each)]
        held = found.state == BookingState.HELD
        await end(session, found, BookingState.CANCELLED, Why.DRIVER, now)
        if charge is not None:
            share = charge.amount if held else rules.comes_back(charge.amount, slots, now, policy)
            back += min(share, charge.paid)
            await give_back(session, charge, share, now)
    return Fen(back)


async def change_vehicle(
    session: AsyncSession,
    user_id: UUID,
    booking_id: UUID,
    vehicle_id: UUID,
    vehicle: HeldVehicle,
    now: datetime,
) -> None:
    """Another vehicle of the driver's comes instead; before the booking begins.

    Raises BookingNotFound, NoLonger, BookedAlready, MayNotBook.
    """
    booking = await own(session, user_id, booking_id)
    if vehicle.plate_hash != booking.plate_hash:
        await refuse_banned(session, user_id, vehicle.plate_hash, now)
    await alone(session, f"bookings at {booking.facility_id}")
    await lapse_at(session, booking.facility_id, now)
    chain = await with_followers(session, booking.id)
    for each in chain:
        found = await locked(session, each)
        if found.state not in LIVE or found.starts_at <= now:
            raise problems.NoLonger()
        slots = [span_of(slot) for slot in await live_slots(session, each)]
        if await booked_already(session, booking.facility_id, vehicle.plate_hash, slots, but=chain):
            raise problems.BookedAlready()
        for slot in await live_slots(session, each):
            if slot.permit_id is not None:
                await revoke_permit(session, slot.permit_id, now)
        found.vehicle_id, found.changed_at = vehicle_id, now
        found.plate_hash, found.plate_sealed = vehicle.plate_hash, vehicle.plate_sealed
        if found.state == BookingState.CONFIRMED:
            await grant_permits(session, found)
        await session.flush()
        await passes.follow(session, found)


async def give_back(session: AsyncSession, charge: Charge, share: int, now: datetime) -> None:
    """So much of a locked charge is not owed any more; what was paid of it goes back."""
    if charge.state == ChargeState.VOID or share <= 0:
        return
    if share >= charge.amount:
        await void(session, charge, now)
    else:
        await waive(session, charge, charge.amount - share, now)


async def charge_of(session: AsyncSession, booking_id: UUID) -> Charge | None:
    """What is asked for a booking, locked; None where it costs nothing."""
    charge_id = await session.scalar(select(Booking.charge_id).where(Booking.id == booking_id))
    return None if charge_id is None else (await lock_charges(session, ids=[charge_id]))[0]


async def with_followers(session: AsyncSession, booking_id: UUID) -> list[UUID]:
    """A booking and the live ones that go on from it, in their order."""
    found = [booking_id]
    while True:
        following = await session.scalar(
            select(Booking.id).where(Booking.extends == found[-1], Booking.state.in_(LIVE))
        )
        if following is None:
            return found
        found.append(following)

"""What proves that a vehicle is a driver's without its licence: payments at the barrier.

Paying by plate proves nothing: anybody can type a plate, and pay for it. Nor does scanning the code of a
place or a space: one still types the plate there, or stands near a car. The code that a lane shows is made
for the vehicle at its barrier, and only there. Even it can be read over somebody's shoulder, once. So it
takes two, on different days, by the driver who had claimed that plate before; and it moves nobody: where the
plate has a holder, or another claims it too, the desk decides by the licence, as it does whenever one comes
later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.driver_models import BarrierPayment
from parking_cloud.accounts.events import VEHICLE_CHANGED
from parking_cloud.accounts.models import VehicleBinding
from parking_cloud.accounts.vehicles import Proof, verify
from parking_cloud.kernel import audit, outbox
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone

DAYS_THAT_PROVE = 2
COUNT_FOR = timedelta(days=90)


def proved(paid_at: Iterable[datetime], now: datetime) -> bool:
    """Whether these payments at barriers are enough: of different days in the city, and not long ago."""
    days = {city_time(at).date() for at in paid_at if now - COUNT_FOR < at <= now}
    return len(days) >= DAYS_THAT_PROVE


async def paid_at_barrier(
    session: AsyncSession, user_id: UUID, plate_hash: bytes, payment_id: UUID, at: datetime, now: datetime
) -> bool:
    """A driver paid for the vehicle at a barrier; True where that proved a claim of theirs.

    Counts for a vehicle they had claimed, and is not kept for any other.
    """
    claim = await session.scalar(
        select(VehicleBinding)
        .where(VehicleBinding.user_id == user_id, VehicleBinding.plate_hash == plate_hash)
        .where(VehicleBinding.state == "pending", VehicleBinding.asked_at <= at)
        .with_for_update()
    )
    if claim is None:
        return False
    await session.execute(
        insert(BarrierPayment)
        .values(payment_id=payment_id, binding_id=claim.id, paid_at=at)
        .on_conflict_do_nothing()
    )
    paid = await session.scalars(select(BarrierPayment.paid_at).where(BarrierPayment.binding_id == claim.id))
    await alone(session, f"holder {plate_hash.hex()}")
    if not proved(paid, now) or await _another_has_or_claims(session, claim):
        return False
    await verify(session, claim, None, Proof.PAYMENTS, now)
    claim.decided_at = now
    await session.flush()
    await outbox.add(session, VEHICLE_CHANGED, str(claim.id), {"what": "verified"})
    await audit.record(
        session,
        actor_id=user_id,
        actor_role="driver",
        action="accounts.vehicle_proved_by_payments",
        subject_type="vehicle_binding",
        subject_id=str(claim.id),
    )
    return True


async def _another_has_or_claims(session: AsyncSession, claim: VehicleBinding) -> bool:
    others = select(VehicleBinding.id).where(
        VehicleBinding.plate_hash == claim.plate_hash,
        VehicleBinding.id != claim.id,
        VehicleBinding.state.in_(("pending", "verified")),
    )
    return await session.scalar(others.limit(1)) is not None


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Payments that count no longer; a regular job."""
    await session.execute(
        text("delete from barrier_payment where paid_at < :before"), {"before": now - COUNT_FOR}
    )

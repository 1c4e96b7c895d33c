"""A driver paid at a barrier: that counts as proof for a vehicle they had claimed (accounts.proofs).

Who pays is kept of no other payment that is not the payer's own (payments.paying), so nothing else can count.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.proofs import paid_at_barrier
from parking_cloud.payments.facts import charge_facts, payment_facts
from parking_cloud.payments.schemas import PaymentState, Via


async def follow_payment(session: AsyncSession, payment_id: UUID, now: datetime) -> None:
    """What a payment that succeeded at a lane proves."""
    payment = (await payment_facts(session, [payment_id])).get(payment_id)
    if payment is None or payment.via is not Via.SCAN or payment.payer_id is None:
        return
    if payment.state is not PaymentState.SUCCEEDED or payment.succeeded_at is None:
        return
    charges = await charge_facts(session, [part.charge_id for part in payment.parts])
    for plate in {charge.plate_hash for charge in charges.values() if charge.plate_hash}:
        await paid_at_barrier(session, payment.payer_id, plate, payment_id, payment.succeeded_at, now)

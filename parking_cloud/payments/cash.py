"""Cash that an attendant took: law asks that it be possible, so it is recorded like any other payment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.money import Fen
from parking_cloud.payments import charging, service
from parking_cloud.payments.offers import Offer, redeem


class CashIn(msgspec.Struct, frozen=True, kw_only=True):
    """Cash for an offer: `amount` is what was taken, in fen."""

    token: str
    amount: Annotated[int, msgspec.Meta(gt=0, le=100_000_000)]


class CashOut(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID
    amount: Fen


async def take_cash(
    session: AsyncSession, who: Identity, offer: Offer, amount: int, now: datetime
) -> CashOut:
    """Cash for an offer, as far as it is of the attendant's own operator's charges.

    Raises NothingOwed, CashDiffers.
    """
    wanted = await redeem(session, offer, now)
    charges = await charging.lock_charges(session, ids=wanted)
    own = {c.id: wanted[c.id] for c in charges if c.operator_id == who.operator_id}
    payment = await service.record_cash(session, own, amount, who.user_id, now)
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="payments.cash_taken",
        subject_type="payment",
        subject_id=str(payment.id),
        detail={"amount": amount},
    )
    return CashOut(payment_id=payment.id, amount=Fen(amount))

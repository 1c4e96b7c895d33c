"""Chargebacks: a payer's bank takes money back. The driver owes it again, unless the bank decides for us."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.ids import new_id
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.charging import lock_charges, settle
from parking_cloud.payments.models import Chargeback, Payment, Refund
from parking_cloud.payments.provider import ProviderDispute
from parking_cloud.payments.refunds import part_amounts, pay_back_disowned, replace
from parking_cloud.payments.rules import shares_of
from parking_cloud.payments.schemas import PaymentState, RefundState


async def dispute_seen(session: AsyncSession, provider: str, said: ProviderDispute, now: datetime) -> bool:
    """A dispute is as the provider says it is now; said again, nothing changes.

    False: its payment is not known here to have succeeded, yet.
    """
    payment = await session.scalar(
        select(Payment).where(Payment.provider == provider, Payment.provider_id == said.payment_id)
    )
    if payment is None or payment.state != PaymentState.SUCCEEDED:
        return False
    shares = await part_amounts(session, payment.id)
    await lock_charges(session, ids=shares)
    back = await session.scalar(
        select(Chargeback)
        .where(Chargeback.provider == provider, Chargeback.provider_id == said.id)
        .with_for_update()
    )
    if back is None:
        back = await _open(session, payment, said, now)
        await _move(session, back, -1, now)
    if back.state == "open" and said.state != "open":
        back.state, back.closed_at = said.state, now
        await session.flush()
        if said.state == "won":
            await _move(session, back, 1, now)
    return True


async def _open(session: AsyncSession, payment: Payment, said: ProviderDispute, now: datetime) -> Chargeback:
    back = Chargeback(
        id=new_id(),
        provider=payment.provider,
        provider_id=said.id,
        payment_id=payment.id,
        amount=said.amount,
        state="open",
        reason=said.reason,
        opened_at=now,
    )
    session.add(back)
    await session.flush()
    return back


async def _move(session: AsyncSession, back: Chargeback, sign: int, now: datetime) -> None:
    """The money leaves the provider's account (-1), or comes back (1); the charges follow."""
    of_charge = shares_of(back.amount, await part_amounts(session, back.payment_id))
    charges = await lock_charges(session, ids=of_charge)
    entries = {Account(AccountKind.PROVIDER, name=back.provider): sign * back.amount}
    for charge in charges:
        drivers = Account(AccountKind.DRIVER, charge.operator_id)
        entries[drivers] = entries.get(drivers, 0) - sign * of_charge[charge.id]
    kind = "chargeback" if sign < 0 else "chargeback_won"
    await ledger.post(session, kind=kind, reference=str(back.id), at=now, entries=entries)
    replaced = await _replaced(session, back.payment_id, now) if sign < 0 else {}
    for charge in charges:
        back_to_payer = await pay_back_disowned(session, charge, back.payment_id, now)
        paid = charge.paid + replaced.get(charge.id, 0) + sign * of_charge[charge.id] - back_to_payer
        await settle(session, charge, paid, "dispute", now)


async def _replaced(session: AsyncSession, payment_id: UUID, now: datetime) -> dict[UUID, int]:
    """What was still to be paid back of a payment is not paid back as well: what of it remains to be,
    follows from its charge. Fen that count as paid again, by charge."""
    waiting = await session.scalars(
        select(Refund)
        .where(Refund.payment_id == payment_id, Refund.state.in_((RefundState.DUE, RefundState.FAILED)))
        .order_by(Refund.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    again: dict[UUID, int] = {}
    for refund in waiting.all():
        await replace(session, refund, now)
        again[refund.charge_id] = again.get(refund.charge_id, 0) + refund.amount
    return again

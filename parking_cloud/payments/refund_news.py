"""What became of a refund at the provider: done, refused or failed there, and tried again."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments import refunds
from parking_cloud.payments.charging import lock_charges, settle
from parking_cloud.payments.events import PAYMENT_CHANGED
from parking_cloud.payments.models import Charge, Payment, Refund
from parking_cloud.payments.provider import Method, ProviderRefund, ProviderState
from parking_cloud.payments.refunds import as_id, cash_of, locked_refund, post_refund, refunds_of
from parking_cloud.payments.rules import look_after
from parking_cloud.payments.schemas import RefundState


async def refund_seen(
    session: AsyncSession, refund_id: UUID, said: ProviderRefund, now: datetime
) -> RefundState:
    """A refund is as the provider says it is now; said again, nothing changes."""
    held = await _hold(session, refund_id)
    refund = held.refund
    refund.provider_id = said.id
    match said.state:
        case ProviderState.SUCCEEDED:
            await _done(session, held, now)
        case ProviderState.FAILED | ProviderState.CANCELLED:
            await _failed(session, held, said.failure or said.state, now)
        case ProviderState.PENDING:
            if refund.state == RefundState.SENT:
                refund.try_again_at = now + look_after(now - refund.created_at)
    await session.flush()
    return RefundState(refund.state)


async def refund_heard(session: AsyncSession, provider: str, said: ProviderRefund, now: datetime) -> bool:
    """News of a refund, by its id there or by the key we gave it. False: it is none of ours."""
    ours = Refund.provider_id == said.id
    if (key := as_id(said.key)) is not None:
        ours |= Refund.id == key
    refund_id = await session.scalar(
        select(Refund.id)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.provider == provider, ours)
    )
    if refund_id is not None:
        await refund_seen(session, refund_id, said, now)
    return refund_id is not None


async def refund_failed(session: AsyncSession, refund_id: UUID, failure: str, now: datetime) -> None:
    """The provider will not pay it back, or could not after all: a person has to."""
    await _failed(session, await _hold(session, refund_id), failure, now)


async def try_again(session: AsyncSession, refund_id: UUID, now: datetime) -> None:
    """Another refund takes the place of one that failed, as far as it is still to be paid back. Again
    changes nothing."""
    held = await _hold(session, refund_id)
    if held.refund.state == RefundState.FAILED:
        await _replace(session, held, now)


class _Held(NamedTuple):
    """A refund with its charge, both locked: the charge first, as everywhere."""

    refund: Refund
    charge: Charge


async def _hold(session: AsyncSession, refund_id: UUID) -> _Held:
    charge_id = await session.scalar(select(Refund.charge_id).where(Refund.id == refund_id))
    assert charge_id is not None
    (charge,) = await lock_charges(session, ids=[charge_id])
    return _Held(await locked_refund(session, refund_id), charge)


async def _done(session: AsyncSession, held: _Held, now: datetime) -> None:
    refund, charge = held
    if refund.state not in (RefundState.DUE, RefundState.SENT):
        return
    refund.state, refund.done_at, refund.try_again_at = RefundState.DONE, now, None
    lies = await _held_by(session, held)
    await post_refund(session, "refund_done", refund, now, refunds_of(charge.operator_id), lies)
    await outbox.add(session, PAYMENT_CHANGED, str(refund.payment_id), {})


async def _failed(session: AsyncSession, held: _Held, failure: str, now: datetime) -> None:
    refund, charge = held
    if refund.failure or refund.state == RefundState.REPLACED:
        return  # told before; a person may have paid it back since
    if refund.state == RefundState.DONE:
        # The money has come back to the provider's account, and is owed to the driver again.
        lies = await _held_by(session, held)
        await post_refund(session, "refund_failed", refund, now, lies, refunds_of(charge.operator_id))
    refund.state, refund.failure = RefundState.FAILED, failure
    refund.done_at = refund.try_again_at = None
    await outbox.add(session, PAYMENT_CHANGED, str(refund.payment_id), {})
    await session.flush()
    left = {paid.payment_id: paid.left for paid in await refunds.paid_parts(session, charge.id)}
    if left[refund.payment_id] < 0:
        await _replace(session, held, now)  # the payer's bank has taken it back itself meanwhile


async def _replace(session: AsyncSession, held: _Held, now: datetime) -> None:
    """What of it is still to be paid back follows from its charge."""
    refund, charge = held
    await refunds.replace(session, refund, now)
    back_to_payer = await refunds.pay_back_disowned(session, charge, refund.payment_id, now)
    await settle(session, charge, charge.paid + refund.amount - back_to_payer, refund.why, now)


async def _held_by(session: AsyncSession, held: _Held) -> Account:
    """Where its payment's money lies."""
    payment = await session.get_one(Payment, held.refund.payment_id)
    if payment.method == Method.CASH:
        return cash_of(held.charge.operator_id)
    return Account(AccountKind.PROVIDER, name=payment.provider)

"""What staff decide about money, each with its reason: to ask less, to pay back, what was paid by hand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound, Problem
from parking_cloud.payments import charging, refund_news, refunds
from parking_cloud.payments.models import Charge, Refund
from parking_cloud.payments.schemas import ChargeState, RefundState


class ChargeNotFound(NotFound):
    slug = "charge-not-found"
    title = {"zh-CN": "没有这张账单", "en": "There is no such charge"}


class RefundNotFound(NotFound):
    slug = "refund-not-found"
    title = {"zh-CN": "没有这笔退款", "en": "There is no such refund"}


class ChargeChanged(Problem):
    slug = "charge-changed"
    status = 409
    title = {"zh-CN": "账单已有变化", "en": "The charge has changed meanwhile"}
    detail = {"zh-CN": "请查看最新金额后再操作。", "en": "Look at its amounts again before you go on."}


async def waive(
    session: AsyncSession, who: Identity, charge_id: UUID, amount: int, reason: str, now: datetime
) -> None:
    """Ask no more than `amount` fen; what was paid above it goes back by itself. Again changes nothing.

    Raises ChargeNotFound, NotAllowed (another operator's), InvalidInput, ChargeChanged (not in force),
    StayNotOver.
    """
    charge = await _theirs(session, who, charge_id, reason)
    if charge.state == ChargeState.VOID:
        raise ChargeChanged()
    if not 0 <= amount <= charge.amount:
        raise InvalidInput(errors=[{"field": "amount", "message": "is not within the charge"}])
    if amount == charge.amount:
        return
    before = charge.amount
    await charging.waive(session, charge, amount, now)
    await _note(session, who, "charge waived", charge.id, reason, {"from": before, "to": amount})


async def pay_back(
    session: AsyncSession,
    who: Identity,
    charge_id: UUID,
    amount: int,
    reason: str,
    now: datetime,
    *,
    paid_as_seen: int,
) -> None:
    """Pay back `amount` fen of a charge, which is asked no more. `paid_as_seen`: what was paid of it when the
    decision was made, so that a second click decides nothing.

    Raises ChargeNotFound, NotAllowed, InvalidInput (more than was paid), ChargeChanged, StayNotOver.
    """
    charge = await _theirs(session, who, charge_id, reason)
    if charge.paid != paid_as_seen or charge.state == ChargeState.VOID:
        raise ChargeChanged()
    if not 0 < amount <= charge.paid:
        raise InvalidInput(errors=[{"field": "amount", "message": "is not within what was paid"}])
    before = charge.amount
    await charging.waive(session, charge, charge.paid - amount, now)
    await _note(session, who, "charge paid back", charge.id, reason, {"from": before, "to": charge.amount})


async def paid_by_hand(
    session: AsyncSession, who: Identity, refund_id: UUID, reason: str, now: datetime
) -> None:
    """A refund that waits for a person was paid back from the till. Again changes nothing.

    Raises RefundNotFound, NotAllowed, InvalidInput, ChargeChanged (it is not to be paid back any more).
    """
    await _their_refund(session, who, refund_id, reason)
    refund = await refunds.paid_by_hand(session, refund_id, now)
    if refund.state == RefundState.REPLACED:
        raise ChargeChanged()
    await _note(session, who, "refund paid by hand", refund_id, reason, {})


async def try_refund_again(
    session: AsyncSession, who: Identity, refund_id: UUID, reason: str, now: datetime
) -> None:
    """A refund that failed is asked of the provider once more, by another in its place. Again changes
    nothing.

    Raises RefundNotFound, NotAllowed, InvalidInput.
    """
    await _their_refund(session, who, refund_id, reason)
    await refund_news.try_again(session, refund_id, now)
    await _note(session, who, "refund tried again", refund_id, reason, {})


async def _their_refund(session: AsyncSession, who: Identity, refund_id: UUID, reason: str) -> None:
    charge_id = await session.scalar(select(Refund.charge_id).where(Refund.id == refund_id))
    if charge_id is None:
        raise RefundNotFound()
    await _theirs(session, who, charge_id, reason)


async def _theirs(session: AsyncSession, who: Identity, charge_id: UUID, reason: str) -> Charge:
    """The charge, locked, where this person may decide about it and has said why."""
    if not reason.strip():
        raise InvalidInput(errors=[{"field": "reason", "message": "is empty"}])
    charges = await charging.lock_charges(session, ids=[charge_id])
    if not charges:
        raise ChargeNotFound()
    if who.role is Role.OPERATOR_STAFF and charges[0].operator_id != who.operator_id:
        raise NotAllowed()
    return charges[0]


async def _note(
    session: AsyncSession, who: Identity, action: str, subject: UUID, reason: str, detail: dict[str, int]
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="refund" if action.startswith("refund") else "charge",
        subject_id=str(subject),
        reason=reason.strip(),
        detail=dict(detail),
    )

"""Money going back: decided with the charge. What became of it at the provider is refund_news's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.events import PAYMENT_CHANGED
from parking_cloud.payments.models import Charge, Chargeback, Payment, PaymentPart, Refund
from parking_cloud.payments.rules import Paid, refunds_from, shares_of
from parking_cloud.payments.schemas import RefundState

CASH = "cash"
"""The `provider` of what an attendant took."""


async def paid_parts(session: AsyncSession, charge_id: UUID) -> list[Paid]:
    """The payments of a charge that succeeded, each with what is left of its part to refund."""
    rows = await session.execute(
        text(
            "select y.id, y.succeeded_at, p.amount - coalesce((select sum(r.amount) from refund r"
            "  where r.payment_id = y.id and r.charge_id = p.charge_id and r.state <> 'replaced'), 0)::bigint"
            " from payment_part p join payment y on y.id = p.payment_id"
            " where p.charge_id = :charge and y.state = 'succeeded'"
        ),
        {"charge": charge_id},
    )
    paid = {row[0]: Paid(*row) for row in rows}
    for payment_id, share in await _taken_back(session, charge_id, list(paid)):
        paid[payment_id] = paid[payment_id]._replace(left=paid[payment_id].left - share)
    return list(paid.values())


async def _taken_back(
    session: AsyncSession, charge_id: UUID, payment_ids: Sequence[UUID]
) -> list[tuple[UUID, int]]:
    """What banks have taken back of a charge, by payment."""
    standing = select(Chargeback.payment_id, Chargeback.amount).where(
        Chargeback.payment_id.in_(payment_ids), Chargeback.state != "won"
    )
    return [
        (payment_id, shares_of(amount, await part_amounts(session, payment_id))[charge_id])
        for payment_id, amount in (await session.execute(standing)).all()
    ]


async def part_amounts(session: AsyncSession, payment_id: UUID) -> dict[UUID, int]:
    """A payment's parts, by charge."""
    rows = await session.execute(
        select(PaymentPart.charge_id, PaymentPart.amount).where(PaymentPart.payment_id == payment_id)
    )
    return {row.charge_id: row.amount for row in rows}


async def pay_back(session: AsyncSession, charge: Charge, amount: int, why: str, now: datetime) -> None:
    """Decide refunds of a charge that the caller has locked; `charge.paid` is the caller's to lower.

    Cash is paid back by a person; all else by the desk.
    """
    await _decide(session, charge, refunds_from(await paid_parts(session, charge.id), amount), why, now)


async def pay_back_disowned(session: AsyncSession, charge: Charge, payment_id: UUID, now: datetime) -> int:
    """Money has come for a locked charge that turned out to be another vehicle's: all of it goes back.

    How much that is; 0 where the payment was for the vehicle that the charge is of.
    """
    part = await session.get(PaymentPart, (payment_id, charge.id), populate_existing=True)
    if part is None or not part.disowned:
        return 0
    paid = await paid_parts(session, charge.id)
    left = max(sum(each.left for each in paid if each.payment_id == payment_id), 0)
    if left:
        await _decide(session, charge, {payment_id: Fen(left)}, "corrected", now)
    return left


async def _decide(
    session: AsyncSession, charge: Charge, shares: Mapping[UUID, Fen], why: str, now: datetime
) -> None:
    by_hand = set(
        await session.scalars(select(Payment.id).where(Payment.id.in_(shares), Payment.provider == CASH))
    )
    for payment_id, share in shares.items():
        refund = Refund(
            id=new_id(),
            payment_id=payment_id,
            charge_id=charge.id,
            amount=share,
            why=why,
            state=RefundState.DUE,
            try_again_at=None if payment_id in by_hand else now,
            created_at=now,
        )
        session.add(refund)
        operator = charge.operator_id
        await post_refund(session, "refund", refund, now, _drivers(operator), refunds_of(operator))
        await outbox.add(session, PAYMENT_CHANGED, str(payment_id), {})


def as_id(key: str) -> UUID | None:
    """A key that a provider repeats; None where it is none of ours."""
    try:
        return UUID(key)
    except ValueError:
        return None


async def replace(session: AsyncSession, refund: Refund, now: datetime) -> None:
    """Nothing goes back by this one any more. By so much more is paid of its charge, which the caller has
    locked, and has to settle."""
    refund.state, refund.done_at, refund.try_again_at = RefundState.REPLACED, None, None
    operator = await _operator_of(session, refund)
    await post_refund(session, "refund_replaced", refund, now, refunds_of(operator), _drivers(operator))
    await outbox.add(session, PAYMENT_CHANGED, str(refund.payment_id), {})
    await session.flush()


async def paid_by_hand(session: AsyncSession, refund_id: UUID, now: datetime) -> Refund:
    """A person has paid back, from the operator's cash, what no provider will; again changes nothing."""
    refund = await locked_refund(session, refund_id)
    if refund.state == RefundState.FAILED or (
        refund.state == RefundState.DUE and refund.try_again_at is None
    ):
        operator = await _operator_of(session, refund)
        refund.state, refund.done_at = RefundState.DONE, now
        await post_refund(session, "refund_by_hand", refund, now, refunds_of(operator), cash_of(operator))
        await outbox.add(session, PAYMENT_CHANGED, str(refund.payment_id), {})
    await session.flush()
    return refund


async def locked_refund(session: AsyncSession, refund_id: UUID) -> Refund:
    """Where its charge is locked as well, that comes first."""
    refund = await session.get(Refund, refund_id, with_for_update=True, populate_existing=True)
    assert refund is not None
    return refund


async def _operator_of(session: AsyncSession, refund: Refund) -> UUID:
    operator = await session.scalar(select(Charge.operator_id).where(Charge.id == refund.charge_id))
    assert operator is not None
    return operator


async def post_refund(
    session: AsyncSession, kind: str, refund: Refund, at: datetime, debit: Account, credit: Account
) -> None:
    amount = Fen(refund.amount)
    entries = {debit: amount, credit: -amount}
    await ledger.post(session, kind=kind, reference=str(refund.id), at=at, entries=entries)


def _drivers(operator: UUID) -> Account:
    return Account(AccountKind.DRIVER, operator)


def refunds_of(operator: UUID) -> Account:
    return Account(AccountKind.REFUNDS, operator)


def cash_of(operator: UUID) -> Account:
    return Account(AccountKind.CASH, operator)


async def due_by_hand(session: AsyncSession, operator_id: UUID | None, limit: int) -> list[Refund]:
    """Refunds that wait for a person, oldest first: of cash, or refused by the provider."""
    query = (
        select(Refund)
        .join(Charge, Charge.id == Refund.charge_id)
        .where(
            (Refund.state == RefundState.FAILED)
            | ((Refund.state == RefundState.DUE) & Refund.try_again_at.is_(None))
        )
        .order_by(Refund.created_at)
        .limit(limit)
    )
    if operator_id is not None:
        query = query.where(Charge.operator_id == operator_id)
    return list(await session.scalars(query))

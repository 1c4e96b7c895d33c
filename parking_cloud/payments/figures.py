"""What each movement of the ledger that payments cause was for: by charge, and so by facility."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.models import Chargeback, Payment, Refund
from parking_cloud.payments.provider import Method
from parking_cloud.payments.rules import shares_of


class Share(NamedTuple):
    """A charge's part in a movement. Fen, above zero where the driver paid or owes more."""

    charge_id: UUID
    operator_id: UUID
    facility_id: UUID
    method: Method | None
    """None: of no payment."""
    amount: int
    paid_at: datetime | None
    """When the payment succeeded, also where part of it has gone back."""


CAUSES = (
    "charge",
    "payment",
    "refund_done",
    "refund_failed",
    "refund_by_hand",
    "chargeback",
    "chargeback_won",
)
"""The kinds of movement that payments book and that bear on what an operator is owed."""

_CHARGES = text(
    "select n.ref, c.id, c.operator_id, c.facility_id, null, a.amount - coalesce(b.amount, 0), null"
    " from unnest(cast(:refs as text[])) as n(ref)"
    " join charge_assessment a on a.charge_id = cast(split_part(n.ref, ':', 1) as uuid)"
    " and a.number = cast(split_part(n.ref, ':', 2) as integer)"
    " left join charge_assessment b on b.charge_id = a.charge_id and b.number = a.number - 1"
    " join charge c on c.id = a.charge_id"
)
_PAYMENTS = text(
    "select cast(p.id as text), c.id, c.operator_id, c.facility_id, p.method, t.amount,"
    " p.succeeded_at"
    " from payment p join payment_part t on t.payment_id = p.id join charge c on c.id = t.charge_id"
    " where p.id = any(cast(:refs as uuid[]))"
)
_REFUNDS = text(
    "select cast(r.id as text), c.id, c.operator_id, c.facility_id, p.method, r.amount,"
    " p.succeeded_at"
    " from refund r join payment p on p.id = r.payment_id join charge c on c.id = r.charge_id"
    " where r.id = any(cast(:refs as uuid[]))"
)


async def shares(session: AsyncSession, kind: str, references: Collection[str]) -> dict[str, list[Share]]:
    """The parts of these movements of one kind, by reference. Raises ValueError for a kind not in CAUSES."""
    if kind in ("chargeback", "chargeback_won"):
        sign = -1 if kind == "chargeback" else 1
        return await _of_chargebacks(session, references, sign)
    if kind == "charge":
        return await _read(session, _CHARGES, references, 1)
    if kind == "payment":
        return await _read(session, _PAYMENTS, references, 1)
    if kind in ("refund_done", "refund_failed"):
        return await _read(session, _REFUNDS, references, -1 if kind == "refund_done" else 1)
    if kind == "refund_by_hand":
        return await _read(session, _REFUNDS, references, -1, Method.CASH)
    raise ValueError(f"{kind} is not a cause of payments")


async def _read(
    session: AsyncSession, query: object, references: Collection[str], sign: int, method: Method | None = None
) -> dict[str, list[Share]]:
    found: dict[str, list[Share]] = {}
    rows = await session.execute(query, {"refs": list(references)})  # type: ignore[call-overload]
    for reference, charge, operator, facility, paid_by, amount, paid_at in rows:
        by = method or (Method(paid_by) if paid_by else None)
        share = Share(charge, operator, facility, by, sign * amount, paid_at)
        found.setdefault(reference, []).append(share)
    return found


async def _of_chargebacks(
    session: AsyncSession, references: Collection[str], sign: int
) -> dict[str, list[Share]]:
    query = select(Chargeback).where(Chargeback.id.in_([UUID(reference) for reference in references]))
    backs = (await session.scalars(query)).all()
    paid = await shares(session, "payment", {str(back.payment_id) for back in backs})
    found = {}
    for back in backs:
        parts = {share.charge_id: share for share in paid[str(back.payment_id)]}
        amounts = shares_of(back.amount, {charge: share.amount for charge, share in parts.items()})
        found[str(back.id)] = [
            parts[charge]._replace(amount=sign * amount) for charge, amount in amounts.items() if amount
        ]
    return found


async def causes_of(
    session: AsyncSession,
    provider: str,
    *,
    payments: Collection[str],
    refunds: Collection[str],
    disputes: Collection[str],
) -> Mapping[tuple[str, str], str]:
    """Our own ids of what a provider's books name: (`payment`, `refund` or `dispute`, its id there) →
    ours."""
    queries = {
        "payment": select(Payment.provider_id, Payment.id).where(
            Payment.provider == provider, Payment.provider_id.in_(payments)
        ),
        "refund": select(Refund.provider_id, Refund.id).where(Refund.provider_id.in_(refunds)),
        "dispute": select(Chargeback.provider_id, Chargeback.id).where(
            Chargeback.provider == provider, Chargeback.provider_id.in_(disputes)
        ),
    }
    return {
        (what, str(theirs)): str(ours)
        for what, query in queries.items()
        for theirs, ours in await session.execute(query)
    }

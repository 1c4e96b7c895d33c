"""What the ledger's movements did for each charge, taken over for the statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.money import Fen, share_out
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.service import Movement
from parking_cloud.payments.figures import CAUSES, Share, shares
from parking_cloud.payments.policies import commissions
from parking_cloud.settlement.models import ProviderBookLine, SettlementItem, SettlementProgress

_OVERLAP = timedelta(hours=1)
"""A movement's time is when its transaction began: the last hour is read again, for those that were long."""
_AT_ONCE = 1000
_KINDS = {
    "charge": "charged",
    "payment": "paid",
    "refund_done": "refunded",
    "refund_failed": "refunded",
    "refund_by_hand": "refunded",
    "chargeback": "charged_back",
    "chargeback_won": "charged_back",
    "fee": "fee",
}


async def gather(session: AsyncSession, now: datetime) -> int:
    """Take over what the ledger has booked since; how many movements were looked at. Again adds nothing."""
    await alone(session, "gather settlement items")
    progress = await session.get(SettlementProgress, 1)
    since = progress.booked_until - _OVERLAP if progress else datetime(2000, 1, 1, tzinfo=UTC)
    seen, until = 0, since
    after: UUID | None = None
    while True:
        found = await ledger.movements(
            session, [*CAUSES, "fee"], booked_since=since, after=after, limit=_AT_ONCE
        )
        await _take_over(session, found)
        seen += len(found)
        until = max([until, *(movement.booked_at for movement in found)])
        if len(found) < _AT_ONCE:
            break
        after = found[-1].id
    if seen:
        values = {"booked_until": until}
        await session.execute(
            insert(SettlementProgress)
            .values(id=1, **values)
            .on_conflict_do_update(index_elements=["id"], set_=values)
        )
    return seen


async def share_out_fees(session: AsyncSession, references: Collection[str]) -> None:
    """Take over fees of which it is only known now what they were for, however long ago they were booked."""
    await alone(session, "gather settlement items")
    await _take_over(session, await ledger.of_references(session, "fee", references))


async def _take_over(session: AsyncSession, movements: Sequence[Movement]) -> None:
    rows: list[dict[str, Any]] = []
    for kind in _KINDS:
        of_kind = [movement for movement in movements if movement.kind == kind]
        if not of_kind:
            continue
        references = [movement.reference for movement in of_kind]
        parts = (
            await _fee_shares(session, references)
            if kind == "fee"
            else await shares(session, kind, references)
        )
        shared = [
            (movement, share)
            for movement in of_kind
            for share in parts.get(movement.reference, [])
            if share.amount
        ]
        bp = await commissions(session, {(s.facility_id, s.paid_at) for _, s in shared if s.paid_at})
        rows += [
            _row(movement, share, bp[share.facility_id, share.paid_at] if share.paid_at else 0)
            for movement, share in shared
        ]
    if rows:
        statement = insert(SettlementItem).values(rows)
        await session.execute(statement.on_conflict_do_nothing(index_elements=["movement_id", "charge_id"]))


def _row(movement: Movement, share: Share, commission_bp: int) -> dict[str, Any]:
    return {
        "movement_id": movement.id,
        "charge_id": share.charge_id,
        "operator_id": share.operator_id,
        "facility_id": share.facility_id,
        "day": city_time(movement.at).date(),
        "kind": _KINDS[movement.kind],
        "method": share.method.value if share.method else "",
        "provider": movement.reference.partition(":")[0] if movement.kind == "fee" else "",
        "amount": share.amount,
        "commission_bp": commission_bp,
    }


async def _fee_shares(session: AsyncSession, references: Iterable[str]) -> dict[str, list[Share]]:
    """Each provider's fee, on the charges of what it was for, in proportion. A fee of nothing is the
    platform's."""
    keys: dict[tuple[str, str], str] = {}
    for reference in references:
        provider, _, id_ = reference.partition(":")
        keys[provider, id_] = reference
    lines = await session.scalars(
        select(ProviderBookLine).where(
            ProviderBookLine.id.in_([id_ for _, id_ in keys]), ProviderBookLine.cause_kind.is_not(None)
        )
    )
    by_kind: dict[str, list[ProviderBookLine]] = {}
    for line in lines:
        if (line.provider, line.id) in keys and line.cause_kind is not None:
            by_kind.setdefault(line.cause_kind, []).append(line)
    found: dict[str, list[Share]] = {}
    for kind, of_kind in by_kind.items():
        of_cause = await shares(session, kind, {str(line.cause_reference) for line in of_kind})
        for line in of_kind:
            parts = sorted(of_cause[str(line.cause_reference)], key=lambda part: part.charge_id)
            split = share_out(Fen(-line.fee), [abs(part.amount) for part in parts])
            found[keys[line.provider, line.id]] = [
                part._replace(amount=amount) for part, amount in zip(parts, split, strict=True)
            ]
    return found

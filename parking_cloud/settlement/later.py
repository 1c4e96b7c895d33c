"""What a day's comparison could not explain, and a later one can: the missing side has come since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.webhooks import look_at
from parking_cloud.settlement.items import share_out_fees
from parking_cloud.settlement.models import ProviderBookLine, ReconciliationDifference
from parking_cloud.settlement.rules import Cause, DifferenceKind, undone
from parking_cloud.settlement.sides import causes_of_lines, in_books, in_ledger, money_at

_CONCERNS = {"payment": "payment", "refund": "refund", "dispute": "dispute", "dispute_reversal": "dispute"}
"""What a line is of, by its kind: others are of nothing of ours."""


async def link_lines(session: AsyncSession, provider: str, now: datetime) -> None:
    """Lines that were of nothing we knew are looked at again.

    What one is of may be known by now: then its difference is explained, and its fee is the operator's. Else
    the desk asks the provider, so that news that was lost on its way is made good.
    """
    query = select(ProviderBookLine).where(
        ProviderBookLine.provider == provider,
        ProviderBookLine.cause_kind.is_(None),
        ProviderBookLine.kind.in_(_CONCERNS),
    )
    lines = (await session.scalars(query)).all()
    causes = await causes_of_lines(session, provider, lines)
    for line in lines:
        if line.id in causes:
            line.cause_kind, line.cause_reference = causes[line.id]
    await session.flush()
    await _resolve_lines(session, provider, causes, now)
    await share_out_fees(session, [f"{provider}:{id_}" for id_ in causes])
    await _ask_about(session, provider, [line for line in lines if line.id not in causes], now)


async def _resolve_lines(
    session: AsyncSession, provider: str, line_ids: Collection[str], now: datetime
) -> None:
    await session.execute(
        update(ReconciliationDifference)
        .where(
            ReconciliationDifference.provider == provider,
            ReconciliationDifference.kind == DifferenceKind.UNKNOWN_LINE.value,
            ReconciliationDifference.cause_reference.in_(line_ids),
            ReconciliationDifference.resolved_at.is_(None),
        )
        .values(resolved_at=now, resolved_by="came_later")
    )


async def _ask_about(
    session: AsyncSession, provider: str, lines: Sequence[ProviderBookLine], now: datetime
) -> None:
    for line in lines:
        concerns = _CONCERNS[line.kind]
        reference = {"payment": line.payment_id, "refund": line.refund_id, "dispute": line.dispute_id}[
            concerns
        ]
        if reference:
            await look_at(session, provider, line.id, concerns, reference, line.at, now)


async def resolve_what_came(session: AsyncSession, provider: str, now: datetime) -> None:
    """Open differences whose two sides have met since, or that have undone each other at the provider."""
    query = select(ReconciliationDifference).where(
        ReconciliationDifference.provider == provider,
        ReconciliationDifference.resolved_at.is_(None),
        ReconciliationDifference.kind != DifferenceKind.UNKNOWN_LINE.value,
    )
    rows = (await session.scalars(query)).all()
    causes = {Cause(row.cause_kind, row.cause_reference) for row in rows}
    both_ways = causes | {
        Cause(kind, cause.reference) for cause in causes for kind in ("refund_done", "refund_failed")
    }
    there = await in_books(session, provider, both_ways)
    here = await in_ledger(session, money_at(provider), both_ways)
    met = {cause for cause in there.keys() & here.keys() if there[cause].amount == here[cause].amount}
    by: dict[str, list[UUID]] = {"came_later": [], "undone": []}
    for row in rows:
        cause = Cause(row.cause_kind, row.cause_reference)
        if cause in met:
            by["came_later"].append(row.id)
        elif cause in undone(there, here):
            by["undone"].append(row.id)
    for how, ids in by.items():
        await session.execute(
            update(ReconciliationDifference)
            .where(ReconciliationDifference.id.in_(ids))
            .values(resolved_at=now, resolved_by=how)
        )

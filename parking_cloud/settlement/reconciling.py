"""The daily comparison of our ledger with each provider's books.

The books are read outside any transaction; what they say is then taken in with one. Fees and payouts are
known from the books alone, so they are booked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.ids import new_id
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.provider import BookLine, Provider, ProviderAway, ProviderRefused
from parking_cloud.settlement.later import link_lines, resolve_what_came
from parking_cloud.settlement.models import (
    ProviderBookLine,
    ReconciliationDifference,
    ReconciliationRun,
)
from parking_cloud.settlement.rules import Cause, Difference, Entry, compare
from parking_cloud.settlement.sides import causes_of_lines, day_of, in_books, in_ledger, money_at

_NOT_BEFORE = time(2, 0)
"""A day's books are read from two in the morning on: what its last second did has reached both sides by
then."""
_OWN = ("fee", "provider_payout")
"""Movements that are booked from the books themselves: they cannot differ."""
_LINES_AT_ONCE = 1000

log = structlog.get_logger(__name__)


def _bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(), CITY_ZONE)
    return start, start + timedelta(days=1)


class Reconciler:
    """Compares what has not been compared yet, one day after the other."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], providers: Mapping[str, Provider]) -> None:
        self._sessions = sessions
        self._providers = providers

    async def do_some(self, now: datetime) -> int:
        """Compare the next day of each provider that can be; how many were."""
        done = 0
        for name, provider in self._providers.items():
            async with transaction(self._sessions) as session:
                day = await _next_day(session, name, now)
            if day is None:
                continue
            try:
                await self.compare(provider, day, now)
                done += 1
            except ProviderAway as away:
                log.info("the provider's books cannot be read now", provider=name, error=str(away))
            except ProviderRefused as refused:
                log.error("the provider refused its books", provider=name, code=refused.code)
        return done

    async def compare(self, provider: Provider, day: date, now: datetime) -> None:
        """Read a day of the books, and compare. Again, it says how it stands now.

        Raises ProviderAway, ProviderRefused.
        """
        lines = [line async for line in provider.books(*_bounds(day))]
        async with transaction(self._sessions) as session:
            await take_in(session, provider.name, day, lines, now)


async def _next_day(session: AsyncSession, provider: str, now: datetime) -> date | None:
    """The day after the last that was compared, once it is over; at first, the ledger's first."""
    local = city_time(now)
    newest = local.date() - timedelta(days=1 if local.time() >= _NOT_BEFORE else 2)
    last = await session.scalar(
        select(ReconciliationRun.day)
        .where(ReconciliationRun.provider == provider)
        .order_by(ReconciliationRun.day.desc())
        .limit(1)
    )
    if last is not None:
        day = last + timedelta(days=1)
    else:
        first = await ledger.first_at(session, money_at(provider))
        if first is None:
            return None
        day = day_of(first)
    return day if day <= newest else None


async def take_in(
    session: AsyncSession, provider: str, day: date, lines: Sequence[BookLine], now: datetime
) -> None:
    """Write a day's lines, book their fees and payouts, and list every difference. Again adds nothing."""
    causes = await causes_of_lines(session, provider, lines)
    await _write_lines(session, provider, lines, causes)
    await _book_fees_and_payouts(session, provider, lines)
    await link_lines(session, provider, now)
    there = [
        Entry(causes[line.id], line.amount, day) for line in lines if line.id in causes and _compared(line)
    ]
    unknown = [
        (line.id, line.amount) for line in lines if line.id not in causes and _compared(line) and line.amount
    ]
    account = money_at(provider)
    here = [
        Entry(Cause(m.kind, m.reference), m.amount, day)
        for m in await ledger.on_account(session, account, *_bounds(day))
        if m.kind not in _OWN
    ]
    wanted = {entry.cause for entry in [*there, *here]}
    differences = compare(
        day,
        there,
        here,
        known_there=await in_books(session, provider, wanted),
        known_here=await in_ledger(session, account, wanted),
        unknown=unknown,
    )
    await _write_differences(session, provider, day, differences, now)
    values = {
        "lines": len(lines),
        "books": sum(entry.amount for entry in there) + sum(amount for _, amount in unknown),
        "ledger": sum(entry.amount for entry in here),
        "fees": sum(line.fee for line in lines),
        "ran_at": now,
    }
    await session.execute(
        insert(ReconciliationRun)
        .values(provider=provider, day=day, **values)
        .on_conflict_do_update(index_elements=["provider", "day"], set_=values)
    )
    await resolve_what_came(session, provider, now)


def _compared(line: BookLine) -> bool:
    """A fee of its own and a payout are booked from here: there is nothing to compare them with."""
    return line.kind not in ("fee", "payout")


async def _write_lines(
    session: AsyncSession, provider: str, lines: Sequence[BookLine], causes: Mapping[str, Cause]
) -> None:
    rows = [
        {
            "provider": provider,
            "id": line.id,
            "kind": line.kind,
            "amount": line.amount,
            "fee": line.fee,
            "at": line.at,
            "day": day_of(line.at),
            "payment_id": line.payment_id,
            "refund_id": line.refund_id,
            "dispute_id": line.dispute_id,
            "cause_kind": causes[line.id].kind if line.id in causes else None,
            "cause_reference": causes[line.id].reference if line.id in causes else None,
        }
        for line in lines
    ]
    for start in range(0, len(rows), _LINES_AT_ONCE):
        statement = insert(ProviderBookLine).values(rows[start : start + _LINES_AT_ONCE])
        new = statement.excluded
        # A line itself never changes; what it is of may be known only later.
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["provider", "id"],
                set_={
                    "cause_kind": func.coalesce(new.cause_kind, ProviderBookLine.cause_kind),
                    "cause_reference": func.coalesce(new.cause_reference, ProviderBookLine.cause_reference),
                },
            )
        )


async def _book_fees_and_payouts(session: AsyncSession, provider: str, lines: Sequence[BookLine]) -> None:
    money = money_at(provider)
    kept = Account(AccountKind.FEES, name=provider)
    for line in lines:
        fee = line.fee - (line.amount if line.kind == "fee" else 0)
        if fee:
            await ledger.post(
                session,
                kind="fee",
                reference=f"{provider}:{line.id}",
                at=line.at,
                entries={kept: fee, money: -fee},
            )
        if line.kind == "payout" and line.amount:
            await ledger.post(
                session,
                kind="provider_payout",
                reference=f"{provider}:{line.id}",
                at=line.at,
                entries={money: line.amount, Account(AccountKind.BANK): -line.amount},
            )


async def _write_differences(
    session: AsyncSession, provider: str, day: date, differences: Sequence[Difference], now: datetime
) -> None:
    """What holds now is listed; what was listed of this day and holds no longer has come since."""
    for difference in differences:
        resolved: dict[str, Any] = {"resolved_at": None, "resolved_by": ""}
        if difference.explained:
            resolved = {"resolved_at": now, "resolved_by": "timing"}
        values = {
            "kind": difference.kind.value,
            "here": difference.here,
            "there": difference.there,
            **resolved,
        }
        table = ReconciliationDifference
        await session.execute(
            insert(table)
            .values(
                id=new_id(),
                provider=provider,
                day=day,
                cause_kind=difference.cause.kind,
                cause_reference=difference.cause.reference,
                found_at=now,
                note="",
                **values,
            )
            .on_conflict_do_update(
                constraint="uq_difference_once",
                set_=values,
                where=(table.resolved_at.is_(None)),
            )
        )
    holds = {difference.cause for difference in differences}
    query = select(ReconciliationDifference).where(
        ReconciliationDifference.provider == provider,
        ReconciliationDifference.day == day,
        ReconciliationDifference.resolved_at.is_(None),
    )
    for row in await session.scalars(query):
        if Cause(row.cause_kind, row.cause_reference) not in holds:
            row.resolved_at, row.resolved_by = now, "came_later"
    await session.flush()

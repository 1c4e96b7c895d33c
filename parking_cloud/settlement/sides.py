"""The two sides that are compared: a provider's books as we have read them, and our ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.figures import causes_of
from parking_cloud.settlement.rules import Cause, Entry


class Read(Protocol):
    """A line of the books, just read or kept."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def payment_id(self) -> str: ...
    @property
    def refund_id(self) -> str: ...
    @property
    def dispute_id(self) -> str: ...


def day_of(moment: datetime) -> date:
    return city_time(moment).date()


def money_at(provider: str) -> Account:
    return Account(AccountKind.PROVIDER, name=provider)


async def causes_of_lines(session: AsyncSession, provider: str, lines: Iterable[Read]) -> dict[str, Cause]:
    """The movement of ours that each line is the other side of, where it is of something of ours."""
    lines = list(lines)
    ours = await causes_of(
        session,
        provider,
        payments={line.payment_id for line in lines if line.kind == "payment"},
        refunds={line.refund_id for line in lines if line.kind == "refund"},
        disputes={line.dispute_id for line in lines if line.dispute_id},
    )
    found = {}
    for line in lines:
        match line.kind:
            case "payment":
                kind, key = "payment", ours.get(("payment", line.payment_id))
            case "refund":
                # One that failed after all has come back.
                kind = "refund_done" if line.amount <= 0 else "refund_failed"
                key = ours.get(("refund", line.refund_id))
            case "dispute" | "dispute_reversal":
                kind = "chargeback" if line.kind == "dispute" else "chargeback_won"
                key = ours.get(("dispute", line.dispute_id))
            case _:
                continue
        if key is not None:
            found[line.id] = Cause(kind, key)
    return found


async def in_books(session: AsyncSession, provider: str, causes: set[Cause]) -> dict[Cause, Entry]:
    """What the books have of these causes, on whatever day."""
    rows = await session.execute(
        text(
            "select l.cause_kind, l.cause_reference, sum(l.amount)::bigint, max(l.day)"
            " from provider_book_line l"
            " join unnest(cast(:kinds as text[]), cast(:references as text[])) as w(kind, reference)"
            " on l.cause_kind = w.kind and l.cause_reference = w.reference"
            " where l.provider = :provider group by 1, 2"
        ),
        {
            "provider": provider,
            "kinds": [cause.kind for cause in causes],
            "references": [cause.reference for cause in causes],
        },
    )
    return {
        Cause(kind, reference): Entry(Cause(kind, reference), amount, day)
        for kind, reference, amount, day in rows
    }


async def in_ledger(session: AsyncSession, account: Account, causes: set[Cause]) -> dict[Cause, Entry]:
    found = await ledger.of_causes(session, account, [(c.kind, c.reference) for c in causes])
    return {
        Cause(m.kind, m.reference): Entry(Cause(m.kind, m.reference), m.amount, day_of(m.at)) for m in found
    }

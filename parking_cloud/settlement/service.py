"""What staff see of reconciliation and settlement; operators' staff see their own statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotAllowed, NotFound, Problem
from parking_cloud.registry.service import operator_names
from parking_cloud.settlement.models import (
    ReconciliationDifference,
    ReconciliationRun,
    SettlementStatement,
)
from parking_cloud.settlement.rules import DifferenceKind, Line
from parking_cloud.settlement.schemas import DifferenceOut, LineOut, RunOut, StatementOut
from parking_cloud.settlement.statements import Draft, StatementNotFound, draft, lines_of, named_lines
from parking_cloud.settlement.texts import explanation


class DifferenceNotFound(NotFound):
    slug = "difference-not-found"
    title = {"zh-CN": "没有这项差异", "en": "There is no such difference"}


class ResolvedAlready(Problem):
    slug = "difference-resolved"
    status = 409
    title = {"zh-CN": "该差异已说明", "en": "This difference is explained already"}
    detail = {"zh-CN": "请刷新查看。", "en": "Reload to see how."}


async def runs(session: AsyncSession, limit: int) -> list[RunOut]:
    """The days that were compared, the newest first."""
    rows = (
        await session.scalars(
            select(ReconciliationRun)
            .order_by(ReconciliationRun.day.desc(), ReconciliationRun.provider)
            .limit(limit)
        )
    ).all()
    table = ReconciliationDifference
    counted = await session.execute(
        select(table.provider, table.day, func.count(), func.count().filter(table.resolved_at.is_(None)))
        .where(table.day.in_({row.day for row in rows}))
        .group_by(table.provider, table.day)
    )
    counts = {(provider, day): (all_, open_) for provider, day, all_, open_ in counted}
    return [
        RunOut(
            provider=row.provider,
            day=row.day,
            lines=row.lines,
            books=row.books,
            ledger=row.ledger,
            fees=row.fees,
            differences=counts.get((row.provider, row.day), (0, 0))[0],
            open=counts.get((row.provider, row.day), (0, 0))[1],
            ran_at=row.ran_at,
        )
        for row in rows
    ]


async def differences(
    session: AsyncSession, *, open_only: bool, day: date | None, limit: int
) -> list[DifferenceOut]:
    """Differences, the newest first, each explained in words."""
    table = ReconciliationDifference
    query = select(table).order_by(table.day.desc(), table.id.desc()).limit(limit)
    if open_only:
        query = query.where(table.resolved_at.is_(None))
    if day is not None:
        query = query.where(table.day == day)
    return [
        DifferenceOut(
            id=row.id,
            provider=row.provider,
            day=row.day,
            kind=DifferenceKind(row.kind),
            cause=f"{row.cause_kind} {row.cause_reference}",
            here=row.here,
            there=row.there,
            explanation=explanation(
                DifferenceKind(row.kind), row.cause_kind, row.here, row.there, row.resolved_by
            ),
            resolved_at=row.resolved_at,
            resolved_by=row.resolved_by,
            note=row.note,
        )
        for row in await session.scalars(query)
    ]


async def explain_by_hand(
    session: AsyncSession, who: Identity, difference_id: UUID, note: str, now: datetime
) -> None:
    """A person has found out what it is. Raises DifferenceNotFound, ResolvedAlready."""
    row = await session.get(
        ReconciliationDifference, difference_id, with_for_update=True, populate_existing=True
    )
    if row is None:
        raise DifferenceNotFound()
    if row.resolved_at is not None:
        raise ResolvedAlready()
    row.resolved_at, row.resolved_by, row.note = now, "by_hand", note
    await session.flush()
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="settlement.difference_explained",
        subject_type="reconciliation_difference",
        subject_id=str(difference_id),
        reason=note,
    )


def operator_for(who: Identity, asked: UUID | None) -> UUID | None:
    """The operator whose statements are meant; None: all. Staff see their own. Raises NotAllowed."""
    if who.role is not Role.OPERATOR_STAFF:
        return asked
    if who.operator_id is None or asked not in (None, who.operator_id):
        raise NotAllowed()
    return who.operator_id


async def list_statements(session: AsyncSession, operator_id: UUID | None, limit: int) -> list[StatementOut]:
    """Statements, the newest first, without their lines."""
    query = select(SettlementStatement).order_by(SettlementStatement.until.desc()).limit(limit)
    if operator_id is not None:
        query = query.where(SettlementStatement.operator_id == operator_id)
    rows = (await session.scalars(query)).all()
    names = await operator_names(session, {row.operator_id for row in rows})
    return [shown(row, names[row.operator_id].name, []) for row in rows]


async def statement(session: AsyncSession, who: Identity, statement_id: UUID) -> StatementOut:
    """A statement with its lines. Raises StatementNotFound, also where it is another operator's."""
    row = await session.get(SettlementStatement, statement_id)
    if row is None or operator_for(who, None) not in (None, row.operator_id):
        raise StatementNotFound()
    names = await operator_names(session, [row.operator_id])
    return shown(row, names[row.operator_id].name, await named_lines(session, lines_of(row)))


async def preview(session: AsyncSession, operator_id: UUID, until: date) -> StatementOut:
    """What a statement would be. Raises StatementNotFound (no such operator)."""
    names = await operator_names(session, [operator_id])
    if operator_id not in names:
        raise StatementNotFound()
    made = await draft(session, operator_id, until)
    lines = await named_lines(session, made.lines)
    return _of_draft(made, operator_id, names[operator_id].name, until, lines)


def shown(row: SettlementStatement, operator: str, lines: Sequence[tuple[str, Line]]) -> StatementOut:
    return StatementOut(
        id=row.id,
        number=row.number,
        operator_id=row.operator_id,
        operator=operator,
        first_day=row.first_day,
        until=row.until,
        charged=row.charged,
        electronic=row.electronic,
        cash=row.cash,
        refunded=row.refunded,
        charged_back=row.charged_back,
        fees=row.fees,
        commission=row.commission,
        net=row.net,
        carried_in=row.carried_in,
        payout=row.payout,
        carried_out=row.carried_out,
        closed_at=row.closed_at,
        transferred_at=row.transferred_at,
        transfer_reference=row.transfer_reference,
        lines=[_line(name, line) for name, line in lines],
    )


def _of_draft(
    made: Draft, operator_id: UUID, operator: str, until: date, lines: Sequence[tuple[str, Line]]
) -> StatementOut:
    of = made.lines
    return StatementOut(
        id=None,
        number="",
        operator_id=operator_id,
        operator=operator,
        first_day=min((line.day for line in of), default=None),
        until=until,
        charged=sum(line.charged for line in of),
        electronic=sum(line.electronic for line in of),
        cash=sum(line.cash for line in of),
        refunded=sum(line.refunded for line in of),
        charged_back=sum(line.charged_back for line in of),
        fees=sum(line.fees for line in of),
        commission=sum(line.commission for line in of),
        net=made.totals.net,
        carried_in=made.totals.carried_in,
        payout=made.totals.payout,
        carried_out=made.totals.carried_out,
        closed_at=None,
        transferred_at=None,
        transfer_reference="",
        lines=[_line(name, line) for name, line in lines],
    )


def _line(facility: str, line: Line) -> LineOut:
    return LineOut(**(line._asdict() | {"facility": facility, "net": line.net}))

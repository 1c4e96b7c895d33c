"""Operators' statements: made of what the ledger's movements did for each charge, closed once, paid out
once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.registry.service import facility_names, operator_names
from parking_cloud.settlement.items import gather
from parking_cloud.settlement.models import SettlementItem, SettlementStatement
from parking_cloud.settlement.rules import Item, Line, Totals, statement_lines, totals


class StatementNotFound(NotFound):
    slug = "statement-not-found"
    title = {"zh-CN": "没有这份结算单", "en": "There is no such statement"}


class NothingToSettle(Problem):
    slug = "nothing-to-settle"
    status = 409
    title = {"zh-CN": "没有可结算的内容", "en": "There is nothing to settle"}
    detail = {
        "zh-CN": "该日期之前的款项都已结算。",
        "en": "Everything before that day is in a statement already.",
    }


class TransferredAlready(Problem):
    slug = "statement-transferred"
    status = 409
    title = {"zh-CN": "该结算单已付款", "en": "This statement was transferred already"}
    detail = {"zh-CN": "如有出入，请核对银行流水。", "en": "Compare with the bank's own record."}


class AnotherPersonNeeded(Problem):
    slug = "another-person-needed"
    status = 403
    title = {"zh-CN": "须由另一人确认", "en": "Another person has to do this"}
    detail = {
        "zh-CN": "结算与付款不能由同一人完成。",
        "en": "Who closed a statement cannot also transfer it.",
    }


class Draft(NamedTuple):
    """What a statement would be, or is."""

    lines: list[Line]
    totals: Totals
    fees_by_provider: Mapping[str, int]


async def draft(session: AsyncSession, operator_id: UUID, until: date) -> Draft:
    """What is not settled yet of the days before `until`."""
    open_ = (
        SettlementItem.operator_id == operator_id,
        SettlementItem.statement_id.is_(None),
        SettlementItem.day < until,
    )
    rows = await session.execute(
        select(
            SettlementItem.facility_id,
            SettlementItem.day,
            SettlementItem.kind,
            SettlementItem.method,
            func.sum(SettlementItem.amount),
            SettlementItem.commission_bp,
        )
        .where(*open_)
        .group_by(
            SettlementItem.facility_id,
            SettlementItem.day,
            SettlementItem.kind,
            SettlementItem.method,
            SettlementItem.commission_bp,
        )
    )
    lines = statement_lines(Item(str(row[0]), row[1], row[2], row[3], int(row[4]), row[5]) for row in rows)
    fees = await session.execute(
        select(SettlementItem.provider, func.sum(SettlementItem.amount))
        .where(*open_, SettlementItem.kind == "fee")
        .group_by(SettlementItem.provider)
    )
    carried = await session.scalar(
        select(SettlementStatement.carried_out)
        .where(SettlementStatement.operator_id == operator_id)
        .order_by(SettlementStatement.until.desc())
        .limit(1)
    )
    by_provider = {provider: int(amount) for provider, amount in fees}
    return Draft(lines, totals(lines, carried or 0), by_provider)


async def close(
    session: AsyncSession, who: Identity, operator_id: UUID, until: date, now: datetime
) -> SettlementStatement:
    """Close a statement of all days before `until` that no other has, and book it. It is never changed.

    Raises InvalidInput (a day that is not over, or before the last statement's), NothingToSettle,
    StatementNotFound (no such operator).
    """
    await alone(session, f"statements of {operator_id}")
    names = await operator_names(session, [operator_id])
    if operator_id not in names:
        raise StatementNotFound()
    last = await session.scalar(
        select(func.max(SettlementStatement.until)).where(SettlementStatement.operator_id == operator_id)
    )
    if until > city_time(now).date() or (last is not None and until <= last):
        message = "must be after the last statement's, and not after today"
        raise InvalidInput(errors=[{"field": "until", "message": message}])
    await gather(session, now)
    made = await draft(session, operator_id, until)
    if not made.lines:
        raise NothingToSettle()
    statement = _statement(made, names[operator_id].code, operator_id, until, who, now)
    session.add(statement)
    await session.flush()
    await session.execute(
        update(SettlementItem)
        .where(
            SettlementItem.operator_id == operator_id,
            SettlementItem.statement_id.is_(None),
            SettlementItem.day < until,
        )
        .values(statement_id=statement.id)
    )
    await _book(session, statement, made)
    await _audit(session, who, "settlement.closed", statement)
    return statement


def _statement(
    made: Draft, code: str, operator_id: UUID, until: date, who: Identity, now: datetime
) -> SettlementStatement:
    lines = made.lines
    return SettlementStatement(
        id=new_id(),
        number=f"{code.upper()}-{until:%Y%m%d}",
        operator_id=operator_id,
        first_day=min(line.day for line in lines),
        until=until,
        lines=[msgspec.to_builtins(line._asdict()) for line in lines],
        charged=sum(line.charged for line in lines),
        electronic=sum(line.electronic for line in lines),
        cash=sum(line.cash for line in lines),
        refunded=sum(line.refunded for line in lines),
        charged_back=sum(line.charged_back for line in lines),
        fees=sum(line.fees for line in lines),
        commission=sum(line.commission for line in lines),
        net=made.totals.net,
        carried_in=made.totals.carried_in,
        payout=made.totals.payout,
        carried_out=made.totals.carried_out,
        closed_at=now,
        closed_by=who.user_id,
    )


async def _book(session: AsyncSession, statement: SettlementStatement, made: Draft) -> None:
    """The operator's account is relieved of what it has got: commission and fees, cash, and what is paid
    out."""
    operator = statement.operator_id
    entries: dict[Account, int] = {
        Account(AccountKind.PLATFORM): statement.commission,
        Account(AccountKind.CASH, operator): -statement.cash,
        Account(AccountKind.PAYOUT, operator): -statement.payout,
    }
    for provider, amount in made.fees_by_provider.items():
        entries[Account(AccountKind.FEES, name=provider)] = amount
    entries[Account(AccountKind.OPERATOR, operator)] = -sum(entries.values())
    if sum(1 for amount in entries.values() if amount) >= 2:
        await ledger.post(
            session,
            kind="settlement",
            reference=str(statement.id),
            at=statement.closed_at,
            entries=entries,
        )


async def transferred(
    session: AsyncSession, who: Identity, statement_id: UUID, reference: str, now: datetime
) -> SettlementStatement:
    """The payout has left the platform's bank: said by another than who closed it.

    Raises StatementNotFound, TransferredAlready, AnotherPersonNeeded, InvalidInput.
    """
    statement = await session.get(
        SettlementStatement, statement_id, with_for_update=True, populate_existing=True
    )
    if statement is None:
        raise StatementNotFound()
    if statement.transferred_at is not None:
        raise TransferredAlready()
    if who.user_id == statement.closed_by:
        raise AnotherPersonNeeded()
    if not reference.strip():
        raise InvalidInput(errors=[{"field": "reference", "message": "the bank's own number of it"}])
    statement.transferred_at, statement.transferred_by = now, who.user_id
    statement.transfer_reference = reference.strip()
    await session.flush()
    if statement.payout:
        payout = Account(AccountKind.PAYOUT, statement.operator_id)
        await ledger.post(
            session,
            kind="payout",
            reference=str(statement.id),
            at=now,
            entries={payout: statement.payout, Account(AccountKind.BANK): -statement.payout},
        )
    await _audit(session, who, "settlement.transferred", statement)
    return statement


async def named_lines(session: AsyncSession, lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """The lines, each with its facility's name."""
    names = await facility_names(session, {UUID(line.facility) for line in lines})
    return [(names[UUID(line.facility)], line) for line in lines]


def lines_of(statement: SettlementStatement) -> list[Line]:
    return [Line(**(line | {"day": date.fromisoformat(line["day"])})) for line in statement.lines]


async def _audit(session: AsyncSession, who: Identity, action: str, statement: SettlementStatement) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="settlement_statement",
        subject_id=str(statement.id),
        detail={"number": statement.number, "payout": statement.payout},
    )

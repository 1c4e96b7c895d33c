"""The tables of reconciliation and settlement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.settlement.rules import DifferenceKind


class ProviderBookLine(Base):
    """A line of a provider's books, as it was read; once by its id. What it is of may be known only later."""

    __tablename__ = "provider_book_line"
    __table_args__ = (
        Index("ix_provider_book_line_day", "provider", "day"),
        Index("ix_provider_book_line_cause", "cause_kind", "cause_reference"),
    )

    provider: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """provider.BookLine's."""
    amount: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    day: Mapped[date]
    """The city's."""
    payment_id: Mapped[str] = mapped_column(default="", server_default="")
    refund_id: Mapped[str] = mapped_column(default="", server_default="")
    dispute_id: Mapped[str] = mapped_column(default="", server_default="")
    cause_kind: Mapped[str | None]
    """The movement of our ledger that it is the other side of; None while it is none of ours."""
    cause_reference: Mapped[str | None]
    read_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReconciliationRun(Base):
    """A day of a provider's books compared with the ledger. Compared again, its row says how it then
    stood."""

    __tablename__ = "reconciliation_run"

    provider: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    lines: Mapped[int]
    books: Mapped[int] = mapped_column(BigInteger)
    """What its lines did to the money at the provider, fees left out. Fen."""
    ledger: Mapped[int] = mapped_column(BigInteger)
    fees: Mapped[int] = mapped_column(BigInteger)
    ran_at: Mapped[datetime]


class ReconciliationDifference(Base):
    """What a day's two sides did not agree on, and how it was explained."""

    __tablename__ = "reconciliation_difference"
    __table_args__ = (
        CheckConstraint(f"kind in ({', '.join(repr(str(k)) for k in DifferenceKind)})", name="kind"),
        CheckConstraint("(resolved_at is null) = (resolved_by = '')", name="resolved"),
        UniqueConstraint("provider", "day", "cause_kind", "cause_reference", name="uq_difference_once"),
        Index("ix_reconciliation_difference_open", "day", postgresql_where="resolved_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    day: Mapped[date]
    kind: Mapped[str]
    cause_kind: Mapped[str]
    cause_reference: Mapped[str]
    here: Mapped[int] = mapped_column(BigInteger)
    there: Mapped[int] = mapped_column(BigInteger)
    found_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str] = mapped_column(default="", server_default="")
    """`timing`, `came_later` (the missing side has come since), `undone` (a refund that went out and came
    back) or `by_hand`."""
    note: Mapped[str] = mapped_column(default="", server_default="")


class SettlementStatement(Base):
    """结算单: what an operator is owed for the days before `until`. A trigger lets nothing of it be
    changed but that it was transferred."""

    __tablename__ = "settlement_statement"
    __table_args__ = (
        CheckConstraint("payout >= 0 and carried_out <= 0 and carried_in <= 0", name="sides"),
        CheckConstraint("net + carried_in = payout + carried_out", name="sum"),
        CheckConstraint("(transferred_at is null) = (transfer_reference = '')", name="transferred"),
        UniqueConstraint("operator_id", "until", name="uq_settlement_statement_until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(unique=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    first_day: Mapped[date]
    until: Mapped[date]
    """The first day that is no longer in it."""
    lines: Mapped[list[Any]] = mapped_column(JSONB)
    """rules.Line, with the facility's id."""
    charged: Mapped[int] = mapped_column(BigInteger)
    electronic: Mapped[int] = mapped_column(BigInteger)
    cash: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)
    charged_back: Mapped[int] = mapped_column(BigInteger)
    fees: Mapped[int] = mapped_column(BigInteger)
    commission: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
    carried_in: Mapped[int] = mapped_column(BigInteger)
    payout: Mapped[int] = mapped_column(BigInteger)
    carried_out: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime]
    closed_by: Mapped[UUID | None]
    transferred_at: Mapped[datetime | None]
    transfer_reference: Mapped[str] = mapped_column(default="", server_default="")
    transferred_by: Mapped[UUID | None]


class SettlementItem(Base):
    """What one movement of the ledger did for one charge, as statements count it. In one statement, once."""

    __tablename__ = "settlement_item"
    __table_args__ = (
        CheckConstraint("kind in ('charged', 'paid', 'refunded', 'charged_back', 'fee')", name="kind"),
        Index("ix_settlement_item_open", "operator_id", "day", postgresql_where="statement_id is null"),
        Index("ix_settlement_item_statement_id", "statement_id"),
    )

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_movement.id"), primary_key=True)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    day: Mapped[date]
    kind: Mapped[str]
    method: Mapped[str] = mapped_column(default="", server_default="")
    provider: Mapped[str] = mapped_column(default="", server_default="")
    """Of a fee: who kept it."""
    amount: Mapped[int] = mapped_column(BigInteger)
    commission_bp: Mapped[int]
    """The platform's share at the time of the payment, also of what went back of it."""
    statement_id: Mapped[UUID | None] = mapped_column(ForeignKey("settlement_statement.id"))


class SettlementProgress(Base):
    """Up to when the ledger has been read for statements: one row."""

    __tablename__ = "settlement_progress"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    booked_until: Mapped[datetime]

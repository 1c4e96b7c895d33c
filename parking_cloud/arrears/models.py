"""The tables of arrears and objections."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.arrears.rules import PolicyStatus, Stage
from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id

_STAGES = ", ".join(f"'{stage}'" for stage in Stage)


class ArrearsPolicy(Base):
    """The stages as data, with their source. In force from a day on, until the next one is; never changed."""

    __tablename__ = "arrears_policy"
    __table_args__ = (
        CheckConstraint(
            "0 < make_up_from_day and make_up_from_day < nearly_overdue_from_day"
            " and nearly_overdue_from_day < overdue_from_day",
            name="days",
        ),
        CheckConstraint("reminders_needed between 2 and 9", name="reminders"),
        CheckConstraint("answer_working_days between 1 and 60", name="answer"),
        CheckConstraint(f"status in ({', '.join(repr(str(s)) for s in PolicyStatus)})", name="status"),
        CheckConstraint("status <> 'confirmed' or legal_basis <> ''", name="basis"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    effective_from: Mapped[date] = mapped_column(unique=True)
    make_up_from_day: Mapped[int]
    nearly_overdue_from_day: Mapped[int]
    overdue_from_day: Mapped[int]
    reminders_needed: Mapped[int]
    answer_working_days: Mapped[int]
    status: Mapped[str]
    legal_basis: Mapped[str] = mapped_column(default="", server_default="")
    """The clause that makes it law here; empty while it is not confirmed."""
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ArrearsCase(Base):
    """欠费: one unpaid charge on its way through the stages."""

    __tablename__ = "arrears_case"
    __table_args__ = (
        CheckConstraint(f"stage in ({_STAGES})", name="stage"),
        CheckConstraint("(closed_at is null) = (closed_why = '')", name="closed"),
        CheckConstraint("owed > 0", name="owed"),
        Index("ix_arrears_case_next_look", "next_look_at", postgresql_where="closed_at is null"),
        Index(
            "ix_arrears_case_operator_id",
            "operator_id",
            "stage",
            "charge_id",
            postgresql_where="closed_at is null",
        ),
    )

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    round: Mapped[int] = mapped_column(default=1, server_default="1")
    """A charge that was held or corrected and is due anew begins anew: nothing of before counts against
    it."""
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    plate_hash: Mapped[bytes | None]
    policy_id: Mapped[UUID] = mapped_column(ForeignKey("arrears_policy.id"))
    owed: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime]
    """When the stay began: only who held the vehicle then is told."""
    final_at: Mapped[datetime]
    counts_from: Mapped[datetime]
    """From when days count: when the charge was final, or due again after it had been paid."""
    stage: Mapped[str]
    stage_since: Mapped[datetime]
    next_look_at: Mapped[datetime | None]
    """None: an objection is open, and nothing moves."""
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str] = mapped_column(default="", server_default="")


class ArrearsReminder(Base):
    """A reminder that was asked for, and when it was really given: by a notice, or by hand."""

    __tablename__ = "arrears_reminder"
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("how in ('notice', 'by_hand')", name="how"),
        CheckConstraint("how <> 'by_hand' or (given_at is not null and note <> '')", name="by_hand"),
        ForeignKeyConstraint(["charge_id"], ["arrears_case.charge_id"], name="fk_arrears_reminder_case"),
        Index("ix_arrears_reminder_not_given", "charge_id", postgresql_where="given_at is null"),
    )

    charge_id: Mapped[UUID] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    how: Mapped[str]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    asked_at: Mapped[datetime]
    given_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(default="", server_default="")


class Objection(Base):
    """申诉: somebody says that a charge is wrong. While it is open the clock stands still."""

    __tablename__ = "objection"
    __table_args__ = (
        CheckConstraint("state in ('open', 'upheld', 'rejected')", name="state"),
        CheckConstraint("(state = 'open') = (answered_at is null)", name="answered"),
        CheckConstraint("state = 'open' or answer <> ''", name="reason"),
        Index("uq_objection_open", "charge_id", unique=True, postgresql_where="state = 'open'"),
        Index("ix_objection_charge_id", "charge_id"),
        Index("ix_objection_operator_id", "operator_id", "id", postgresql_where="state = 'open'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"))
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    said_by: Mapped[UUID | None]
    """The signed-in driver, or the staff on a driver's behalf; None: who held the payment's token."""
    grounds: Mapped[str]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    answer_by: Mapped[date]
    escalated_at: Mapped[datetime | None]
    """From here on it is the city's to answer, not the operator's."""
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    answer: Mapped[str] = mapped_column(default="", server_default="")
    lowered_to: Mapped[int | None] = mapped_column(BigInteger)
    """Upheld: what the charge came to; 0 for nothing at all."""

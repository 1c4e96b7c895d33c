"""The stays' tables. A stay follows from passages, spaces and people; what it was is kept by version."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.stays.plausible import Cause
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayState
from parking_cloud.stays.visit import Action
from parking_cloud.tariffs.schemas import VehicleClass


def _in(name: str, values: type[StrEnum]) -> str:
    return f"{name} in ({', '.join(repr(str(value)) for value in values)})"


class Stay(Base):
    """停车记录: one vehicle's visit at a facility.

    A vehicle cannot have been charged for two places at once: the database excludes closed stays of one plate
    whose times overlap. That, and whose event is whose, is judged at commit: events move between stays.
    """

    __tablename__ = "stay"
    __table_args__ = (
        CheckConstraint(_in("state", StayState), name="state"),
        CheckConstraint(_in("opened_by", Opened), name="opened_by"),
        CheckConstraint(_in("ended_by", Ended), name="ended_by"),
        CheckConstraint(_in("vehicle_class", VehicleClass), name="vehicle_class"),
        CheckConstraint(
            f"situations <@ array[{', '.join(repr(str(s)) for s in Situation)}]::text[]", name="situations"
        ),
        CheckConstraint("exited_at >= entered_at", name="order"),
        CheckConstraint("(exited_at is null) = (ended_by is null)", name="ended"),
        CheckConstraint("state <> 'closed' or exited_at is not null", name="closed"),
        CheckConstraint("(plate_hash is null) = (plate_sealed is null)", name="plate"),
        CheckConstraint("confidence between 0 and 1", name="confidence"),
        ExcludeConstraint(
            (column("plate_hash"), "="),
            (func.tstzrange(column("entered_at"), column("exited_at")), "&&"),
            where="state = 'closed' and plate_hash is not null",
            name="ex_stay_one_place_at_a_time",
            deferrable=True,
            initially="DEFERRED",
        ),
        UniqueConstraint(
            "entry_event_id", name="uq_stay_entry_event_id", deferrable=True, initially="DEFERRED"
        ),
        UniqueConstraint(
            "exit_event_id", name="uq_stay_exit_event_id", deferrable=True, initially="DEFERRED"
        ),
        CheckConstraint("facts_until is null or facts_until >= facts_from", name="facts"),
        Index("ix_stay_plate_hash", "plate_hash", "entered_at"),
        Index("ix_stay_facts", "plate_hash", "facts_until"),
        Index("ix_stay_facility_id", "facility_id", "entered_at"),
        Index("ix_stay_open", "facility_id", "plate_hash", postgresql_where="state = 'open'"),
        Index("ix_stay_review", "facility_id", "id", postgresql_where="state = 'review'"),
        Index(
            "ix_stay_exit_alone",
            "facility_id",
            "exited_at",
            postgresql_where="opened_by = 'exit' and state = 'review'",
        ),
        Index("ix_stay_space_id", "space_id", postgresql_where="state = 'open' and space_id is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    space_id: Mapped[UUID | None] = mapped_column(ForeignKey("space.id"))
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    confidence: Mapped[float | None]
    """The least of the readings that it rests on; None: nobody gave one, or a person checked them."""
    vehicle_class: Mapped[str]
    state: Mapped[str]
    entered_at: Mapped[datetime]
    opened_by: Mapped[str]
    entry_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"))
    exited_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    exit_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"))
    not_after: Mapped[datetime | None]
    """Where the end is not known: by then it had left. `exited_at` is the last moment proved."""
    derived_entered_at: Mapped[datetime]
    derived_exited_at: Mapped[datetime | None]
    """By the records of this place alone, before other places and people had their say."""
    facts_from: Mapped[datetime]
    facts_until: Mapped[datetime | None]
    """From when to when what it rests on may lie; null: it goes on. What is outside cannot change it."""
    charging_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    """How long of it an electric car was charging: the sum of its chargers' records."""
    situations: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    """What was out of the ordinary, by name: see schemas.Situation and rules.py."""
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Moves on with each change; what follows from a stay says which version it follows from."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StayVersion(Base):
    """What a stay was, why it changed, and by whom. Only added to."""

    __tablename__ = "stay_version"
    __table_args__ = (CheckConstraint(_in("cause", Cause), name="cause"),)

    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    cause: Mapped[str]
    by: Mapped[UUID | None]
    """The user; null: the platform itself."""
    state: Mapped[str]
    facility_id: Mapped[UUID]
    plate_hash: Mapped[bytes | None]
    entered_at: Mapped[datetime]
    exited_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    charging_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    situations: Mapped[list[str]] = mapped_column(ARRAY(Text))


class StayCharging(Base):
    """A charger's record: how long the car was charging during a stay."""

    __tablename__ = "stay_charging"
    __table_args__ = (CheckConstraint("minutes >= 0", name="minutes"),)

    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"), primary_key=True)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    minutes: Mapped[int]
    said_by: Mapped[UUID]
    said_at: Mapped[datetime]


class StayMark(Base):
    """What somebody, or a space with a sighting, says beside the gates: it is here, it has left."""

    __tablename__ = "stay_mark"
    __table_args__ = (
        CheckConstraint("kind in ('start', 'end')", name="kind"),
        Index("ix_stay_mark_plate_hash", "plate_hash", "at"),
        Index("ix_stay_mark_space_id", "space_id", "at", postgresql_where="kind = 'start'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    space_id: Mapped[UUID | None] = mapped_column(ForeignKey("space.id"))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    plate_color: Mapped[str | None]
    kind: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    confidence: Mapped[float | None]
    said_by: Mapped[UUID | None]
    sighting_id: Mapped[UUID | None] = mapped_column(ForeignKey("sighting.id"))
    evidence: Mapped[list[Any]] = mapped_column(JSONB)
    voided: Mapped[bool] = mapped_column(default=False, server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StayDecision(Base):
    """What a person decided of a stay. It holds once `effective_at` is set: large amounts need two."""

    __tablename__ = "stay_decision"
    __table_args__ = (
        CheckConstraint(_in("action", Action), name="action"),
        CheckConstraint("(action = 'void') = (exited_at is null)", name="times"),
        CheckConstraint("action = 'void' or jsonb_array_length(evidence) > 0", name="proof"),
        CheckConstraint("seconded_by is null or seconded_by <> decided_by", name="four_eyes"),
        CheckConstraint("not needs_second or effective_at is null or seconded_by is not null", name="second"),
        Index("ix_stay_decision_stay_id", "stay_id", "effective_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"))
    action: Mapped[str]
    entered_at: Mapped[datetime | None]
    exited_at: Mapped[datetime | None]
    basis_entered_at: Mapped[datetime | None]
    basis_exited_at: Mapped[datetime | None]
    evidence: Mapped[list[Any]] = mapped_column(JSONB)
    reason: Mapped[str]
    decided_by: Mapped[UUID | None]
    """Null: nobody proved it in time."""
    decided_at: Mapped[datetime]
    needs_second: Mapped[bool]
    seconded_by: Mapped[UUID | None]
    effective_at: Mapped[datetime | None]


class StayPolicy(Base):
    """What is plausible, at one facility or (without one) in the whole city."""

    __tablename__ = "stay_policy"
    __table_args__ = (
        Index("uq_stay_policy_facility_id", "facility_id", unique=True, postgresql_nulls_not_distinct=True),
        CheckConstraint("max_hours > 0 and max_amount >= 0 and review_days > 0", name="limits"),
        CheckConstraint("min_confidence between 0 and 1", name="confidence"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID | None] = mapped_column(ForeignKey("facility.id"))
    max_hours: Mapped[int]
    max_amount: Mapped[int] = mapped_column(BigInteger)
    """Fen."""
    min_confidence: Mapped[float]
    review_days: Mapped[int]
    """A stay under review that nobody has proved in so many days is void."""
    changed_by: Mapped[UUID | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SecondReading(Base):
    """A plate that has to be read again: its camera was unsure, or it is very like one that is missing."""

    __tablename__ = "second_reading"
    __table_args__ = (
        CheckConstraint("why in ('unsure', 'misread')", name="why"),
        CheckConstraint("answer in ('as_read', 'other', 'withdrawn')", name="answer"),
        CheckConstraint("(answer is null) = (answered_at is null)", name="answered"),
        CheckConstraint("(why = 'misread') = (suspect_id is not null)", name="suspect"),
        Index(
            "uq_second_reading_open",
            "event_id",
            "suspect_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_second_reading_facility_id", "facility_id", "id", postgresql_where="answered_at is null"),
        Index("ix_second_reading_suspect_id", "suspect_id", postgresql_where="answered_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("gate_event.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    suspect_id: Mapped[UUID | None] = mapped_column(ForeignKey("stay.id"))
    """The stay of the very like plate."""
    why: Mapped[str]
    confidence: Mapped[float | None]
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    answered_by: Mapped[UUID | None]


class StayCorrection(Base):
    """What the cloud corrected of a stay, for the lot's own system: by its own records' names, in order."""

    __tablename__ = "stay_correction"
    __table_args__ = (
        CheckConstraint("kind in ('plate', 'times', 'all', 'void')", name="kind"),
        UniqueConstraint("stay_id", "stay_version", "kind", name="uq_stay_correction_stay_id"),
        Index("ix_stay_correction_operator_id", "operator_id", "seq"),
        Index("ix_stay_correction_push", "push_at", postgresql_where="acknowledged_at is null"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"))
    stay_version: Mapped[int]
    kind: Mapped[str]
    entry_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"))
    exit_event_id: Mapped[UUID | None] = mapped_column(ForeignKey("gate_event.id"))
    entered_at: Mapped[datetime | None]
    exited_at: Mapped[datetime | None]
    reason: Mapped[str]
    made_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    push_at: Mapped[datetime | None]
    """When it is pushed next; null: no address to push to, or given up."""
    failure: Mapped[str] = mapped_column(default="", server_default=text("''"))


class OperatorHook(Base):
    """Where an operator's own system takes corrections. Its secret is derived, so that none is stored."""

    __tablename__ = "operator_hook"
    __table_args__ = (CheckConstraint("url ~ '^https?://'", name="url"),)

    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"), primary_key=True)
    url: Mapped[str]
    generation: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Moves on with each new secret."""
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

"""The tables of gates. What was sent is never changed; `gate_passage` is what follows from it.

Plates stand here sealed, and as a keyed hash to find them by.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from sensor_gateway.records import Direction, PlateColor

_DIRECTIONS = ", ".join(f"'{direction}'" for direction in Direction)
_COLORS = ", ".join(f"'{color}'" for color in PlateColor)


class GateEventRow(Base):
    """A passage as its gate first reported it."""

    __tablename__ = "gate_event"
    __table_args__ = (
        UniqueConstraint("source", "record_id", name="uq_gate_event_source"),
        CheckConstraint(f"direction in ({_DIRECTIONS})", name="direction"),
        CheckConstraint(f"plate_color in ({_COLORS})", name="plate_color"),
        CheckConstraint("confidence between 0 and 1", name="confidence"),
        CheckConstraint("(plate_hash is null) = (plate_sealed is null)", name="plate"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    record_id: Mapped[str]
    content: Mapped[bytes]
    """records.content_of: tells a repetition from a contradiction."""
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    lane: Mapped[str]
    direction: Mapped[str]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    confidence: Mapped[float | None]
    picture: Mapped[str]
    confirmed: Mapped[bool]


class GateCorrection(Base):
    """What a source later said was wrong with one of its records. It may arrive before the record."""

    __tablename__ = "gate_correction"
    __table_args__ = (
        UniqueConstraint("source", "record_id", name="uq_gate_correction_source"),
        Index("ix_gate_correction_corrects", "source", "corrects"),
        CheckConstraint("corrects <> record_id", name="corrects"),
        CheckConstraint(
            "void = (direction is null and occurred_at is null"
            " and plate_hash is null and plate_color is null)",
            name="parts",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    record_id: Mapped[str]
    content: Mapped[bytes]
    corrects: Mapped[str]
    stated_at: Mapped[datetime]
    received_at: Mapped[datetime]
    void: Mapped[bool]
    direction: Mapped[str | None]
    occurred_at: Mapped[datetime | None]
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    reason: Mapped[str]


class GatePassage(Base):
    """A passage as it stands: the event with all its corrections applied. All that follows reads this."""

    __tablename__ = "gate_passage"
    __table_args__ = (
        Index("ix_gate_passage_facility_id", "facility_id", "occurred_at"),
        Index("ix_gate_passage_plate_hash", "plate_hash", "occurred_at"),
        CheckConstraint(f"direction in ({_DIRECTIONS})", name="direction"),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("gate_event.id"), primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    direction: Mapped[str]
    occurred_at: Mapped[datetime]
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    voided: Mapped[bool]
    corrections: Mapped[int]
    """How many corrections are in it."""


class SightingRow(Base):
    """A vehicle seen somewhere: input for enforcement, found by the plate's hash and the place."""

    __tablename__ = "sighting"
    __table_args__ = (
        UniqueConstraint("source", "record_id", name="uq_sighting_source"),
        Index("ix_sighting_plate_hash", "plate_hash", "seen_at"),
        Index("ix_sighting_position", "position", postgresql_using="gist"),
        CheckConstraint("seen_by in ('patrol', 'camera', 'drone', 'person')", name="seen_by"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    record_id: Mapped[str]
    content: Mapped[bytes]
    seen_by: Mapped[str]
    seen_at: Mapped[datetime]
    received_at: Mapped[datetime]
    position: Mapped[Any] = mapped_column(Geography(geometry_type="POINT", srid=4326, spatial_index=False))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    confidence: Mapped[float | None]
    picture: Mapped[str]
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"))


class FacilityReconciliation(Base):
    """A full count against what was derived for that moment from the count before and the passages since."""

    __tablename__ = "facility_reconciliation"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    counted_at: Mapped[datetime] = mapped_column(primary_key=True)
    counted_occupied: Mapped[int]
    derived_occupied: Mapped[int | None]

"""The tables of gates. What was sent is never changed; `gate_passage` and `sighting_standing` follow from it.

Only the time of arrival becomes earlier where a record sent several times is heard in another order, and with
it the time that was held to the arrival. Plates stand here sealed, and as a keyed hash to find them by.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from sensor_gateway.records import Corrects, Direction, PlateColor

_DIRECTIONS = ", ".join(f"'{direction}'" for direction in Direction)
_CORRECTED = ", ".join(f"'{kind}'" for kind in Corrects)
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
    sent_at: Mapped[datetime | None]
    """The sender's own time, where `occurred_at` was held to the arrival instead."""
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
        UniqueConstraint("source", "of", "record_id", name="uq_gate_correction_source"),
        Index("ix_gate_correction_corrects", "source", "corrects"),
        CheckConstraint("corrects <> record_id", name="corrects"),
        CheckConstraint(f"of in ({_CORRECTED})", name="of"),
        CheckConstraint("of = 'gate-event' or direction is null", name="direction"),
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
    of: Mapped[str]
    """What it corrects: a gate event or a sighting."""
    corrects: Mapped[str]
    stated_at: Mapped[datetime]
    received_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    """The sender's own time, where `stated_at` was held to the arrival instead."""
    void: Mapped[bool]
    direction: Mapped[str | None]
    occurred_at: Mapped[datetime | None]
    """As the sender said it, even where that is ahead of the arrival."""
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
    """A vehicle seen somewhere, as it was first reported; its place is corrected by nothing."""

    __tablename__ = "sighting"
    __table_args__ = (
        UniqueConstraint("source", "record_id", name="uq_sighting_source"),
        Index("ix_sighting_plate_hash", "plate_hash", "seen_at"),
        Index("ix_sighting_seen_at", "seen_at"),
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
    sent_at: Mapped[datetime | None]
    """The sender's own time, where `seen_at` was held to the arrival instead."""
    position: Mapped[Any] = mapped_column(Geography(geometry_type="POINT", srid=4326, spatial_index=False))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    confidence: Mapped[float | None]
    picture: Mapped[str]
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"))


class SightingStanding(Base):
    """A sighting as it stands, with all its corrections applied: what enforcement reads."""

    __tablename__ = "sighting_standing"
    __table_args__ = (Index("ix_sighting_standing_plate_hash", "plate_hash", "seen_at"),)

    sighting_id: Mapped[UUID] = mapped_column(ForeignKey("sighting.id"), primary_key=True)
    seen_at: Mapped[datetime]
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes | None]
    plate_color: Mapped[str | None]
    voided: Mapped[bool]
    corrections: Mapped[int]
    """How many corrections are in it."""


class FacilityReconciliation(Base):
    """A full count against what was derived for that moment from the count before and the passages since."""

    __tablename__ = "facility_reconciliation"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    counted_at: Mapped[datetime] = mapped_column(primary_key=True)
    counted_occupied: Mapped[int]
    derived_occupied: Mapped[int | None]


class ReconciliationAgain(Base):
    """Since when a facility's reconciliations are to be judged again. Only added to, so nobody waits."""

    __tablename__ = "reconciliation_again"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    since: Mapped[datetime]

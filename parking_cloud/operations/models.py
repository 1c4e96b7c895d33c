"""Operations' tables: what is wrong with devices and sources, and what people found where a device spoke."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.operations.rules import Condition, Outcome

_CONDITIONS = ", ".join(f"'{condition}'" for condition in Condition)
_OUTCOMES = ", ".join(f"'{outcome}'" for outcome in Outcome)


class DeviceFault(Base):
    """A device in a condition that needs somebody, from when that was judged until it no longer held.

    `evidence` holds the numbers by which it was judged (rules.py: one struct per condition).
    """

    __tablename__ = "device_fault"
    __table_args__ = (
        CheckConstraint(f"condition in ({_CONDITIONS})", name="condition"),
        Index(
            "uq_device_fault_open",
            "device_id",
            "condition",
            unique=True,
            postgresql_where="closed_at IS NULL",
        ),
        Index("ix_device_fault_facility_id", "facility_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    condition: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    evidence: Mapped[dict[str, Any]]


class SignFault(Base):
    """A guidance board that has not asked for its numbers, from when that was judged until it asks again.

    Boards belong to guidance, a floor above; what people call this one is kept with the fault.
    """

    __tablename__ = "sign_fault"
    __table_args__ = (
        CheckConstraint("closed_at >= opened_at", name="closed"),
        Index("uq_sign_fault_open", "sign_id", unique=True, postgresql_where="closed_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    sign_id: Mapped[UUID] = mapped_column(ForeignKey("sign.id"))
    code: Mapped[str]
    name: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    evidence: Mapped[dict[str, Any]]


class SensorCheck(Base):
    """Somebody has to go and look at a device: a person found what it did not say. One open per device."""

    __tablename__ = "sensor_check"
    __table_args__ = (
        CheckConstraint(f"outcome in ({_OUTCOMES})", name="outcome"),
        CheckConstraint("(closed_at is null) = (outcome is null)", name="closed"),
        Index("uq_sensor_check_open", "device_id", unique=True, postgresql_where="closed_at IS NULL"),
        Index("ix_sensor_check_facility_id", "facility_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), index=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")


class Finding(Base):
    """A person's statement that a space was occupied or free, and what its sensor said then.

    `sensor_said` is None where the sensor said nothing that still held. `check_id`: the check to which a
    disagreement belongs.
    """

    __tablename__ = "finding"
    __table_args__ = (
        CheckConstraint(
            "(agrees is null) = (sensor_said is null) and (sensor_said is null) = (sensor_said_at is null)"
            " and (sensor_said is null or device_id is not null)",
            name="compared",
        ),
        CheckConstraint("(check_id is not null) = (agrees is not null and not agrees)", name="checked"),
        Index("ix_finding_device_id", "device_id", "found_at"),
        Index("ix_finding_wrong", "device_id", postgresql_where="not agrees"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("device.id"))
    occupied: Mapped[bool]
    found_at: Mapped[datetime]
    stated_at: Mapped[datetime]
    found_by: Mapped[UUID]
    note: Mapped[str] = mapped_column(default="")
    sensor_said: Mapped[bool | None]
    sensor_said_at: Mapped[datetime | None]
    agrees: Mapped[bool | None]
    check_id: Mapped[UUID | None] = mapped_column(ForeignKey("sensor_check.id"), index=True)


class SourceWatch(Base):
    """When a source last sent anything, and how often it usually does (rules.Rhythm).

    `duty_s`: how often it has to, where somebody has set that; it holds from `duty_since`, also for a source
    that was never heard. `late_since`: operations have been told that it is late.
    """

    __tablename__ = "source_watch"
    __table_args__ = (
        CheckConstraint("duty_s > 0 and (duty_s is null) = (duty_since is null)", name="duty"),
        CheckConstraint("watched_s >= 0 and (usual_s is null or heard_at is not null)", name="rhythm"),
    )

    source: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime | None]
    usual_s: Mapped[float | None]
    watched_s: Mapped[float] = mapped_column(default=0.0)
    duty_s: Mapped[int | None]
    duty_since: Mapped[datetime | None]
    late_since: Mapped[datetime | None]

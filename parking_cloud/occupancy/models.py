"""Occupancy's tables: the history of what was said, and the state that follows from it.

`observation` is partitioned by day of `observed_at` (UTC). It has no foreign keys: it is written by the
million, and what was said stays true when a device is retired.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base


class ObservationRow(Base):
    """One observation. The key is the content's own id, so nothing can be counted twice."""

    __tablename__ = "observation"
    __table_args__ = (
        PrimaryKeyConstraint("observed_at", "id"),
        Index("ix_observation_facility_id", "facility_id", "observed_at"),
        Index("ix_observation_device_id", "device_id", "observed_at"),
        {"postgresql_partition_by": "RANGE (observed_at)"},
    )

    id: Mapped[UUID]
    observed_at: Mapped[datetime]
    device_id: Mapped[UUID]
    facility_id: Mapped[UUID]
    space_id: Mapped[UUID | None]
    kind: Mapped[str]
    occupied: Mapped[bool | None]
    free: Mapped[int | None]
    frame_counter: Mapped[int | None] = mapped_column(BigInteger)
    battery_v: Mapped[float | None]
    temperature_c: Mapped[float | None]
    quality: Mapped[str]
    source: Mapped[str]
    received_at: Mapped[datetime]


class SpaceState(Base):
    """What is known of a space now: the newest statement about it, by (observed_at, observation_id)."""

    __tablename__ = "space_state"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"), primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), index=True)
    occupied: Mapped[bool]
    observed_at: Mapped[datetime]
    observation_id: Mapped[UUID]


class FacilityState(Base):
    """What is known of a facility now: sums over its spaces, and the newest count reported for it.

    `reported_free` is kept exactly as the counter said it; what is shown is clamped when it is read.
    """

    __tablename__ = "facility_state"
    __table_args__ = (CheckConstraint("occupied_spaces >= 0 and free_spaces >= 0", name="sums"),)

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    occupied_spaces: Mapped[int] = mapped_column(default=0)
    free_spaces: Mapped[int] = mapped_column(default=0)
    spaces_observed_at: Mapped[datetime | None]
    reported_free: Mapped[int | None]
    reported_at: Mapped[datetime | None]
    reported_by: Mapped[UUID | None]
    """Id of the observation that reported the count; breaks ties of time."""


class DeviceState(Base):
    """When a device was last heard, and its newest readings."""

    __tablename__ = "device_state"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), primary_key=True)
    observed_at: Mapped[datetime]
    observation_id: Mapped[UUID]
    received_at: Mapped[datetime]
    frame_counter: Mapped[int | None] = mapped_column(BigInteger)
    battery_v: Mapped[float | None]
    temperature_c: Mapped[float | None]

"""Occupancy's tables: the history of what was said, and the state that follows from it.

`observation` is partitioned by day of `observed_at` (UTC). It has no foreign keys: it is written by the
million, and what was said stays true when a device is retired.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base


class ObservationRow(Base):
    """One observation. The key begins with the content's own id, so nothing can be counted twice.

    A frame heard several times within two minutes is one row: `observed_at` is its earliest time,
    `repeated_until` its latest where that differs.
    """

    __tablename__ = "observation"
    __table_args__ = (
        PrimaryKeyConstraint("id", "observed_at"),
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
    repeated_until: Mapped[datetime | None]
    running_count: Mapped[int | None]
    entered: Mapped[int | None]
    left: Mapped[int | None]


class SpaceState(Base):
    """What is known of a space now.

    `occupied` is the newest statement, by (observed_at, observation_id); it has been so since `changed_at`,
    and `opposite_at` is when the opposite was last said before. `shown` is what people see: it follows at
    once, or at `settles_at` where the space changed twice within its hold-off (see rules.SpaceView).
    """

    __tablename__ = "space_state"
    __table_args__ = (
        CheckConstraint(
            "(occupied is null) = (observed_at is null) and (occupied is null) = (shown is null)"
            " and (settles_at is null) = (shown is not distinct from occupied)",
            name="known",
        ),
        Index("ix_space_state_settles_at", "settles_at", postgresql_where="settles_at IS NOT NULL"),
    )

    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"), primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), index=True)
    occupied: Mapped[bool | None]
    observed_at: Mapped[datetime | None]
    observation_id: Mapped[UUID | None]
    changed_at: Mapped[datetime | None]
    opposite_at: Mapped[datetime | None]
    shown: Mapped[bool | None]
    settles_at: Mapped[datetime | None]
    silent: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Nothing was said for three keep-alives of its sensor, or nothing watches it: it counts as unknown."""


class FacilityState(Base):
    """What is known of a facility now: sums over its spaces as shown, and the newest count reported for it.

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
    net_since: Mapped[int | None]
    """Entries less exits since `reported_at`; None where no passages are known."""
    counted_free: Mapped[int | None]
    counted_at: Mapped[datetime | None]
    """The count moved on by passages since, and the time of the newest of them: what is shown."""
    known_spaces: Mapped[int | None]
    certain_spaces: Mapped[float | None]
    certain_at: Mapped[datetime | None]
    """What rules.certainty says of its spaces, summed up at that moment (see occupancy/certainty.py)."""


class DeviceState(Base):
    """When a device was last heard, and its newest readings, each with its own time."""

    __tablename__ = "device_state"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), primary_key=True)
    observed_at: Mapped[datetime]
    observation_id: Mapped[UUID]
    received_at: Mapped[datetime]
    frame_counter: Mapped[int | None] = mapped_column(BigInteger)
    battery_v: Mapped[float | None]
    battery_at: Mapped[datetime | None]
    temperature_c: Mapped[float | None]
    temperature_at: Mapped[datetime | None]


class SourceState(Base):
    """A source's clock: how much later than its own time its fresh statements arrive (moving mean)."""

    __tablename__ = "source_state"

    source: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    skew_s: Mapped[float]
    """Arrival minus the source's time, seconds. Below zero: its clock is ahead."""
    ahead: Mapped[int] = mapped_column(BigInteger)
    """Statements dated ahead of their arrival, so far."""


class DeviceAccuracy(Base):
    """How often people found a device right, and whether an open fault puts in doubt what it says.

    Written by operations, through occupancy/certainty.py.
    """

    __tablename__ = "device_accuracy"
    __table_args__ = (CheckConstraint("agreed >= 0 and disagreed >= 0", name="counts"),)

    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), primary_key=True)
    agreed: Mapped[int]
    disagreed: Mapped[int]
    doubted: Mapped[bool]


class BatteryDay(Base):
    """A device's lowest voltage of a day (UTC), taken from the history; kept as long as a forecast needs."""

    __tablename__ = "battery_day"

    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    lowest_v: Mapped[float]

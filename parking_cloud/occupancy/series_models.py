"""Occupancy over time: what each facility was every five minutes, and how full it usually is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base


class FacilitySeries(Base):
    """A facility at a moment of the five-minute grid, as it was shown.

    `free` and `occupied` are null where nothing was known or it was stale; what is missing to the capacity is
    unknown. Partitioned by month of `at` (UTC); no foreign key: what was, stays true.
    """

    __tablename__ = "facility_series"
    __table_args__ = (
        PrimaryKeyConstraint("facility_id", "at"),
        CheckConstraint("(free is null) = (occupied is null) and free >= 0 and occupied >= 0", name="known"),
        Index("ix_facility_series_at", "at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    facility_id: Mapped[UUID]
    at: Mapped[datetime]
    free: Mapped[int | None]
    occupied: Mapped[int | None]
    capacity: Mapped[int]


class OccupancyProfile(Base):
    """How full a facility usually is: forecasting.profile's bytes, by kind of day and half hour."""

    __tablename__ = "occupancy_profile"
    __table_args__ = (CheckConstraint("octet_length(means) = 144 and octet_length(sds) = 144", name="cells"),)

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    means: Mapped[bytes]
    sds: Mapped[bytes]
    work_days: Mapped[float]
    rest_days: Mapped[float]
    holidays: Mapped[float]
    """How many days of each kind it rests on, by weight."""
    made_at: Mapped[datetime] = mapped_column(index=True)


class KindProfile(Base):
    """How full facilities of a kind usually are, with how they differ: for those that were little seen."""

    __tablename__ = "kind_profile"
    __table_args__ = (CheckConstraint("octet_length(means) = 144 and octet_length(sds) = 144", name="cells"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    means: Mapped[bytes]
    sds: Mapped[bytes]
    facilities: Mapped[int]
    made_at: Mapped[datetime]

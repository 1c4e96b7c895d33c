"""The tables of use: whether open spaces could really be used, and each month as it was published."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base


class SharingSpaceDay(Base):
    """How a shared space was found in its open times of one day: looked at every ten minutes."""

    __tablename__ = "sharing_space_day"
    __table_args__ = (
        CheckConstraint("usable >= 0 and unknown >= 0 and usable + unknown <= looks", name="looks"),
    )

    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    """From noon to noon, so that a night is one."""
    looks: Mapped[int]
    usable: Mapped[int]
    """It was free, or somebody had it booked."""
    unknown: Mapped[int]
    """Nobody could say: its sensor is silent, and nothing counts there."""
    looked_at: Mapped[datetime]
    """The last time: whatever looks again within ten minutes counts nothing twice."""


class SharingMonth(Base):
    """共享月报: the figures of one month as they were published. A trigger lets nothing of it change."""

    __tablename__ = "sharing_month"
    __table_args__ = (CheckConstraint("extract(day from month) = 1", name="month"),)

    month: Mapped[date] = mapped_column(primary_key=True)
    published_at: Mapped[datetime]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """use.MonthUse"""

"""The record of drivers who were not let in, kept as it was noted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class TurnAway(Base):
    """被拒入场: a booked vehicle was not let in. A trigger lets nothing of it change but the comment."""

    __tablename__ = "turn_away"
    __table_args__ = (
        CheckConstraint("refund >= 0", name="refund"),
        CheckConstraint("distance_m >= 0", name="distance"),
        CheckConstraint("(comment = '') = (commented_at is null)", name="comment"),
        UniqueConstraint("booking_id", "slot_starts_at", name="uq_turn_away_once"),
        Index("ix_turn_away_facility_id", "facility_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"))
    slot_starts_at: Mapped[datetime]
    """Which of the booking's times it was."""
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    at: Mapped[datetime]
    lane: Mapped[str]
    gate_state: Mapped[str]
    """How the pass stood at the gate then, see gates.allow_list_rules.PassState."""
    gate_failure: Mapped[str]
    gate_told_at: Mapped[datetime | None]
    gate_acknowledged_at: Mapped[datetime | None]
    seen_at_gate: Mapped[datetime | None]
    """The vehicle's last passage at this facility within the day before."""
    had_been_in: Mapped[bool]
    """It had come in before within this time, and had left."""
    distance_m: Mapped[int | None]
    """How far from the facility the phone was, where it said so; its place is not kept."""
    space_occupied: Mapped[bool | None]
    facility_free: Mapped[int | None]
    refund: Mapped[int] = mapped_column(BigInteger)
    """Fen."""
    alternatives: Mapped[list[Any]] = mapped_column(JSONB)
    """What the driver was shown instead."""
    comment: Mapped[str] = mapped_column(default="", server_default="")
    """The institution's word."""
    commented_by: Mapped[UUID | None]
    commented_at: Mapped[datetime | None]

"""The tables of overstays: the city's steps, who has not left in time, and what was done about it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.sharing.overstay_rules import Action

_ACTIONS = ", ".join(f"'{action}'" for action in Action)


class OverstayStep(Base):
    """What the city has done so many minutes after a booked time, by whom and by what source it was set."""

    __tablename__ = "overstay_step"
    __table_args__ = (
        CheckConstraint(f"action in ({_ACTIONS})", name="action"),
        CheckConstraint("after_minutes > 0", name="after"),
        CheckConstraint("(action = 'suspend') = (days is not null)", name="days"),
        CheckConstraint("days between 1 and 180", name="end"),
        CheckConstraint("status in ('confirmed', 'unconfirmed')", name="status"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    after_minutes: Mapped[int]
    action: Mapped[str]
    days: Mapped[int | None]
    status: Mapped[str]
    source: Mapped[str]


class Overstay(Base):
    """逾时: one stay that went on after its booked time."""

    __tablename__ = "overstay"
    __table_args__ = (
        UniqueConstraint("stay_id", name="uq_overstay_stay_id"),
        Index("ix_overstay_open", "space_id", postgresql_where="over_at is null"),
        Index("ix_overstay_user_id", "user_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"))
    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"))
    ended_at: Mapped[datetime]
    """When its booked time ended."""
    over_at: Mapped[datetime | None]
    """When it was found to be over: the vehicle has left, or nobody is sure any more."""


class OverstayDeed(Base):
    """A step that was done about an overstay: each once."""

    __tablename__ = "overstay_deed"
    __table_args__ = (
        CheckConstraint(f"action in ({_ACTIONS})", name="action"),
        CheckConstraint("(action = 'suspend') = (until is not null)", name="until"),
    )

    overstay_id: Mapped[UUID] = mapped_column(ForeignKey("overstay.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    done_at: Mapped[datetime]
    until: Mapped[datetime | None]
    """Of a suspension."""


class OverstayObjection(Base):
    """A driver's objection to what was done about an overstay; the city answers it."""

    __tablename__ = "overstay_objection"
    __table_args__ = (
        CheckConstraint(
            "(answered_at is null) = (upheld is null) and (answered_at is null) = (answer = '')",
            name="answer",
        ),
        Index("ix_overstay_objection_waiting", "made_at", postgresql_where="answered_at is null"),
    )

    overstay_id: Mapped[UUID] = mapped_column(ForeignKey("overstay.id"), primary_key=True)
    text: Mapped[str]
    made_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    upheld: Mapped[bool | None]
    answer: Mapped[str] = mapped_column(default="", server_default="")


class BookingMove(Base):
    """A booking whose space is still taken: another space was found, or its driver was told."""

    __tablename__ = "booking_move"

    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"), primary_key=True)
    slot_starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    overstay_id: Mapped[UUID] = mapped_column(ForeignKey("overstay.id"))
    from_space: Mapped[UUID] = mapped_column(ForeignKey("space.id"))
    to_space: Mapped[UUID | None] = mapped_column(ForeignKey("space.id"))
    """None: there was none; the driver was told, with other places."""
    at: Mapped[datetime]

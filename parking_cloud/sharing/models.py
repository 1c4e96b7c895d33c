"""The tables of sharing: when institutions' spaces are open, and who has booked them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, Uuid
from sqlalchemy import column as col
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.sharing.schemas import BookingKind, BookingState, PlanState, RuleStatus, Why


def _in(name: str, values: type[StrEnum]) -> str:
    return f"{name} in ({', '.join(repr(str(value)) for value in values)})"


class SharingRule(Base):
    """What the city asks of institutions, with its source: the template that plans begin with. A rule that is
    not confirmed refuses nothing."""

    __tablename__ = "sharing_rule"
    __table_args__ = (
        CheckConstraint(_in("status", RuleStatus), name="status"),
        CheckConstraint("status <> 'confirmed' or legal_basis <> ''", name="basis"),
        CheckConstraint(
            "least_spaces_percent between 0 and 100 and least_chargers_percent between 0 and 100",
            name="percent",
        ),
        CheckConstraint("after_work between 0 and 720 and before_work between 0 and 720", name="minutes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    effective_from: Mapped[date] = mapped_column(unique=True)
    after_work: Mapped[int]
    """Minutes after the end of work from which on it has to be open."""
    before_work: Mapped[int]
    """Minutes before the next day's work until which it has to be open."""
    least_spaces_percent: Mapped[int]
    least_chargers_percent: Mapped[int]
    exemptions: Mapped[list[Any]] = mapped_column(JSONB)
    """rules.Exemption"""
    status: Mapped[str]
    legal_basis: Mapped[str] = mapped_column(default="", server_default="")
    source: Mapped[str]


class SharingPolicy(Base):
    """How bookings go: the city's settings, in force from a moment on. Without a row: rules.POLICY."""

    __tablename__ = "sharing_policy"
    __table_args__ = (
        CheckConstraint("hold_minutes between 1 and 60", name="hold"),
        CheckConstraint("unused_percent between 0 and 100", name="unused"),
        CheckConstraint("cancel_free_minutes >= 0 and most_open > 0 and days_ahead > 0", name="limits"),
    )

    effective_from: Mapped[datetime] = mapped_column(primary_key=True)
    hold_minutes: Mapped[int]
    cancel_free_minutes: Mapped[int]
    unused_percent: Mapped[int]
    most_open: Mapped[int]
    days_ahead: Mapped[int]
    near_metres: Mapped[int]
    set_by: Mapped[UUID | None]


class SharingPlan(Base):
    """共享计划: of one facility, by its institution."""

    __tablename__ = "sharing_plan"
    __table_args__ = (
        CheckConstraint(_in("state", PlanState), name="state"),
        CheckConstraint("price_hour >= 0 and price_evening >= 0 and price_month >= 0", name="prices"),
        CheckConstraint("0 <= work_start and work_start < work_end and work_end <= 1440", name="work"),
    )

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    version: Mapped[int]
    state: Mapped[str]
    work_start: Mapped[int]
    work_end: Mapped[int]
    price_hour: Mapped[int | None] = mapped_column(BigInteger)
    price_evening: Mapped[int | None] = mapped_column(BigInteger)
    price_month: Mapped[int | None] = mapped_column(BigInteger)
    walk_in: Mapped[bool]
    exemption: Mapped[str] = mapped_column(default="", server_default="")
    note: Mapped[str] = mapped_column(default="", server_default="")
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]


class SharingWindow(Base):
    """共享时段: on days of these kinds, from a minute of the day until another, past 1440 the next day's."""

    __tablename__ = "sharing_window"
    __table_args__ = (
        CheckConstraint("0 <= start_minute and start_minute < 1440", name="start"),
        CheckConstraint("start_minute < until_minute and until_minute <= 2880", name="until"),
        CheckConstraint("cardinality(days) > 0", name="days"),
    )

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("sharing_plan.facility_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    days: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """kernel.calendar.DayKind"""
    start_minute: Mapped[int]
    until_minute: Mapped[int]
    space_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    """None: all spaces that are shared."""


class SharingException(Base):
    """例外日期: on one date it is open, or closed, other than planned."""

    __tablename__ = "sharing_exception"
    __table_args__ = (
        CheckConstraint(
            "0 <= start_minute and start_minute < until_minute and until_minute <= 1440", name="minutes"
        ),
        Index("ix_sharing_exception_facility_id", "facility_id", "day"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("sharing_plan.facility_id"))
    day: Mapped[date]
    open: Mapped[bool]
    start_minute: Mapped[int]
    until_minute: Mapped[int]
    reason: Mapped[str]
    made_at: Mapped[datetime]


class SharingClosing(Base):
    """临时关闭: an emergency."""

    __tablename__ = "sharing_closing"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        CheckConstraint("lifted_at is null or lifted_at >= made_at", name="lifted"),
        Index("ix_sharing_closing_facility_id", "facility_id", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    """It was open again from then on."""


class Booking(Base):
    """预约: a driver's claim on one space, for one vehicle."""

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint(_in("kind", BookingKind), name="kind"),
        CheckConstraint(_in("state", BookingState), name="state"),
        CheckConstraint(f"why is null or {_in('why', Why)}", name="why"),
        CheckConstraint("(state in ('held', 'confirmed')) = (over_at is null)", name="over"),
        CheckConstraint("state <> 'held' or held_until is not null", name="held"),
        CheckConstraint("price >= 0 and (price = 0) = (charge_id is null)", name="price"),
        CheckConstraint("ends_at > starts_at", name="order"),
        UniqueConstraint("charge_id", name="uq_booking_charge_id"),
        Index("ix_booking_user_id", "user_id", "id"),
        Index("ix_booking_facility_id", "facility_id", "starts_at"),
        Index("ix_booking_plate_hash", "plate_hash", "facility_id", postgresql_where="state = 'confirmed'"),
        Index("ix_booking_of_plate", "plate_hash", "facility_id", "ends_at"),
        Index("ix_booking_ends_at", "ends_at"),
        Index("ix_booking_held_until", "held_until", postgresql_where="held_until is not null"),
        Index("ix_booking_confirmed", "ends_at", postgresql_where="state = 'confirmed'"),
        Index("ix_booking_extends", "extends", postgresql_where="extends is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"))
    kind: Mapped[str]
    state: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    vehicle_id: Mapped[UUID] = mapped_column(ForeignKey("vehicle_binding.id"))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    price: Mapped[int] = mapped_column(BigInteger)
    """Fen, as agreed."""
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge.id"))
    held_until: Mapped[datetime | None]
    """Until when it had to be paid; None: that is over, one way or the other, and its charge as well."""
    extends: Mapped[UUID | None] = mapped_column(ForeignKey("booking.id"))
    """It goes on from where this one ends, on the same space."""
    why: Mapped[str | None]
    """Why it is over."""
    over_at: Mapped[datetime | None]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class BookingSlot(Base):
    """A time for which a booking has its space. The database lets no two live ones of a space overlap."""

    __tablename__ = "booking_slot"
    __table_args__ = (
        ExcludeConstraint(
            (col("space_id"), "="),
            (col("during"), "&&"),
            where="live",
            name="ex_booking_slot_one_at_a_time",
        ),
        CheckConstraint("not isempty(during) and lower_inc(during) and not upper_inc(during)", name="during"),
        CheckConstraint("lower(during) is not null and upper(during) is not null", name="bounds"),
    )

    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("space.id"))
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    live: Mapped[bool]
    """It holds its space."""
    lost: Mapped[bool] = mapped_column(default=False, server_default="false")
    """A closing took it from a booking that goes on."""
    permit_id: Mapped[UUID | None] = mapped_column(ForeignKey("permit.id"))
    """By which the time costs nothing more."""


class BookingBan(Base):
    """禁止预约: a driver may not book for a while, and why."""

    __tablename__ = "booking_ban"
    __table_args__ = (
        CheckConstraint("until > since", name="order"),
        UniqueConstraint("cause", name="uq_booking_ban_cause"),
        Index("ix_booking_ban_user_id", "user_id", "until"),
        Index("ix_booking_ban_plate_hash", "plate_hash", "until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    plate_hash: Mapped[bytes]
    """Of the vehicle: closing the account does not end it."""
    since: Mapped[datetime]
    until: Mapped[datetime]
    cause: Mapped[str]
    """By what it came about, such as `overstay <id>`: once for each."""
    lifted_at: Mapped[datetime | None]

"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.money import Fen

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Reason = Annotated[str, msgspec.Meta(min_length=2, max_length=300)]
Said = dict[Literal["zh-CN", "en"], str]
"""The same in both languages."""
Price = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
"""Fen."""


class BookingKind(StrEnum):
    HOUR = "hour"
    EVENING = "evening"
    """A window as a whole."""
    MONTH = "month"
    """Everything that is open within a month."""


class BookingState(StrEnum):
    HELD = "held"
    """While it is being paid."""
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    """It was not paid in time."""
    TURNED_AWAY = "turned_away"
    ENDED = "ended"


LIVE = (BookingState.HELD, BookingState.CONFIRMED)
"""They hold their space."""


class Why(StrEnum):
    """Why a booking is over."""

    DRIVER = "driver"
    CLOSED = "closed"
    """Its facility was closed in an emergency."""
    NOT_PAID = "not_paid"
    NO_SPACE = "no_space"
    """It was paid so late that its space was given to somebody else."""
    TAKEN_BACK = "taken_back"
    """The payer's bank took the money back."""
    TURNED_AWAY = "turned_away"
    OVER = "over"


class PlanState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class RuleStatus(StrEnum):
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"


class WindowIn(msgspec.Struct, frozen=True, kw_only=True):
    """On days of these kinds, open from a minute of the day until another; past 1440 it is the next day's."""

    days: Annotated[list[DayKind], msgspec.Meta(min_length=1, max_length=4)]
    start: Annotated[int, msgspec.Meta(ge=0, lt=1440)]
    until: Annotated[int, msgspec.Meta(ge=1, le=2880)]
    space_ids: Annotated[list[UUID], msgspec.Meta(max_length=5000)] | None = None
    """None: all spaces that are shared."""


class PlanIn(msgspec.Struct, frozen=True, kw_only=True):
    """When a facility is open to everybody, and for how much. A price of None: that kind is not offered."""

    work_start: Annotated[int, msgspec.Meta(ge=0, lt=1440)]
    work_end: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    windows: Annotated[list[WindowIn], msgspec.Meta(max_length=50)]
    price_hour: Price | None = None
    price_evening: Price | None = None
    price_month: Price | None = None
    walk_in: bool = True
    """Whether vehicles without a booking may come in the open times, where there is room."""
    exemption: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """The code of the exemption that it claims; then it opens nothing."""
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    """What drivers have to know: the entrance, whom to call."""
    published: bool = True
    """False: a draft, which opens nothing."""


class ExceptionIn(msgspec.Struct, frozen=True, kw_only=True):
    """On one date it is open, or closed, other than planned; minutes of that day."""

    day: date
    open: bool
    start: Annotated[int, msgspec.Meta(ge=0, lt=1440)] = 0
    until: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 1440
    reason: Reason


class ClosingIn(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency: closed from a moment until another. Everybody who has booked is told."""

    starts_at: Moment
    ends_at: Moment
    reason: Reason


class Bookable(msgspec.Struct, frozen=True, kw_only=True):
    """What of a facility is open for the whole of the asked time."""

    facility_id: UUID
    starts_at: datetime
    ends_at: datetime
    """Until when it stays open without a break."""
    spaces: int
    left: int
    """Ordinary spaces that nobody has booked within the asked time."""
    left_accessible: int
    left_charging: int
    walk_in: bool
    price: Fen | None
    """Of booking the asked time by the hour; None: it cannot be booked so."""


class BookingIn(msgspec.Struct, frozen=True, kw_only=True):
    """A booking for one of the driver's verified vehicles. By the hour from `start` to `end`; an evening: the
    window as a whole in which `start` lies; a month: from the day of `start`."""

    facility: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Id or code."""
    kind: BookingKind
    start: Moment
    end: Moment | None = None
    vehicle_id: UUID
    need: Literal["accessible", "charging"] | None = None


class BookingOut(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's own booking. Amounts in fen."""

    id: UUID
    facility_id: UUID
    facility: str
    facility_code: str
    space: str
    kind: BookingKind
    state: BookingState
    why: Why | None
    vehicle_id: UUID
    starts_at: datetime
    ends_at: datetime
    slots: list[Slot]
    price: int
    paid: int
    held_until: datetime | None
    """Pay until then."""
    extends: UUID | None
    continued_until: datetime
    comes_back: int
    """What comes back of it by cancelling now."""
    gate: PassState | None
    """Whether the gate knows; None where the booking is not, or no more, in force."""
    may_cancel: bool
    may_extend: bool
    made_at: datetime
    charge_id: UUID | None
    receipts: list[str] = []
    """Tokens of what one has paid for it oneself."""


class Slot(msgspec.Struct, frozen=True):
    """A space is held from a moment until another."""

    starts_at: datetime
    ends_at: datetime


class BookingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A booking, for the slices beside this one. The plate is hashed and sealed."""

    id: UUID
    user_id: UUID
    facility_id: UUID
    space_id: UUID
    kind: BookingKind
    state: BookingState
    why: Why | None
    plate_hash: bytes
    plate_sealed: bytes
    starts_at: datetime
    ends_at: datetime
    slots: list[Slot]
    extends: UUID | None
    continued_until: datetime
    """The end of the last confirmed booking that follows on this one; else its own."""
    charge_id: UUID | None
    price: Fen
    gate: PassState | None
    """Whether the gate knows; None where there is nothing to know."""
    made_at: datetime

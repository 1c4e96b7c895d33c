"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from parking_cloud.tariffs.schemas import VehicleClass


class StayState(StrEnum):
    OPEN = "open"
    """The vehicle is there."""
    CLOSED = "closed"
    """It has left; the times are plausible or a person has answered for them: it may be charged."""
    REVIEW = "review"
    """Not charged by itself: the operator looks at the evidence, and carries the proof."""
    VOID = "void"
    """It did not happen, or cannot be proved."""


class Opened(StrEnum):
    """By what a stay began."""

    GATE = "gate"
    SPACE = "space"
    """A space became occupied, and a sighting says by whom."""
    DRIVER = "driver"
    ATTENDANT = "attendant"
    EXIT = "exit"
    """Only its exit is known."""


class Ended(StrEnum):
    """By what it ended."""

    GATE = "gate"
    SPACE = "space"
    DRIVER = "driver"
    ATTENDANT = "attendant"
    TOW = "tow"
    NEXT_ENTRY = "next_entry"
    """The vehicle was seen to enter again: it had left at some time before."""
    COUNT = "count"
    """A full count says that it is no longer there."""
    CORRECTION = "correction"
    OPERATOR = "operator"


class Situation(StrEnum):
    """What is out of the ordinary about a stay; each has its rule in rules.py."""

    MISSED_ENTRY = "missed_entry"
    MISSED_EXIT = "missed_exit"
    PLATE_MISREAD = "plate_misread"
    PLATE_UNSURE = "plate_unsure"
    NO_PLATE = "no_plate"
    TWO_AT_ONCE = "two_at_once"
    TOWED = "towed"
    VEHICLE_SWAP = "vehicle_swap"
    TOO_LONG = "too_long"
    TOO_DEAR = "too_dear"
    COUNT_SAYS_LEFT = "count_says_left"
    SPACE_SAYS_LEFT = "space_says_left"
    CORRECTED = "corrected"


class StayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A stay, as other slices see it."""

    id: UUID
    facility_id: UUID
    operator_id: UUID
    space_id: UUID | None
    plate_hash: bytes | None
    vehicle_class: VehicleClass
    state: StayState
    entered_at: datetime
    exited_at: datetime | None
    charging_minutes: int
    situations: list[Situation]
    version: int
    told_only: bool
    """Nothing but its driver's word says that it was: no gate, no attendant, no sensor began or ended it."""

"""What operations says and is told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from parking_cloud.operations.rules import Condition, Outcome

Note = Annotated[str, msgspec.Meta(max_length=500)]


class FindingIn(msgspec.Struct, frozen=True):
    """A person found a space occupied or free. `found_at` is now where it is left out."""

    space_id: UUID
    occupied: bool
    found_at: datetime | None = None
    note: Note = ""


class FindingOut(msgspec.Struct, frozen=True, kw_only=True):
    """`agrees` is None where the sensor had said nothing; `check_id` names the check of a disagreement."""

    id: UUID
    space_id: UUID
    device_id: UUID | None
    occupied: bool
    found_at: datetime
    sensor_said: bool | None
    sensor_said_at: datetime | None
    agrees: bool | None
    check_id: UUID | None


class FaultOut(msgspec.Struct, frozen=True, kw_only=True):
    """A device's fault. `evidence` holds the numbers by which it was judged (docs/operations.md)."""

    id: UUID
    device_id: UUID
    device: str
    facility_code: str
    space_number: str | None
    condition: Condition
    opened_at: datetime
    closed_at: datetime | None
    evidence: dict[str, Any]


class CheckOut(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has to look at a device; `disagreements` counts the findings that say so."""

    id: UUID
    device_id: UUID
    device: str
    facility_code: str
    space_number: str | None
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None
    note: str
    disagreements: int


class CheckClosing(msgspec.Struct, frozen=True):
    outcome: Outcome
    note: Note = ""


class FaultPage(msgspec.Struct, frozen=True):
    items: list[FaultOut]
    next_cursor: UUID | None


class SignFaultOut(msgspec.Struct, frozen=True, kw_only=True):
    """A guidance board that does not ask for its numbers. `evidence`: since when, and how long it may."""

    id: UUID
    sign_id: UUID
    code: str
    name: str
    opened_at: datetime
    closed_at: datetime | None
    evidence: dict[str, Any]


class SignFaultPage(msgspec.Struct, frozen=True):
    items: list[SignFaultOut]
    next_cursor: UUID | None


class CheckPage(msgspec.Struct, frozen=True):
    items: list[CheckOut]
    next_cursor: UUID | None


class SourceState(StrEnum):
    """Whether a source sends as it should."""

    OK = "ok"
    LATE = "late"


class SourceOut(msgspec.Struct, frozen=True, kw_only=True):
    """A source that sends of itself. It is late when nothing came for `late_after_s`: its duty where one is
    set, else three of its usual intervals and at least ten minutes; None while neither is known.

    `skew_s`: how much later than its own time its statements arrive; below zero its clock is ahead.
    """

    source: str
    state: SourceState
    last_heard: datetime | None
    late_since: datetime | None
    """When operations were told that it is late."""
    usual_s: float | None
    duty_s: int | None
    late_after_s: float | None
    skew_s: float | None
    ahead: int
    """Statements dated ahead of their arrival, so far."""


class DutyIn(msgspec.Struct, frozen=True):
    """How often, in seconds, a source has to send something; null: as it usually does."""

    every_s: Annotated[int, msgspec.Meta(ge=60, le=31 * 86_400)] | None


class MonthOfAccuracy(msgspec.Struct, frozen=True):
    month: str
    right: int
    judged: int


class Accuracy(msgspec.Struct, frozen=True):
    """How often people found a device right. `expected`: what certainty counts it for, 0..1."""

    right: int
    wrong: int
    expected: float
    months: list[MonthOfAccuracy]

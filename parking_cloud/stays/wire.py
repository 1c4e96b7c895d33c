"""What stays say to people and are told by them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from parking_cloud.gates.passages import Reading
from parking_cloud.stays.plausible import Cause
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayState
from parking_cloud.stays.visit import Action
from sensor_gateway.records import PlateColor

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
PlateText = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class StayOut(msgspec.Struct, frozen=True, kw_only=True):
    """A stay for staff. The plate is masked; see `GET /v1/stays/{id}?reason=` for the whole one."""

    id: UUID
    facility_id: UUID
    facility: str
    space: str | None
    plate: str
    plate_color: str | None
    vehicle_class: str
    state: StayState
    entered_at: datetime
    opened_by: Opened
    exited_at: datetime | None
    ended_by: Ended | None
    not_after: datetime | None
    charging_minutes: int
    situations: list[Situation]
    version: int
    changed_at: datetime


class StayPage(msgspec.Struct, frozen=True):
    """Newest first; `next_before` is the cursor of the next page."""

    items: list[StayOut]
    next_before: datetime | None


class MarkOut(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody or a space said beside the gates."""

    kind: str
    by: str
    at: datetime
    space: str | None
    evidence: list[str]


class DecisionOut(msgspec.Struct, frozen=True, kw_only=True):
    """`waits`: a second person has to agree before it holds."""

    id: UUID
    action: Action
    entered_at: datetime | None
    exited_at: datetime | None
    evidence: list[str]
    reason: str
    decided_by: UUID | None
    decided_at: datetime
    seconded_by: UUID | None
    waits: bool


class VersionOut(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    at: datetime
    cause: Cause
    by: UUID | None
    state: StayState
    entered_at: datetime
    exited_at: datetime | None
    charging_minutes: int
    situations: list[Situation]


class ChargingIn(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a charger. The same `record_id` is the same record, however often it comes."""

    record_id: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)]


class Charged(msgspec.Struct, frozen=True):
    """All minutes of the stay, by all its records."""

    charging_minutes: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a stay rests on, and what it would cost: as derived, and up to when it can have lasted at most."""

    readings: list[Reading]
    marks: list[MarkOut]
    charging: list[ChargingIn]
    amount: int | None
    amount_at_most: int | None
    max_hours: float
    max_amount: int
    min_confidence: float


class StayDetail(StayOut, frozen=True, kw_only=True):
    evidence: Evidence
    decisions: list[DecisionOut]
    versions: list[VersionOut]


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. Confirming and correcting need evidence; voiding needs a reason only."""

    action: Action
    reason: Text
    entered_at: datetime | None = None
    exited_at: datetime | None = None
    evidence: list[Reference] = []


class Seconding(msgspec.Struct, frozen=True):
    decision_id: UUID


class ReadingAnswer(msgspec.Struct, frozen=True):
    """The plate as a person reads it in the picture."""

    plate: PlateText
    plate_color: PlateColor | None = None


class ReadingOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    facility_id: UUID
    why: str
    confidence: float | None
    asked_at: datetime
    event: Reading


class ReadingPage(msgspec.Struct, frozen=True):
    items: list[ReadingOut]
    next_cursor: UUID | None


class PolicyIn(msgspec.Struct, frozen=True):
    """What is plausible at a facility."""

    max_hours: Annotated[int, msgspec.Meta(ge=1, le=8760)]
    max_amount: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
    min_confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    review_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30


class Starting(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle stands on a space; `at`: now where it is left out."""

    space_id: UUID
    plate: PlateText
    plate_color: PlateColor | None = None
    at: datetime | None = None


class Started(msgspec.Struct, frozen=True):
    stay_id: UUID


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime | None = None
    evidence: list[Reference] = []


class Decided(msgspec.Struct, frozen=True):
    """`holds`: false while a second person has to agree."""

    decision_id: UUID
    holds: bool


class PlateSearch(msgspec.Struct, frozen=True):
    """By plate only with a reason; in the body, so that no plate stands in an address."""

    plate: PlateText
    reason: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]
    before: datetime | None = None

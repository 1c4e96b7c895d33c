"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.money import Fen


class VehicleClass(StrEnum):
    """车型: what a tariff tells apart."""

    SMALL = "small"
    LARGE = "large"
    NEW_ENERGY = "new_energy"
    """Small, with a green plate."""
    NEW_ENERGY_LARGE = "new_energy_large"
    MOTORCYCLE = "motorcycle"
    EXEMPT = "exempt"
    """免费车辆: military, armed police and police, by their plates."""


class PermitKind(StrEnum):
    """What a vehicle was granted at a facility, or at all of its operator's."""

    RESIDENT = "resident"
    MONTHLY = "monthly"
    STAFF = "staff"
    FREE_LIST = "free_list"
    """Fire, rescue, sanitation, repair and others that a public list names."""
    BOOKING = "booking"
    """A shared space booked for a time: that time is paid, or free, by the booking."""


class Pricing(StrEnum):
    GOVERNMENT = "government"
    """政府定价、政府指导价"""
    MARKET = "market"
    """市场调节价"""


Said = dict[Literal["zh-CN", "en"], str]
"""The same in both languages."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a price: `amount` in fen (a discount is negative), and the reason in both languages."""

    code: str
    amount: Fen
    reason: Said


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a stay costs: the sum of its lines."""

    amount: Fen
    lines: list[Line]
    tariff_version_id: UUID | None
    """None: the facility is free of charge."""
    exit_grace: timedelta
    """How long after paying the vehicle may leave without paying more."""
    permit: PermitKind | None = None
    """The permit that made it cheaper, where one did."""


Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Text = Annotated[str, msgspec.Meta(max_length=300)]


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class TariffIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a tariff. `operator_id` None: it is the city's."""

    code: Code
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    name_en: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    operator_id: UUID | None = None
    pricing: Pricing
    filing_number: Text
    source: Text = ""


class PermitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A permit, without its plate. Where neither is given, it holds in the whole city."""

    id: UUID
    kind: PermitKind
    facility_id: UUID | None
    operator_id: UUID | None
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None
    source: str


class Point(msgspec.Struct, frozen=True):
    """A stay of so many minutes costs so much, in fen."""

    minutes: int
    amount: int


class Warned(msgspec.Struct, frozen=True):
    """What is probably not meant, and where in the tariff."""

    code: str
    where: str
    reason: Said


class QuoteIn(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that somebody plans: at a facility by id or code, from `entered_at` (now where it is left out),
    until `left_at` or for so many minutes. No plate is asked for."""

    facility: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    entered_at: Moment | None = None
    left_at: Moment | None = None
    minutes: Annotated[int, msgspec.Meta(ge=0, le=44_640)] | None = None
    vehicle: VehicleClass = VehicleClass.SMALL
    charging_minutes: Annotated[int, msgspec.Meta(ge=0, le=44_640)] = 0


class QuoteOut(msgspec.Struct, frozen=True, kw_only=True):
    """What it would cost, in fen: the sum of the lines."""

    facility: str
    entered_at: datetime
    left_at: datetime
    vehicle: VehicleClass
    amount: Fen
    lines: list[Line]
    exit_grace_s: int
    tariff_version_id: UUID | None


class TariffOut(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a tariff."""

    id: UUID
    code: str
    name: str
    name_en: str
    operator_id: UUID | None
    pricing: Pricing
    filing_number: str
    source: str


class FacilityTariff(msgspec.Struct, frozen=True, kw_only=True):
    """The tariff of a facility, a sentence each."""

    facility: str
    tariff: TariffOut
    version_id: UUID
    effective_from: datetime
    effective_until: datetime | None
    description: list[Said]


class VersionOut(msgspec.Struct, frozen=True):
    id: UUID
    effective_from: datetime
    effective_until: datetime | None
    data: dict[str, Any]


class AssignedTo(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    valid_from: datetime
    valid_until: datetime | None


class TariffDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff with its versions, newest first, and where it holds (the newest 500)."""

    tariff: TariffOut
    versions: list[VersionOut]
    facilities: list[AssignedTo]


class VersionIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the tariff says from a moment on (docs/tariffs.md)."""

    data: dict[str, Any]
    effective_from: Moment


class AssignmentIn(msgspec.Struct, frozen=True, kw_only=True):
    """From a moment on the tariff holds at a facility, named by id or code."""

    facility: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    since: Moment


class Kept(msgspec.Struct, frozen=True):
    """What was written."""

    id: UUID


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff to look at, and the stay by which it is shown: on a day of that kind, from that time on."""

    data: dict[str, Any]
    day: DayKind = DayKind.WORKDAY
    entry: Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "09:00"
    vehicle: VehicleClass = VehicleClass.SMALL
    permit: PermitKind | None = None
    charging_minutes: Annotated[int, msgspec.Meta(ge=0, le=2880)] = 0


class FaultOut(msgspec.Struct, frozen=True):
    """What keeps the tariff from being used, and where in it."""

    where: str
    reason: Said


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The price over 48 hours, what is probably not meant, and the tariff in sentences.

    With `faults`, nothing else is told.
    """

    faults: list[FaultOut]
    entered_at: datetime | None = None
    points: list[Point] = []
    warnings: list[Warned] = []
    description: list[Said] = []

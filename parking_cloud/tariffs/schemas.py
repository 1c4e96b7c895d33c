"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec

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


class Pricing(StrEnum):
    GOVERNMENT = "government"
    """政府定价、政府指导价"""
    MARKET = "market"
    """市场调节价"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a price: `amount` in fen (a discount is negative), and the reason in both languages."""

    code: str
    amount: Fen
    reason: dict[Literal["zh-CN", "en"], str]


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

"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal
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

"""What occupancy shows: a facility with its numbers now, and the state of its spaces."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec


class PositionOut(msgspec.Struct, frozen=True):
    """A point in the coordinate system that was asked for (WGS-84 unless said otherwise)."""

    lat: float
    lon: float


class FacilityNow(msgspec.Struct, kw_only=True):
    """A facility and what is known of it now.

    `free` is None where nothing has been heard. `unknown` counts spaces of which nothing is known.
    `quality` is `good`, `out_of_range` (a count outside 0..capacity was reported; what is shown is
    clamped) or `unknown`. `stale` means the newest statement is older than the platform's limit.

    `known`: spaces of which a statement is fresh and no fault of the device puts it in doubt; of a counted
    facility its capacity while the count is fresh. `certainty`, 0..1: how likely a space's state is known
    and right, on average over the capacity (occupancy/rules.py; both are made anew every 20 s).
    """

    id: UUID
    code: str
    name: str
    name_en: str
    kind: str
    district: str
    address: str
    position: PositionOut | None
    capacity: int
    free: int | None
    occupied: int | None
    unknown: int
    known: int
    certainty: float
    observed_at: datetime | None
    stale: bool
    quality: str
    shared_spaces: int
    synthetic: bool


class FacilityDetail(FacilityNow, kw_only=True):
    """One facility; `reported_free` is the count exactly as its counter said it."""

    reported_free: int | None
    counting: str


class FacilityPage(msgspec.Struct, frozen=True):
    items: list[FacilityNow]
    next_cursor: str | None


class SpaceNow(msgspec.Struct, frozen=True, kw_only=True):
    """A space; `occupied` is None where nothing has been heard of it."""

    id: UUID
    number: str
    kind: str
    shared: bool
    occupied: bool | None
    observed_at: datetime | None
    stale: bool


class SpaceList(msgspec.Struct, frozen=True):
    items: list[SpaceNow]


class CityTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all facilities."""

    facilities: int
    spaces: int
    free: int
    occupied: int
    unknown: int
    stale_facilities: int
    shared_spaces: int

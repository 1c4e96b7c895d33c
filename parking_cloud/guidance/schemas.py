"""What guidance is asked, and what it answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from parking_cloud.guidance.links import OpenIn
from parking_cloud.kernel.coordinates import Crs
from parking_cloud.kernel.money import Fen
from parking_cloud.occupancy.schemas import PositionOut
from parking_cloud.registry.schemas import FacilityKind, Latitude, Longitude
from parking_cloud.tariffs.schemas import VehicleClass


class Need(StrEnum):
    CHARGER = "charger"
    ACCESSIBLE = "accessible"
    LARGE = "large"


class Prefer(StrEnum):
    """What matters most."""

    BALANCED = "balanced"
    WALK = "walk"
    PRICE = "price"
    CERTAINTY = "certainty"


class Access(StrEnum):
    OPEN = "open"
    """Everyone may drive in."""
    BOOKING = "booking"
    """Only with a booking, and there is something to book for the whole stay."""
    BOOKED_OUT = "booked_out"
    """Only with a booking, and all is booked."""
    CLOSED = "closed"
    """Nobody may drive in at that time."""


class PlacesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where I want to be, when I come, how long I stay, with what, and what matters.

    Positions are in `crs`. `from_lat`, `from_lon`: where I am now. `arrive_at` left out: as soon as I can be
    there, which is in ten minutes where nobody knows where I am.
    """

    lat: Latitude
    lon: Longitude
    crs: Crs = Crs.WGS84
    from_lat: Latitude | None = None
    from_lon: Longitude | None = None
    arrive_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    stay_minutes: Annotated[int, msgspec.Meta(ge=1, le=44_640)] = 120
    vehicle: VehicleClass = VehicleClass.SMALL
    needs: list[Need] = []
    height_cm: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    prefer: Prefer = Prefer.BALANCED
    max_walk_m: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 2_000
    max_price: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Fen for the whole stay; places whose price is not known are left out then."""
    kinds: list[FacilityKind] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 20


class FacilityFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change from one minute to the next."""

    id: UUID
    code: str
    name: str
    name_en: str
    kind: str
    district: str
    address: str
    capacity: int
    shared_spaces: int
    accessible_spaces: int
    charging_spaces: int
    large_spaces: int
    height_limit_cm: int | None
    opening_hours: str
    synthetic: bool
    open_in: OpenIn


class ScoreOut(msgspec.Struct, frozen=True):
    """The published score; None where there is none yet."""

    value: float | None
    stars: float | None
    count: int


class BookingOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be booked there for the whole stay; `offer` is the address that tells more."""

    left: int
    price: Fen | None
    offer: str


class Why(msgspec.Struct, frozen=True):
    """One reason for the rank: a code, its number, and the same in words."""

    code: str
    value: float | None
    zh: str = msgspec.field(name="zh-CN")
    en: str


class PlaceOut(msgspec.Struct, frozen=True, kw_only=True):
    """A facility as an answer to the question.

    `free` is what was shown at `observed_at`; None: not known. `chance`: that at least one space is free on
    arrival, 0..1. `free_on_arrival` is what is expected then; 8 of 10 times it is between `low` and `high`.
    `price` is that of the whole stay in fen, None where it is not known. `cost` is the number that ranks, in
    minutes (docs/guidance.md).
    """

    facility: FacilityFacts
    position: PositionOut
    free: int | None
    unknown: int
    observed_at: datetime | None
    stale: bool
    quality: Literal["good", "out_of_range", "unknown"]
    chance: float
    free_on_arrival: float
    low: float
    high: float
    from_own_profile: bool
    """Whether the forecast knows this facility, or only its kind."""
    drive_m: int | None
    drive_s: int | None
    walk_m: int
    walk_s: int
    distance_m: float
    """In a straight line."""
    price: Fen | None
    access: Access
    opens_at: datetime | None
    closes_before_leaving: bool
    booking: BookingOffer | None
    score: ScoreOut
    cost: float
    why: list[Why]


class PlacesOut(msgspec.Struct, frozen=True, kw_only=True):
    """Best first. `as_of`: until when everything that was reported has been heard; `current` is false where
    what is reported does not come through at present. `nearest_m`: how far on foot the nearest facility is
    that has what is needed, also where it is too far to be offered."""

    as_of: datetime
    current: bool
    arrive_at: datetime
    stay_minutes: int
    crs: Crs
    travel: str
    nearest_m: int | None
    currency: str
    items: list[PlaceOut]

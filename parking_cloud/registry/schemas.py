"""What crosses the registry's wire: imports in, lists out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from parking_cloud.registry.opening import OPENING_PATTERN

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
FacilityKind = Literal[
    "public_offstreet", "on_street", "ancillary", "institution", "state_enterprise", "park_and_ride"
]
Counting = Literal["spaces", "counter"]
"""How occupancy is known: from a sensor in each space, or from a counter at the entrance."""


class OperatorIn(msgspec.Struct, frozen=True, kw_only=True):
    """经营者"""

    code: Code
    name: Name


class InstitutionIn(msgspec.Struct, frozen=True, kw_only=True):
    """机关事业单位或国有企业"""

    code: Code
    name: Name
    kind: Literal["institution", "state_enterprise"]


class FacilityIn(msgspec.Struct, frozen=True, kw_only=True):
    """停车场(库)或路内路段. Position is WGS-84; None where not known: then never offered by distance."""

    code: Code
    name: Name
    name_en: str = ""
    kind: FacilityKind
    counting: Counting
    district: str = ""
    address: str = ""
    capacity: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    lat: Latitude | None = None
    lon: Longitude | None = None
    operator_code: Code
    institution_code: Code | None = None
    synthetic: bool = False
    height_limit_cm: Annotated[int, msgspec.Meta(ge=100, le=1000)] | None = None
    opening_hours: Annotated[str, msgspec.Meta(pattern=OPENING_PATTERN)] = ""
    """When vehicles may enter, such as `07:00-22:00` or `workday 07:00-22:00; restday 08:00-21:00`; empty:
    at any time."""
    entrance_lat: Latitude | None = None
    entrance_lon: Longitude | None = None
    """Where vehicles drive in, where that is not its position (WGS-84)."""


class ZoneIn(msgspec.Struct, frozen=True, kw_only=True):
    """区域"""

    facility_code: Code
    code: Code
    name: Name


class SpaceIn(msgspec.Struct, frozen=True, kw_only=True):
    """泊位"""

    facility_code: Code
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    zone_code: Code | None = None
    kind: Literal["standard", "accessible", "charging", "large"] = "standard"
    shared: bool = False
    """Opened by its institution for sharing."""
    lat: Latitude | None = None
    lon: Longitude | None = None


class DeviceIn(msgspec.Struct, frozen=True, kw_only=True):
    """设备: a sensor of one space, or a counter of a facility (then `space_number` is None)."""

    external_id: Code
    vendor: Code
    model: Code
    firmware_line: str = ""
    source: Code
    """Who may speak for it: `chirpstack`, `the-things-stack`, or the name of the source that sends it."""
    dev_eui: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")] | None = None
    facility_code: Code
    space_number: str | None = None
    direction: Literal["entry", "exit"] | None = None
    """Of a counter that watches one lane: which way its vehicles pass."""


Volts = Annotated[float, msgspec.Meta(ge=0, le=1000)]


class ProfileIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual for a model of device, for all its devices of that firmware line.

    Either both voltages are given (full above empty) or neither: then its battery is not judged.
    """

    vendor: Code
    model: Code
    firmware_line: str = ""
    hold_off_s: Annotated[int, msgspec.Meta(ge=0, le=600)] = 20
    """A space that changes again within this is shown unchanged until it has settled so long."""
    keep_alive_s: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 86_400
    """The longest a device of this model is silent when all is well."""
    battery_full_v: Volts | None = None
    battery_empty_v: Volts | None = None


class RegistryBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of an import, applied together or not at all."""

    operators: list[OperatorIn] = []
    institutions: list[InstitutionIn] = []
    facilities: list[FacilityIn] = []
    zones: list[ZoneIn] = []
    spaces: list[SpaceIn] = []
    devices: list[DeviceIn] = []
    profiles: list[ProfileIn] = []


class DeviceOut(msgspec.Struct, frozen=True, kw_only=True):
    """A device as administrators see it."""

    id: UUID
    external_id: str
    vendor: str
    model: str
    firmware_line: str
    source: str
    dev_eui: str | None
    facility_id: UUID
    facility_code: str
    space_id: UUID | None
    space_number: str | None
    created_at: datetime

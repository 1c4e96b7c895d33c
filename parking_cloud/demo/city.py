"""The demo city: Huzhou's districts with real place names and invented numbers, the same on every machine."""

from __future__ import annotations

import math
from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec
from shapely.geometry import Point, shape
from shapely.geometry.base import BaseGeometry

from parking_cloud.guidance.outlines import outlines
from parking_cloud.registry.schemas import (
    DeviceIn,
    FacilityIn,
    FacilityKind,
    InstitutionIn,
    OperatorIn,
    RegistryBatch,
    SpaceIn,
)

_OPERATORS = {
    "public": OperatorIn(code="hz-parking", name="湖州市停车运营（演示）"),
    "street": OperatorIn(code="hz-street", name="湖州市路内泊位运营（演示）"),
    "shared": OperatorIn(code="hz-shared", name="湖州市共享停车运营（演示）"),
}
GATED_OPERATOR = _OPERATORS["public"].code
"""Whose facilities have gates."""
SENSOR_MODELS = (("bosch", "tps110"), ("nwave", "nps310"), ("nwave", "nps405"), ("dingtek", "do201"))
GATED = (
    "wx-public-047",
    "wx-public-046",
    "nx-public-019",
    "dq-public-019",
    "cx-public-020",
    "aj-public-015",
)
"""Garages with barriers, whose cameras read plates: here vehicles are charged by the demo's traffic."""
_MALLS = ("07:00-23:00", "workday 07:30-22:00; restday 08:00-23:30", "09:00-02:00", "")
_SIGHTS = ("湿地停车场", "博览园停车场", "纪念馆停车场", "嘉业堂停车场")
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_M_PER_DEGREE = 111_320.0
_THINGS_STACK_SHARE = 30
"""Percent of sensors that speak through The Things Stack; the rest through ChirpStack."""


class _Place(msgspec.Struct, frozen=True):
    name: str
    kind: FacilityKind
    capacity: int
    position: tuple[float, float] | None = None
    """lat, lon"""


class _District(msgspec.Struct, frozen=True):
    name: str
    name_en: str
    code: str
    facilities: list[_Place]


class _City(msgspec.Struct, frozen=True):
    districts: list[_District]


@cache
def district_shapes() -> dict[str, tuple[BaseGeometry, tuple[float, float]]]:
    """District name → (outline, its seat as lat, lon)."""
    collection = msgspec.json.decode(outlines())
    return {
        feature["properties"]["name"]: (
            shape(feature["geometry"]),
            (feature["properties"]["centre"][1], feature["properties"]["centre"][0]),
        )
        for feature in collection["features"]
    }


@cache
def build_city() -> RegistryBatch:
    """The whole demo city: about 150 facilities, 3,500 shared spaces among more than 12,000."""
    source = files(__package__).joinpath("data/huzhou.json").read_bytes()
    city = msgspec.json.decode(source, type=_City)
    batch = RegistryBatch(operators=list(_OPERATORS.values()))
    for district in city.districts:
        for index, place in enumerate(district.facilities):
            _add_facility(batch, district, index, place)
    return batch


def _add_facility(batch: RegistryBatch, district: _District, index: int, place: _Place) -> None:
    code = f"{district.code}-{_SHORT[place.kind]}-{index + 1:03d}"
    sensed = place.kind in ("on_street", "institution", "state_enterprise")
    shared = place.kind in ("institution", "state_enterprise")
    institution = f"inst-{code}" if shared else None
    if institution and (place.kind == "institution" or place.kind == "state_enterprise"):
        batch.institutions.append(InstitutionIn(code=f"inst-{code}", name=place.name, kind=place.kind))
    lat, lon = place.position or _spread(district.name, index)
    operator = "shared" if shared else "street" if place.kind == "on_street" else "public"
    batch.facilities.append(
        FacilityIn(
            code=code,
            name=f"{place.name}共享停车场" if shared else place.name,
            kind=place.kind,
            counting="spaces" if sensed else "counter",
            district=district.name,
            address=f"湖州市{district.name}{place.name.removesuffix('路内泊位')}",
            capacity=place.capacity,
            lat=lat,
            lon=lon,
            operator_code=_OPERATORS[operator].code,
            institution_code=institution,
            synthetic=True,
            height_limit_cm=_height_limit(code, place.name),
            opening_hours=_opening_hours(code, place),
        )
    )
    for number in range(1, place.capacity + 1):
        _add_space(batch, code, number, lat, lon, shared=shared, sensed=sensed)
    if not sensed:
        batch.devices.append(
            DeviceIn(
                external_id=f"{code}-counter",
                vendor="generic",
                model="counter",
                source="observations",
                facility_code=code,
            )
        )
    if code in GATED:
        batch.devices.extend(_gate(code, side) for side in ("entry", "exit"))


def _height_limit(code: str, name: str) -> int | None:
    """Garages (库) have a ceiling; an invented one, as all of them are between 1.9 and 2.4 m."""
    return (190, 200, 210, 220, 240)[_number(f"{code}/height") % 5] if name.endswith("库") else None


def _opening_hours(code: str, place: _Place) -> str:
    """Invented: sights close in the evening, malls by night, stations after the last train."""
    if place.name.endswith(_SIGHTS):
        return "07:30-18:30"
    if place.kind == "park_and_ride":
        return "05:30-24:00"
    return _MALLS[_number(f"{code}/hours") % len(_MALLS)] if place.kind == "ancillary" else ""


def _gate(code: str, side: str) -> DeviceIn:
    """A barrier with its camera. Each of its events says the direction."""
    return DeviceIn(
        external_id=f"{code}-{side}", vendor="generic", model="gate", source="gates", facility_code=code
    )


_SHORT: dict[str, str] = {
    "public_offstreet": "public",
    "ancillary": "anc",
    "park_and_ride": "pr",
    "on_street": "street",
    "institution": "inst",
    "state_enterprise": "soe",
}


def _add_space(
    batch: RegistryBatch, code: str, number: int, lat: float, lon: float, *, shared: bool, sensed: bool
) -> None:
    label = f"{number:03d}"
    # Rows of twenty, 2.5 m by 6 m a space: enough to draw a plan by.
    row, column = divmod(number - 1, 20)
    batch.spaces.append(
        SpaceIn(
            facility_code=code,
            number=label,
            kind="accessible" if number % 50 == 1 else "charging" if number % 10 == 0 else "standard",
            shared=shared,
            lat=round(lat + row * 6.0 / _M_PER_DEGREE, 7),
            lon=round(lon + column * 2.5 / (_M_PER_DEGREE * math.cos(math.radians(lat))), 7),
        )
    )
    if sensed:
        chance = _number(f"{code}/{label}")
        vendor, model = SENSOR_MODELS[chance % len(SENSOR_MODELS)]
        things_stack = (chance >> 8) % 100 < _THINGS_STACK_SHARE
        batch.devices.append(
            DeviceIn(
                external_id=f"{code}-{label}",
                vendor=vendor,
                model=model,
                source="the-things-stack" if things_stack else "chirpstack",
                dev_eui=sha256(f"dev-eui/{code}/{label}".encode()).hexdigest()[:16],
                facility_code=code,
                space_number=label,
            )
        )


def _spread(district: str, index: int) -> tuple[float, float]:
    """A place near the district's seat and inside its outline: a sunflower spiral, pulled in where needed."""
    outline, (lat, lon) = district_shapes()[district]
    reach = 350.0 * math.sqrt(index + 1)
    angle = index * _GOLDEN_ANGLE
    while True:
        here_lat = lat + reach * math.sin(angle) / _M_PER_DEGREE
        here_lon = lon + reach * math.cos(angle) / (_M_PER_DEGREE * math.cos(math.radians(lat)))
        if reach < 1 or outline.contains(Point(here_lon, here_lat)):
            return round(here_lat, 6), round(here_lon, 6)
        reach *= 0.8


def _number(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big")

"""Where do you want to be: districts, roads and facilities by their names. The platform has no gazetteer."""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.outlines import outlines, roads
from parking_cloud.kernel.coordinates import Position
from parking_cloud.registry.naming import facilities_named


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A place to search around; WGS-84."""

    kind: Literal["district", "road", "facility"]
    name: str
    name_en: str
    more: str
    """What tells it from others of the same name: its address."""
    lat: float
    lon: float


class FoundPlaces(msgspec.Struct, frozen=True):
    items: list[Found]


async def search(session: AsyncSession, words: str, limit: int) -> FoundPlaces:
    """Districts and roads, then facilities, whose names have these words."""
    wanted = words.strip().casefold()
    if not wanted:
        return FoundPlaces([])
    drawn = [place for place in _drawn() if wanted in f"{place.name} {place.name_en}".casefold()][:limit]
    named = await facilities_named(session, words.strip(), limit - len(drawn)) if len(drawn) < limit else []
    found = [
        Found(kind="facility", name=f.name, name_en=f.name_en, more=f.address, lat=f.lat, lon=f.lon)
        for f in named
    ]
    return FoundPlaces([*drawn, *found])


@cache
def _drawn() -> list[Found]:
    """What the map is drawn with has names too."""
    return [*(_district(f) for f in _features(outlines())), *(_road(f) for f in _features(roads()))]


def _features(geojson: bytes) -> list[dict[str, dict[str, object]]]:
    found: list[dict[str, dict[str, object]]] = msgspec.json.decode(geojson)["features"]
    return found


def _district(feature: dict[str, dict[str, object]]) -> Found:
    properties = feature["properties"]
    lon, lat = msgspec.convert(properties["centre"], tuple[float, float])
    return _place("district", properties, Position(lat, lon))


def _road(feature: dict[str, dict[str, object]]) -> Found:
    line = msgspec.convert(feature["geometry"]["coordinates"], list[tuple[float, float]])
    lon, lat = line[len(line) // 2]
    return _place("road", feature["properties"], Position(lat, lon))


def _place(kind: Literal["district", "road"], properties: dict[str, object], at: Position) -> Found:
    name, name_en = str(properties["name"]), str(properties.get("name_en") or "")
    return Found(kind=kind, name=name, name_en=name_en, more="", lat=at.lat, lon=at.lon)

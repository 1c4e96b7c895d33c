"""Where boards hang, as a small picture: districts and roads as lines, boards as points, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from parking_cloud.guidance.outlines import outlines, roads

_WIDTH, _HEIGHT = 640, 400
_M_PER_DEGREE = 111_320.0
Line = tuple[tuple[float, float], ...]
"""Points as (lon, lat)."""


class Dot(NamedTuple):
    """A board on the picture: where, in the picture's own units."""

    code: str
    level: int
    x: float
    y: float
    facing: int | None


class Picture(NamedTuple):
    """What the template draws: path data, and the boards."""

    width: int
    height: int
    districts: str
    roads: str
    dots: list[Dot]


class _View(NamedTuple):
    """A part of the city, so many metres across, around a middle."""

    lat: float
    lon: float
    across_m: float

    def place(self, lon: float, lat: float) -> tuple[float, float]:
        scale = _WIDTH / self.across_m * _M_PER_DEGREE
        x = _WIDTH / 2 + (lon - self.lon) * scale * math.cos(math.radians(self.lat))
        return round(x, 1), round(_HEIGHT / 2 - (lat - self.lat) * scale, 1)


Hanging = tuple[str, int, float, float, int | None]
"""A board's code, level, latitude, longitude and facing."""


def draw(boards: Sequence[Hanging], *, least_m: float) -> Picture:
    """The picture that has all these boards on it, at least `least_m` wide."""
    view = _around([(lat, lon) for _, _, lat, lon, _ in boards], least_m)
    dots = [Dot(code, level, *view.place(lon, lat), facing) for code, level, lat, lon, facing in boards]
    return Picture(_WIDTH, _HEIGHT, _paths(_lines(outlines), view), _paths(_lines(roads), view), dots)


def _around(places: Sequence[tuple[float, float]], least_m: float) -> _View:
    lats = [lat for lat, _ in places] or [30.8693]
    lons = [lon for _, lon in places] or [120.0965]
    lat, lon = (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2
    east_m = (max(lons) - min(lons)) * _M_PER_DEGREE * math.cos(math.radians(lat))
    north_m = (max(lats) - min(lats)) * _M_PER_DEGREE
    return _View(lat, lon, max(east_m * 1.25, north_m * 1.25 * _WIDTH / _HEIGHT, least_m))


def _paths(lines: Iterable[Line], view: _View) -> str:
    """Path data of the lines that touch the picture."""
    drawn = []
    for line in lines:
        placed = [view.place(lon, lat) for lon, lat in line]
        if _touches(placed):
            drawn.append("M" + "L".join(f"{x:g} {y:g}" for x, y in placed))
    return "".join(drawn)


def _touches(points: Sequence[tuple[float, float]]) -> bool:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) <= _WIDTH and max(xs) >= 0 and min(ys) <= _HEIGHT and max(ys) >= 0


@cache
def _lines(source: Callable[[], bytes]) -> tuple[Line, ...]:
    features = msgspec.json.decode(source())["features"]
    return tuple(line for feature in features for line in _lines_of(feature["geometry"]))


def _lines_of(geometry: dict[str, Any]) -> list[Line]:
    nested: Any = geometry["coordinates"]
    match geometry["type"]:
        case "LineString":
            parts = [nested]
        case "MultiLineString" | "Polygon":
            parts = nested
        case _:
            parts = [ring for polygon in nested for ring in polygon]
    return [tuple((lon, lat) for lon, lat, *_ in part) for part in parts]

"""Positions: WGS-84 inside, GCJ-02 and BD-09 converted at the edge by a declared `crs`, never silently.

GCJ-02 is the offset that maps published in China carry; BD-09 is Baidu's further offset. The forward
formulas are the published approximations; the inverses iterate on them and are exact to under 0.5 m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import msgspec

from parking_cloud.kernel.problems import OutsideTheWorld

_AXIS = 6_378_245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid, metres."""
_ECCENTRICITY = 0.006_693_421_622_965_943
_EARTH_RADIUS_M = 6_371_008.8
_BAIDU_PI = math.pi * 3000.0 / 180.0


class Crs(StrEnum):
    """Coordinate systems that callers may declare."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


class Position(msgspec.Struct, frozen=True):
    """A point in degrees. Raises OutsideTheWorld for what is not on the globe (NaN included)."""

    lat: float
    lon: float

    def __post_init__(self) -> None:
        if not (-90 <= self.lat <= 90 and -180 <= self.lon <= 180):
            raise OutsideTheWorld(
                errors=[
                    {"field": "lat, lon", "reason": "outside-the-world", "value": f"{self.lat}, {self.lon}"}
                ]
            )


def to_wgs84(position: Position, crs: Crs) -> Position:
    """A position declared in `crs` → WGS-84."""
    if crs is Crs.WGS84:
        return position
    if crs is Crs.GCJ02:
        return _invert(_gcj02_from_wgs84, position)
    return _invert(lambda p: _bd09_from_gcj02(_gcj02_from_wgs84(p)), position)


def from_wgs84(position: Position, crs: Crs) -> Position:
    """A WGS-84 position → `crs`."""
    if crs is Crs.WGS84:
        return position
    shifted = _gcj02_from_wgs84(position)
    return shifted if crs is Crs.GCJ02 else _bd09_from_gcj02(shifted)


def distance_m(one: Position, other: Position) -> float:
    """Great-circle distance in metres."""
    lat1, lat2 = math.radians(one.lat), math.radians(other.lat)
    half_lat = (lat2 - lat1) / 2
    half_lon = math.radians(other.lon - one.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def _in_china(position: Position) -> bool:
    """The rough box inside which the offset applies."""
    return 0.8293 < position.lat < 55.8271 and 72.004 < position.lon < 137.8347


def _gcj02_from_wgs84(position: Position) -> Position:
    if not _in_china(position):
        return position
    north, east = _offsets(position.lat - 35.0, position.lon - 105.0)
    lat = math.radians(position.lat)
    flattening = 1 - _ECCENTRICITY * math.sin(lat) ** 2
    root = math.sqrt(flattening)
    d_lat = math.degrees(north / (_AXIS * (1 - _ECCENTRICITY) / (flattening * root)))
    d_lon = math.degrees(east / (_AXIS / root * math.cos(lat)))
    return Position(position.lat + d_lat, position.lon + d_lon)


def _offsets(y: float, x: float) -> tuple[float, float]:
    """Metres north and east by which GCJ-02 moves a point; y, x: degrees from 35° N, 105° E."""
    wave = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += (wave + 20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += (wave + 20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    return north, east


def _bd09_from_gcj02(position: Position) -> Position:
    reach = math.hypot(position.lat, position.lon) + 0.00002 * math.sin(position.lat * _BAIDU_PI)
    angle = math.atan2(position.lat, position.lon) + 0.000003 * math.cos(position.lon * _BAIDU_PI)
    return Position(reach * math.sin(angle) + 0.006, reach * math.cos(angle) + 0.0065)


def _invert(forward: Callable[[Position], Position], target: Position) -> Position:
    """The point that `forward` moves to `target`, by fixed-point steps."""
    guess = target
    for _ in range(12):
        moved = forward(guess)
        d_lat, d_lon = target.lat - moved.lat, target.lon - moved.lon
        if abs(d_lat) < 1e-9 and abs(d_lon) < 1e-9:
            break
        guess = Position(min(90.0, max(-90.0, guess.lat + d_lat)), min(180.0, max(-180.0, guess.lon + d_lon)))
    return guess

"""A box on the map, as a page asks for it."""

from __future__ import annotations

import math
from typing import NamedTuple

from parking_cloud.kernel.problems import InvalidInput


class Box(NamedTuple):
    """WGS-84 degrees. It does not cross the date line: the city is far from it."""

    west: float
    south: float
    east: float
    north: float


def parse_box(written: str) -> Box:
    """`west,south,east,north`. Raises InvalidInput."""
    try:
        box = Box(*(float(part) for part in written.split(",")))
    except (ValueError, TypeError):
        box = Box(math.nan, math.nan, math.nan, math.nan)
    if not (-180 <= box.west < box.east <= 180 and -90 <= box.south < box.north <= 90):
        message = "west,south,east,north in degrees, west below east and south below north"
        raise InvalidInput(errors=[{"field": "bbox", "message": message}])
    return box

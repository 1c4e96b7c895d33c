"""Lines to draw the city by without map tiles: the districts' outlines and its roads."""

from __future__ import annotations

from importlib.resources import files


def outlines() -> bytes:
    """The five districts' outlines as GeoJSON (WGS-84); good to draw, not a legal boundary."""
    return files(__package__).joinpath("data/districts.geojson").read_bytes()


def roads() -> bytes:
    """Roads as GeoJSON (WGS-84), `class` `trunk` or `street`; the demo city's are schematic."""
    return files(__package__).joinpath("data/roads.geojson").read_bytes()

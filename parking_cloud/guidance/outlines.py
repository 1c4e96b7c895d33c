"""The districts' outlines, to draw the city without map tiles."""

from __future__ import annotations

from importlib.resources import files


def outlines() -> bytes:
    """The five districts' outlines as GeoJSON (WGS-84); good to draw, not a legal boundary."""
    return files(__package__).joinpath("data/districts.geojson").read_bytes()

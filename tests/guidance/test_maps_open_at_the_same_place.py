"""Each map application is sent to the facility in the coordinates that it draws by."""

from __future__ import annotations

import re

from parking_cloud.guidance.links import open_at
from parking_cloud.kernel.coordinates import Crs, Position, distance_m, to_wgs84

PLACE = Position(30.8693, 120.0965)


def pair(url: str, pattern: str) -> tuple[float, float]:
    found = re.search(pattern, url)
    assert found is not None
    return float(found[1]), float(found[2])


def test_maps_open_at_the_same_place() -> None:
    links = open_at("红旗路,路段", PLACE)
    lon, lat = pair(links.amap, r"to=([\d.]+),([\d.]+),")
    tencent = pair(links.tencent, r"tocoord=([\d.]+),([\d.]+)")
    baidu = pair(links.baidu, r"location=([\d.]+),([\d.]+)")
    for at, crs in (((lat, lon), Crs.GCJ02), (tencent, Crs.GCJ02), (baidu, Crs.BD09)):
        assert distance_m(to_wgs84(Position(*at), crs), PLACE) < 0.5
        assert distance_m(Position(*at), PLACE) > 100
    assert "," not in links.amap.split("to=")[1].split(",", 2)[2]

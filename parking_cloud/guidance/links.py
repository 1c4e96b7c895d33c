"""Links that open a map application at a place, each in the coordinate system that its maps are drawn in.

Amap, Tencent and Apple (in China) draw by GCJ-02, Baidu by BD-09.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from parking_cloud.kernel.coordinates import Crs, Position, from_wgs84

_FROM = "parking-cloud"


class OpenIn(msgspec.Struct, frozen=True):
    """One address for each application; phones without it show the same as a web page."""

    amap: str
    baidu: str
    tencent: str
    apple: str


def open_in(name: str, gcj02: tuple[float, float], bd09: tuple[float, float]) -> OpenIn:
    """Links to a place; positions are (lat, lon)."""
    said = quote(name.replace(",", " "), safe="")
    lat, lon = gcj02
    baidu_lat, baidu_lon = bd09
    return OpenIn(
        amap=f"https://uri.amap.com/navigation?to={lon:.6f},{lat:.6f},{said}"
        f"&mode=car&coordinate=gaode&callnative=1&src={_FROM}",
        baidu=f"https://api.map.baidu.com/marker?location={baidu_lat:.6f},{baidu_lon:.6f}&title={said}"
        f"&content=P&coord_type=bd09ll&output=html&src={_FROM}",
        tencent=f"https://apis.map.qq.com/uri/v1/routeplan?type=drive&to={said}"
        f"&tocoord={lat:.6f},{lon:.6f}&policy=0&referer={_FROM}",
        apple=f"https://maps.apple.com/?daddr={lat:.6f},{lon:.6f}&dirflg=d",
    )


def open_at(name: str, at: Position) -> OpenIn:
    """Links to a place by its position in WGS-84."""
    gcj02, bd09 = from_wgs84(at, Crs.GCJ02), from_wgs84(at, Crs.BD09)
    return open_in(name, (gcj02.lat, gcj02.lon), (bd09.lat, bd09.lon))

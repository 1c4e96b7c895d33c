"""Drive times: by straight line unless a routing service is set and answers; never slower for its silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from parking_cloud.guidance.travel import OsrmRouting, Travel, load_pace
from parking_cloud.kernel.coordinates import Position

pytestmark = pytest.mark.anyio

RUSH = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
"""A Thursday, 17:30 in the city."""
SUNDAY = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
HERE = Position(30.8693, 120.0965)
THERE = [Position(30.8700, 120.1000), Position(30.8800, 120.1100), Position(30.9000, 120.3000)]
STRAIGHT = np.array([350.0, 1700.0, 20_000.0])
ANSWER = (
    b'{"code":"Ok","sources":[{"hint":"b","distance":4.2,"name":"","location":[120.0965,30.8693]}],'
    b'"destinations":[],"durations":[[62.4,291.5,null]],"distances":[[512.3,2489.1,null]]}'
)
"""As OSRM 5 answers `table`; no road leads to the last place."""


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> Travel:
    routing = OsrmRouting("http://roads.example/", 0.3, httpx.MockTransport(handler))
    return Travel(load_pace(), routing)


async def test_straight_lines_by_the_hour() -> None:
    travel = Travel(load_pace())
    rush = await travel.drive(HERE, THERE, STRAIGHT, RUSH)
    assert rush.by == "straight_line"
    assert rush.metres == pytest.approx(STRAIGHT * 1.32)
    assert rush.seconds == pytest.approx(STRAIGHT * 1.32 / (23 / 3.6))
    assert (travel.straight(STRAIGHT, SUNDAY).seconds < rush.seconds).all()
    unknown_year = datetime(2031, 11, 26, 9, 30, tzinfo=UTC)
    assert travel.straight(STRAIGHT, unknown_year).seconds == pytest.approx(rush.seconds)


def test_a_walk_is_longer_than_its_straight_line() -> None:
    metres, seconds = load_pace().walk(np.array([100.0]))
    assert (metres[0], round(seconds[0])) == (130.0, 108)


async def test_the_table_call_asks_and_reads_as_osrm_has_it() -> None:
    asked: list[httpx.URL] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, content=ANSWER)

    drive = await answering(handler).drive(HERE, THERE, STRAIGHT, RUSH)
    assert drive.by == "routing"
    assert drive.metres == pytest.approx([512.3, 2489.1, 26_400.0])
    assert drive.seconds == pytest.approx([62.4, 291.5, 26_400.0 / (23 / 3.6)])
    (url,) = asked
    places = "120.096500,30.869300;120.100000,30.870000;120.110000,30.880000;120.300000,30.900000"
    assert url.path == f"/table/v1/driving/{places}"
    assert dict(url.params) == {
        "sources": "0",
        "destinations": "1;2;3",
        "annotations": "duration,distance",
    }


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b'{"code":"NoSegment","message":"none"}'),
        httpx.Response(502, content=b"<html>"),
        httpx.Response(200, content=b'{"code":"Ok","durations":[[1.0]],"distances":[[1.0]]}'),
        httpx.ReadTimeout("too slow"),
        httpx.ConnectError("nobody there"),
    ],
    ids=["no segment", "no JSON", "too few", "too slow", "away"],
)
async def test_what_goes_wrong_there_becomes_straight_lines(answer: httpx.Response | Exception) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    travel = answering(handler)
    drive = await travel.drive(HERE, THERE, STRAIGHT, RUSH)
    assert drive.by == "straight_line"
    assert drive.metres == pytest.approx(STRAIGHT * 1.32)


async def test_a_service_that_fails_is_left_alone_for_a_while() -> None:
    asked = 0
    clock = timedelta(0)

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        raise httpx.ReadTimeout("too slow")

    routing = OsrmRouting("http://roads.example", 0.3, httpx.MockTransport(handler))
    travel = Travel(load_pace(), routing, lambda: clock.total_seconds())
    for _ in range(10):
        await travel.drive(HERE, THERE, STRAIGHT, RUSH)
    assert (asked, travel.routed) == (3, False)
    clock = timedelta(seconds=31)
    assert travel.routed
    await travel.drive(HERE, THERE, STRAIGHT, RUSH)
    assert asked == 4


def test_a_citys_own_numbers_are_checked(tmp_path: Path) -> None:
    own = tmp_path / "pace.json"
    numbers = msgspec.json.decode(msgspec.json.encode(load_pace()))
    own.write_bytes(msgspec.json.encode(numbers | {"city_factor": 1.5}))
    assert load_pace(str(own)).city_factor == 1.5
    own.write_bytes(msgspec.json.encode(numbers | {"workday_km_per_h": [30.0] * 23}))
    with pytest.raises(ValueError, match="length"):
        load_pace(str(own))

"""Guidance queries a second, against the same server's empty JSON route, in cities of 10,000 and 100,000
facilities; and against the same question asked of PostGIS.

One API process, as in production. Each query asks from another point for the 20 best of the nearest, with
chance on arrival and the price of another stay; most come as soon as they can, some have told where they
start from, and some come hours later.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from bench import synthetic
from bench.load import Measured, get_each
from parking_cloud.devstack import DevstackError, Server, Stack, free_port
from parking_cloud.launcher import Platform
from parking_cloud.migrate import migrate

SIZES = (10_000, 100_000)
_QUERIES = 6_000
_TURNS = 12
_CONNECTIONS = 8
_PATIENCE_S = 300.0
_STAYS = (30, 45, 60, 90, 120, 150, 180, 240, 300, 360, 480, 600)
_FROM_SOMEWHERE, _LATER = 0.3, 0.1
"""Shares of the questions."""
_POSTGIS = (
    "select f.id, st_distance(f.position, p.point) from facility f,"
    " (select cast(st_point(%s, %s) as geography) as point) p"
    " order by f.position <-> p.point limit 20"
)


def run(_: Platform) -> None:
    """Print rates, ratios and quantiles for each size."""
    rates = {}
    for size in SIZES:
        with _city(size) as (api, database):
            rates[size] = _measure(api, database, size)
    print(f"{SIZES[0]:,} / {SIZES[1]:,} facilities {rates[SIZES[0]] / rates[SIZES[1]]:12.3f}")


def _measure(api: str, database: str, size: int) -> float:
    rng = random.Random(size)
    targets = [_target(rng) for _ in range(_QUERIES)]
    empty_target = ["/health/live"] * _QUERIES
    for warm in (empty_target[:500], targets[:500]):
        asyncio.run(get_each(api, warm, connections=_CONNECTIONS))
    # By turns, since others may use the machine too.
    empty: list[Measured] = []
    guided: list[Measured] = []
    for part in range(_TURNS):
        turn = slice(part * _QUERIES // _TURNS, (part + 1) * _QUERIES // _TURNS)
        empty.append(asyncio.run(get_each(api, empty_target[turn], connections=_CONNECTIONS)))
        guided.append(asyncio.run(get_each(api, targets[turn], connections=_CONNECTIONS)))
    best_empty, best = _median(empty), _median(guided)
    half = asyncio.run(get_each(api, targets[:3000], connections=_CONNECTIONS, rate=best.rate / 2))
    postgis = _postgis(database, rng)
    print(best.line(f"{size:,} facilities"))
    print(best_empty.line("empty JSON route"))
    print(half.line("at half that load"))
    print(f"PostGIS, nearest 20      {postgis:8.0f}/s  (its own query alone)")
    print(f"ratio to the empty route {best.rate / best_empty.rate:8.3f}")
    print(f"ratio to PostGIS         {best.rate / postgis:8.3f}")
    return best.rate


def _median(measured: list[Measured]) -> Measured:
    return sorted(measured, key=lambda one: one.rate)[len(measured) // 2]


def _target(rng: random.Random) -> str:
    lat, lon = synthetic.somewhere(rng)
    query: dict[str, object] = {"lat": round(lat, 6), "lon": round(lon, 6), "limit": 20, "max_walk_m": 20_000}
    query["stay_minutes"] = rng.choice(_STAYS)
    query["prefer"] = rng.choice(("balanced", "walk", "price", "certainty"))
    how = rng.random()
    if how < _FROM_SOMEWHERE:
        query["from_lat"] = round(lat + rng.gauss(0, 0.03), 6)
        query["from_lon"] = round(lon + rng.gauss(0, 0.03), 6)
    elif how < _FROM_SOMEWHERE + _LATER:
        later = datetime.now(UTC) + timedelta(minutes=30 * rng.randint(1, 16))
        query["arrive_at"] = later.isoformat(timespec="seconds")
    return f"/v1/guidance/places?{urlencode(query)}"


def _postgis(database: str, rng: random.Random) -> float:
    """Such questions a second on one connection."""
    with psycopg.connect(database) as connection:
        points = [synthetic.somewhere(rng) for _ in range(300)]
        begun = time.perf_counter()
        for lat, lon in points:
            connection.execute(_POSTGIS, [lon, lat]).fetchall()
        return len(points) / (time.perf_counter() - begun)


@contextmanager
def _city(size: int) -> Iterator[tuple[str, str]]:
    """An API on servers of its own: its address, and its database's."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stack = Stack(home / "servers", progress=lambda _: None)
        server = Server("bench-api", home)
        stack.start()
        try:
            migrate(stack.database_url)
            synthetic.load(stack.database_url, size)
            port = free_port()
            api = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "uvicorn", "--factory", "parking_cloud.app:create_app"]
            command += ["--no-access-log", "--no-proxy-headers", "--log-level", "warning"]
            command += ["--port", str(port)]
            environment = {
                "PARKING_DATABASE_URL": stack.database_url,
                "PARKING_REDIS_URL": stack.redis_url,
                "PARKING_SECRET_KEY": "of no use to anybody but this bench",
                "PARKING_PLATE_KEY": "5c" * 32,
            }
            begun = time.perf_counter()
            server.start(command, environment=os.environ | environment)
            while not _loaded(api):
                if server.pid() is None or time.perf_counter() - begun > _PATIENCE_S:
                    raise DevstackError(f"the API of {size:,} facilities did not start")
                time.sleep(0.2)
            took = time.perf_counter() - begun
            print(f"{size:,} facilities are loaded in {took:.1f} s; the process has {_memory(server)} MB")
            yield api, stack.database_url
        finally:
            server.stop()
            stack.remove()


def _loaded(api: str) -> bool:
    lat, lon = synthetic.CENTRES[0]
    try:
        asyncio.run(get_each(api, [f"/v1/guidance/places?lat={lat}&lon={lon}"], connections=1))
    except (OSError, RuntimeError, asyncio.IncompleteReadError):
        return False
    return True


def _memory(server: Server) -> int:
    """Resident, in megabytes."""
    pid = server.pid()
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024

"""A city of any size, by COPY: facilities around five centres, some fifty tariffs, numbers now, profiles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import psycopg

from parking_cloud.demo.tariffs import examples
from parking_cloud.kernel.ids import new_id

CENTRES = (
    (30.8693, 120.0965),
    (30.8720, 120.4240),
    (30.5430, 119.9600),
    (31.0260, 119.9140),
    (30.6380, 119.6800),
)
"""The seats of Huzhou's five districts and counties."""
_SPREAD_DEGREES = 0.03
_KINDS = ("public_offstreet", "on_street", "ancillary", "park_and_ride")
_TARIFFS_EACH = 4
_CELLS = 144
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def somewhere(rng: random.Random) -> tuple[float, float]:
    """A point as dense as the city is: near a centre, one time in ten anywhere."""
    if rng.random() < 0.1:
        return rng.uniform(30.4, 31.15), rng.uniform(119.4, 120.55)
    lat, lon = rng.choice(CENTRES)
    return lat + rng.gauss(0, _SPREAD_DEGREES), lon + rng.gauss(0, _SPREAD_DEGREES)


def load(database_url: str, facilities: int, seed: int = 1) -> None:
    """Fill a migrated, empty database."""
    rng = random.Random(seed)
    operator = new_id()
    places = [(new_id(), *somewhere(rng), rng.randint(10, 400)) for _ in range(facilities)]
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into operator (id, code, name) values (%s, 'bench', '压测')", [operator])
        tariffs = _tariffs(connection)
        _copy(
            connection,
            "facility (id, code, name, name_en, kind, counting, district, address, capacity, position,"
            " operator_id, synthetic)",
            (
                (
                    id_,
                    f"bench-{number:06d}",
                    f"湖州市第{number}停车场（演示）",
                    f"Car park {number} (demo)",
                    _KINDS[number % len(_KINDS)],
                    "counter",
                    "吴兴区",
                    f"湖州市吴兴区人民路{number}号",
                    capacity,
                    f"SRID=4326;POINT({lon:.7f} {lat:.7f})",
                    operator,
                    True,
                )
                for number, (id_, lat, lon, capacity) in enumerate(places)
            ),
        )
        _copy(
            connection,
            "tariff_assignment (id, facility_id, operator_id, tariff_id, valid_from)",
            ((new_id(), id_, operator, rng.choice(tariffs), _SINCE) for id_, *_ in places),
        )
        _states(connection, rng, places)
        _profiles(connection, places, seed)
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")


def _tariffs(connection: psycopg.Connection[Any]) -> list[UUID]:
    """Each of the demo's shapes some times over."""
    ids = []
    for code, example in examples().items():
        for copy in range(_TARIFFS_EACH):
            tariff = new_id()
            connection.execute(
                "insert into tariff (id, code, name, name_en, pricing) values (%s, %s, %s, %s, %s)",
                [tariff, f"{code}-{copy}", example.name, example.name_en, example.pricing],
            )
            connection.execute(
                "insert into tariff_version (id, tariff_id, effective_from, data) values (%s, %s, %s, %s)",
                [new_id(), tariff, _SINCE, msgspec.json.encode(example.data).decode()],
            )
            ids.append(tariff)
    return ids


Place = tuple[UUID, float, float, int]


def _states(connection: psycopg.Connection[Any], rng: random.Random, places: list[Place]) -> None:
    """Counted within the last minutes; some full, some unknown."""
    now = datetime.now(UTC)

    def rows() -> Iterator[tuple[Any, ...]]:
        for id_, _, _, capacity in places:
            if rng.random() < 0.05:
                continue
            at = now - timedelta(seconds=rng.uniform(0, 600))
            free = 0 if rng.random() < 0.1 else rng.randint(0, capacity)
            yield id_, 0, 0, free, at, free, at

    _copy(
        connection,
        "facility_state (facility_id, occupied_spaces, free_spaces, reported_free, reported_at,"
        " counted_free, counted_at)",
        rows(),
    )


def _profiles(connection: psycopg.Connection[Any], places: list[Place], seed: int) -> None:
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC)
    _copy(
        connection,
        "occupancy_profile (facility_id, means, sds, work_days, rest_days, holidays, made_at)",
        (
            (
                id_,
                rng.integers(60, 250, _CELLS, np.uint8).tobytes(),
                rng.integers(5, 60, _CELLS, np.uint8).tobytes(),
                20.0,
                8.0,
                1.0,
                now,
            )
            for id_, *_ in places
        ),
    )


def _copy(connection: psycopg.Connection[Any], into: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(f"copy {into} from stdin") as copy:
        for row in rows:
            copy.write_row(row)

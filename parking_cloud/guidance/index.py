"""Every facility in memory, so that a question costs no round trip: positions, facts, numbers now.

A facility is a row; what is asked for all candidates at once lies in arrays, a column a fact. Rows are never
given to another facility. The tree holds those that have a position and exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from parking_cloud.guidance.geodesy import Floats, in_space, over_ground
from parking_cloud.guidance.links import open_in
from parking_cloud.guidance.prices import NO_TARIFF
from parking_cloud.guidance.rules import service_minutes
from parking_cloud.guidance.schemas import FacilityFacts, ScoreOut
from parking_cloud.kernel.coordinates import Crs, Position, from_wgs84
from parking_cloud.ratings.schemas import Score
from parking_cloud.registry.guide import BUCKETS, GuideRow, bucket_of
from parking_cloud.registry.opening import Opening, opening_of

Rows = NDArray[np.intp]

_FIRST_SIZE = 256
_TIE_M = 1e-6
KINDS = ("public_offstreet", "on_street", "ancillary", "institution", "state_enterprise", "park_and_ride")
BY_BOOKING = ("institution", "state_enterprise")
"""Kinds that let in nobody but who has booked, unless their sharing says otherwise."""
ON_STREET = KINDS.index("on_street")
QUALITIES = ("good", "out_of_range", "unknown")
_QUALITY = {name: number for number, name in enumerate(QUALITIES)}
NO_LIMIT_CM = 10_000

_COLUMNS: dict[str, tuple[type[np.generic], float]] = {
    "capacity": (np.float64, 0),
    "free": (np.float64, np.nan),
    "unknown": (np.int32, 0),
    "seen_s": (np.float64, np.nan),
    "quality": (np.int8, _QUALITY["unknown"]),
    "by_booking": (np.bool_, False),
    "special": (np.bool_, False),
    "kind": (np.int8, 0),
    "accessible": (np.int32, 0),
    "charging": (np.int32, 0),
    "large": (np.int32, 0),
    "height_cm": (np.int32, NO_LIMIT_CM),
    "service_min": (np.float64, service_minutes(None)),
    "tariff": (np.int32, NO_TARIFF),
}


class Near(NamedTuple):
    """Rows and how far they are over the ground, in metres; nearest first, equals by code."""

    rows: Rows
    metres: Floats


class FacilityIndex:
    """One in each API process. Filled by guidance/loading.py and guidance/following.py, read by questions."""

    capacity: Floats
    free: Floats
    unknown: NDArray[np.int32]
    seen_s: Floats
    quality: NDArray[np.int8]
    by_booking: NDArray[np.bool_]
    special: NDArray[np.bool_]
    """Not always open to everybody."""
    kind: NDArray[np.int8]
    accessible: NDArray[np.int32]
    charging: NDArray[np.int32]
    large: NDArray[np.int32]
    height_cm: NDArray[np.int32]
    service_min: Floats
    tariff: NDArray[np.int32]

    def __init__(self) -> None:
        self.row_of: dict[UUID, int] = {}
        self.ids: list[UUID] = []
        self.codes: list[str] = []
        self.kinds: list[str] = []
        self.facts: list[bytes] = []
        """FacilityFacts as JSON."""
        self.observed_at: list[datetime | None] = []
        self.score_said: list[msgspec.Raw] = []
        self.size = _FIRST_SIZE
        for name, (kind, value) in _COLUMNS.items():
            setattr(self, name, np.full(_FIRST_SIZE, value, kind))
        self.space = np.full((_FIRST_SIZE, 3), np.nan)
        """Metres from the earth's centre (guidance/geodesy.py)."""
        self.positions = {crs: np.full((_FIRST_SIZE, 2), np.nan) for crs in Crs}
        """(lat, lon) of each row."""
        self._positions_said: dict[Crs, dict[int, bytes]] = {crs: {} for crs in Crs}
        self.openings: dict[int, Opening] = {}
        """Of the rows that are not always open."""
        self.buckets: list[list[int]] = [[] for _ in range(BUCKETS)]
        """Rows by the bucket their facility lies in (registry/guide.py)."""
        self.touched: set[int] = set()
        """Rows that have changed, for who keeps what follows from them; who reads it empties it."""
        self._gone: set[int] = set()
        self._tree: cKDTree | None = None
        self._tree_rows: Rows = np.zeros(0, np.intp)
        self._to_plant = False

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, row: GuideRow) -> int:
        """Add a facility, or take in its facts anew; its row."""
        at = self.row_of.get(row.id)
        if at is None:
            at = self._new_row(row)
        if at in self._gone:
            self._gone.discard(at)
            self._to_plant = True
        self.codes[at], self.kinds[at] = row.code, row.kind
        self.capacity[at] = row.capacity
        self.kind[at] = KINDS.index(row.kind)
        self.by_booking[at] = row.kind in BY_BOOKING
        self.accessible[at] = row.accessible_spaces
        self.charging[at] = row.charging_spaces
        self.large[at] = row.large_spaces
        self.height_cm[at] = NO_LIMIT_CM if row.height_limit_cm is None else row.height_limit_cm
        self.special[at] = bool(row.opening_hours) or self.by_booking[at]
        self.openings.pop(at, None)
        if row.opening_hours:
            self.openings[at] = opening_of(row.opening_hours)
        self.touched.add(at)
        self._place(at, row)
        return at

    def _new_row(self, row: GuideRow) -> int:
        at = len(self.ids)
        if at == self.size:
            self._grow()
        self.row_of[row.id] = at
        self.buckets[bucket_of(row.id)].append(at)
        self.ids.append(row.id)
        self.codes.append(row.code)
        self.kinds.append(row.kind)
        self.facts.append(b"")
        self.observed_at.append(None)
        self.score_said.append(NO_SCORE)
        return at

    def _grow(self) -> None:
        self.size *= 2
        for name, (kind, value) in _COLUMNS.items():
            setattr(self, name, _longer(getattr(self, name), np.full(self.size, value, kind)))
        self.space = _longer(self.space, np.full((self.size, 3), np.nan))
        for crs, known in self.positions.items():
            self.positions[crs] = _longer(known, np.full((self.size, 2), np.nan))

    def _place(self, at: int, row: GuideRow) -> None:
        """Where it is, and the links that lead there (to its entrance, where that is known)."""
        if row.lat is None or row.lon is None:
            lat = lon = float("nan")
            shown = dict.fromkeys(Crs, (lat, lon))
            entrance = shown
        else:
            lat, lon = row.lat, row.lon
            here = Position(lat, lon)
            shown = {crs: _pair(from_wgs84(here, crs)) for crs in Crs}
            entrance = dict(shown)
            if row.entrance_lat is not None and row.entrance_lon is not None:
                there = Position(row.entrance_lat, row.entrance_lon)
                entrance = {crs: _pair(from_wgs84(there, crs)) for crs in Crs}
        moved = in_space(lat, lon)
        if not np.array_equal(self.space[at], moved, equal_nan=True):
            self.space[at] = moved
            self._to_plant = True
        for crs, pair in shown.items():
            self.positions[crs][at] = pair
            self._positions_said[crs].pop(at, None)
        links = open_in(row.name, entrance[Crs.GCJ02], entrance[Crs.BD09])
        said = {name: getattr(row, name) for name in FacilityFacts.__struct_fields__ if name != "open_in"}
        self.facts[at] = msgspec.json.encode(FacilityFacts(**said, open_in=links))

    def remove(self, facility_id: UUID) -> None:
        """It exists no more."""
        self._gone.add(self.row_of[facility_id])
        self._to_plant = True

    def plant(self) -> None:
        """Make the tree anew, where anything has come, gone or moved."""
        if not self._to_plant:
            return
        self._to_plant = False
        placed = ~np.isnan(self.space[: len(self), 0])
        placed[list(self._gone)] = False
        self._tree_rows = np.flatnonzero(placed)
        self._tree = cKDTree(self.space[self._tree_rows]) if len(self._tree_rows) else None

    def tell(
        self, at: int, free: int | None, unknown: int, observed_at: datetime | None, quality: str
    ) -> None:
        """A row's numbers as shown."""
        self.free[at] = np.nan if free is None else free
        self.unknown[at] = unknown
        self.seen_s[at] = np.nan if observed_at is None else observed_at.timestamp()
        self.quality[at] = _QUALITY[quality]
        self.observed_at[at] = observed_at
        self.touched.add(at)

    def rate(self, scores: Mapping[UUID, Score]) -> None:
        """Published scores, as far as they have changed."""
        for facility_id, score in scores.items():
            at = self.row_of.get(facility_id)
            if at is None:
                continue
            said = msgspec.json.encode(ScoreOut(score.value, score.stars, score.count))
            self.service_min[at], self.score_said[at] = service_minutes(score.value), msgspec.Raw(said)

    def position_said(self, at: int, crs: Crs) -> bytes:
        """Where a row is, as JSON: put into it when first asked for."""
        said = self._positions_said[crs].get(at)
        if said is None:
            lat, lon = self.positions[crs][at].tolist()
            said = self._positions_said[crs][at] = b'{"lat":%.6f,"lon":%.6f}' % (lat, lon)
        return said

    def nearest(self, lat: float, lon: float, count: int) -> Near:
        """The nearest facilities to a WGS-84 point."""
        tree = self._tree
        if tree is None:
            return Near(np.zeros(0, np.intp), np.zeros(0))
        here = in_space(lat, lon)
        count = min(count, tree.n)
        # One more, to see whether the last is one of several equals.
        chords, found = tree.query(here, min(count + 1, tree.n) if tree.n > 1 else [1])
        if len(found) > count:
            if chords[count] - chords[count - 1] > _TIE_M:
                chords, found = chords[:count], found[:count]
            else:
                found = np.array(tree.query_ball_point(here, chords[count - 1] + _TIE_M), np.intp)
                chords = np.sqrt(((tree.data[found] - here) ** 2).sum(axis=1))
        rows, metres = self._tree_rows.take(found), over_ground(chords)
        if (metres[1:] - metres[:-1] <= _TIE_M).any():
            rows, metres = self._by_code(rows, metres)
        return Near(rows[:count], metres[:count])

    def nearest_of(
        self, lat: float, lon: float, count: int, fits: Callable[[Rows], NDArray[np.bool_]]
    ) -> Near:
        """The nearest of those facilities that fit; all are looked at once, since few may."""
        rows = self._tree_rows[fits(self._tree_rows)]
        apart = self.space.take(rows, axis=0) - in_space(lat, lon)
        chords = np.sqrt((apart * apart).sum(axis=1))
        if len(rows) > count:
            close = chords <= np.partition(chords, count - 1)[count - 1] + _TIE_M
            rows, chords = rows[close], chords[close]
        order = chords.argsort()
        rows, metres = rows.take(order), over_ground(chords.take(order))
        if (metres[1:] - metres[:-1] <= _TIE_M).any():
            rows, metres = self._by_code(rows, metres)
        return Near(rows[:count], metres[:count])

    def _by_code(self, rows: Rows, metres: Floats) -> tuple[Rows, Floats]:
        """In order, where some are equally far: points that are one have one distance to the last bit."""
        order: Sequence[int] = sorted(range(len(rows)), key=lambda i: (metres[i], self.codes[rows[i]]))
        return rows.take(order), metres.take(order)


def _longer(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    new[: len(old)] = old
    return new


def _pair(position: Position) -> tuple[float, float]:
    return round(position.lat, 6), round(position.lon, 6)


NO_SCORE = msgspec.Raw(b'{"value":null,"stars":null,"count":0}')

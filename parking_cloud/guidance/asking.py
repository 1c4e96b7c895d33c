"""From a question to its candidates: what was meant, and the nearest places that have what is needed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec
import numpy as np
from numpy.typing import NDArray

from parking_cloud.guidance.geodesy import Floats, in_space, over_ground
from parking_cloud.guidance.index import KINDS, FacilityIndex, Rows
from parking_cloud.guidance.schemas import Need, PlacesQuery
from parking_cloud.guidance.travel import Travel
from parking_cloud.kernel.coordinates import Position, distance_m, to_wgs84
from parking_cloud.kernel.problems import InvalidInput

CONSIDERED = 64
"""So many of the nearest places that have what is needed are compared."""
MOST_CONSIDERED = 1_024
"""And up to so many, where too few of those are of use (guidance/guide.py)."""
SOONEST = timedelta(minutes=10)
LATEST = timedelta(days=366)
"""Tariffs and calendars are known no further ahead."""
_LISTS = ("needs", "kinds")
NEEDS = {Need.CHARGER: "charging", Need.ACCESSIBLE: "accessible", Need.LARGE: "large"}


class Question(NamedTuple):
    """A query at a moment, with what follows from it at once. Positions are WGS-84."""

    asked: PlacesQuery
    now: datetime
    to: Position
    origin: Position | None
    arrive_at: datetime
    reach_m: float
    """How far in a straight line one may walk."""

    @property
    def leave_at(self) -> datetime:
        """When the booked time ends: bookings are made of whole minutes."""
        return self.arrive_at.replace(second=0, microsecond=0) + timedelta(minutes=self.asked.stay_minutes)

    @property
    def ahead_s(self) -> float:
        return (self.arrive_at - self.now).total_seconds()


class Found(NamedTuple):
    """The candidates, nearest first, and how far the nearest of all is."""

    rows: Rows
    metres: Floats
    nearest_m: float | None
    more: bool
    """There are others within reach, farther away."""


def read_query(query_string: bytes) -> PlacesQuery:
    """What stands in an address; lists have commas between, or are given again. Raises InvalidInput."""
    given: dict[str, str | list[str]] = {}
    for pair in query_string.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if name in _LISTS:
            known = given.setdefault(name, [])
            known += [part for part in value.split(",") if part]  # type: ignore[operator]
        elif value:
            given[name] = value
    try:
        return msgspec.convert(given, PlacesQuery, strict=False)
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        raise InvalidInput(errors=[{"field": field.rstrip("`"), "message": message}]) from error


def question_of(asked: PlacesQuery, now: datetime, travel: Travel) -> Question:
    """Raises OutsideTheWorld, InvalidInput."""
    if asked.arrive_at is not None and asked.arrive_at - now > LATEST:
        raise InvalidInput(errors=[{"field": "arrive_at", "message": "Expected a time within 366 days"}])
    to = to_wgs84(Position(asked.lat, asked.lon), asked.crs)
    origin, arrive_at = None, asked.arrive_at
    if asked.from_lat is not None and asked.from_lon is not None:
        origin = to_wgs84(Position(asked.from_lat, asked.from_lon), asked.crs)
    if arrive_at is None and origin is not None:
        way = travel.straight(np.array([distance_m(origin, to)]), now)
        arrive_at = now + timedelta(seconds=round(float(way.seconds[0])))
    arrive_at = now + SOONEST if arrive_at is None else max(arrive_at, now)
    return Question(asked, now, to, origin, arrive_at, asked.max_walk_m / travel.pace.walk_factor)


def candidates(index: FacilityIndex, question: Question, count: int = CONSIDERED) -> Found:
    """So many of the nearest places that have what is needed, as far as one wants to walk."""
    here, asked = question.to, question.asked
    if asked.needs or asked.height_cm or asked.kinds:
        near = index.nearest_of(here.lat, here.lon, count, lambda rows: _fitting(index, rows, asked))
    else:
        near = index.nearest(here.lat, here.lon, count)
    rows, metres = near
    within = int(metres.searchsorted(question.reach_m, side="right"))
    nearest_m = float(metres[0]) if len(metres) else None
    return Found(rows[:within], metres[:within], nearest_m, more=within == count)


def _fitting(index: FacilityIndex, rows: Rows, asked: PlacesQuery) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = index.height_cm.take(rows) >= asked.height_cm
    for need in asked.needs:
        fits &= getattr(index, NEEDS[need]).take(rows) > 0
    if asked.kinds:
        fits &= np.isin(index.kind.take(rows), [KINDS.index(kind) for kind in asked.kinds])
    return fits


def straight_to(index: FacilityIndex, origin: Position, rows: Rows) -> Floats:
    """Metres in a straight line from a point to each of these rows."""
    apart = index.space.take(rows, axis=0) - in_space(origin.lat, origin.lon)
    return over_ground(np.sqrt((apart * apart).sum(axis=1)))

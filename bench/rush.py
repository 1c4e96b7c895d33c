"""A rush on a district, vehicle by vehicle: how many drivers arrive at a full place, by who guides them.

Twenty places, busy already; within an hour drivers come for an event, most to the same corner. What guides
them knows each place's number only as it was told: every five minutes, a minute late. Four of five go where
they are sent and say so; the others go elsewhere and say nothing. Who finds it full asks again from there.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from forecasting.profile import CELLS, SD_SCALE, SHARE_SCALE
from parking_cloud.guidance import rules
from parking_cloud.guidance.herding import Sent, chosen
from parking_cloud.guidance.outlooks import Outlooks
from parking_cloud.guidance.schemas import Prefer

Floats = NDArray[np.float64]

BEGINS = datetime(2026, 11, 26, 10, tzinfo=UTC)
"""A Thursday, 18:00 in the city."""
RUSH_MIN = 60
PLACES = 20
_STAY_MIN = 120.0
_TOLD_EVERY_MIN = 5.0
_TOLD_LATE_MIN = 1.0
_FOLLOW = 0.8
_TRIES = 4
_DISTRICT_M = 1_600.0
_CORNER_M = 250.0
_WALK_M_PER_MIN, _DRIVE_M_PER_MIN = 55.0, 300.0
_DAYS_APART = 0.08
_WARM_UP_MIN = 15.0


class Guide(StrEnum):
    NEAREST = "nearest with free spaces"
    CHANCE = "by chance on arrival"
    ALL = "by chance, less those already sent"


class Outcome(NamedTuple):
    """What became of the drivers."""

    drivers: int
    parked: int
    arrivals: int
    failed_at_min: list[float]
    """When each arrival at a full place was, from the rush's beginning."""
    walked_m: float
    """On average, of those who parked."""

    @property
    def failed(self) -> int:
        return len(self.failed_at_min)


class _District:
    """The places, their vehicles, and what is told of them."""

    def __init__(self, seed: int, guide: Guide) -> None:
        self.random = np.random.default_rng(seed)
        self.guide = guide
        self.at = self.random.uniform(-_DISTRICT_M / 2, _DISTRICT_M / 2, (PLACES, 2))
        self.capacity = self.random.integers(15, 160, PLACES).astype(np.float64)
        self.usual = self.random.uniform(0.72, 0.92, PLACES)
        today = np.clip(self.usual + self.random.normal(0, _DAYS_APART, PLACES), 0.3, 0.97)
        self.arrivals_per_min = today * self.capacity / _STAY_MIN
        self.free = np.rint(self.capacity * (1 - today))
        self.told = self.free.copy()
        self.told_s = np.full(PLACES, BEGINS.timestamp())
        self.now_min = -_WARM_UP_MIN
        self.sent = Sent()
        self.ids = [UUID(int=number) for number in range(PLACES)]
        self.sent.arrange({id_: row for row, id_ in enumerate(self.ids)}, PLACES)
        self.outlooks = Outlooks(PLACES)
        sd = np.sqrt(_DAYS_APART**2 + self.usual * (1 - self.usual) / self.capacity)
        self.outlooks.put(
            np.arange(PLACES),
            np.tile(np.rint(self.usual * SHARE_SCALE).astype(np.uint8), (CELLS, 1)),
            np.tile(np.rint(sd * SD_SCALE).astype(np.uint8), (CELLS, 1)),
            own=True,
        )
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def later(self, minutes: float, deed: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now_min + minutes, next(self._order), deed))

    def run(self, until_min: float) -> None:
        while self._due and self._due[0][0] <= until_min:
            self.now_min, _, deed = heapq.heappop(self._due)
            deed()

    @property
    def now_s(self) -> float:
        return BEGINS.timestamp() + self.now_min * 60

    def settle(self) -> None:
        """The usual traffic, and the numbers told of it."""
        for place in range(PLACES):
            for _ in range(int(self.capacity[place] - self.free[place])):
                self.later(self.random.exponential(_STAY_MIN), partial(self.leave, place))
            self._next_stranger(place)
            self._tell(place, self.random.uniform(0, _TOLD_EVERY_MIN))

    def leave(self, place: int) -> None:
        self.free[place] += 1

    def park(self, place: int) -> bool:
        if self.free[place] < 1:
            return False
        self.free[place] -= 1
        self.later(self.random.exponential(_STAY_MIN), lambda: self.leave(place))
        return True

    def _next_stranger(self, place: int) -> None:
        def come() -> None:
            self.park(place)
            self._next_stranger(place)

        self.later(self.random.exponential(1 / self.arrivals_per_min[place]), come)

    def _tell(self, place: int, in_min: float) -> None:
        def count() -> None:
            free, seen = self.free[place], self.now_s
            self.later(_TOLD_LATE_MIN, lambda: self._hear(place, free, seen))
            self._tell(place, _TOLD_EVERY_MIN)

        self.later(in_min, count)

    def _hear(self, place: int, free: float, seen_s: float) -> None:
        self.told[place], self.told_s[place] = free, seen_s

    def ranked(self, target: Floats, drive_min: Floats, tried: list[int]) -> list[int]:
        """Where to send a driver, best first."""
        apart = np.hypot(*(self.at - target).T)
        if self.guide is Guide.NEAREST:
            order = np.lexsort((apart, self.told < 1))
        else:
            order = self._by_chance(apart, drive_min)
        return [int(place) for place in order if place not in tried]

    def _by_chance(self, apart: Floats, drive_min: Floats) -> NDArray[np.intp]:
        rows = np.arange(PLACES)
        arrive_s = self.now_s + drive_min * 60
        sent: Floats | float = 0.0
        if self.guide is Guide.ALL:
            sent = self.sent.before(rows, self.told_s, arrive_s)
        said = self.outlooks.at(
            rows,
            self.capacity,
            self.told,
            self.now_s - self.told_s,
            now=datetime.fromtimestamp(self.now_s, UTC),
            ahead_min=drive_min,
            sent_before=sent,
        )
        nothing = np.full(PLACES, np.nan)
        places = rules.Candidates(
            walk_min=apart / _WALK_M_PER_MIN,
            drive_min=drive_min,
            price=nothing,
            chance=said.chance,
            service_min=np.zeros(PLACES),
            free_now=self.told,
            usable=None,
        )
        cost = rules.costs(places, Prefer.BALANCED, rules.minutes_lost(_DISTRICT_M / 2, PLACES))
        return rules.ranked(places, cost, rules.tiers(places, float(drive_min.mean())))


class _Driver:
    """One who comes for the event."""

    def __init__(self, district: _District, outcome: _Tally) -> None:
        self._district = district
        self._outcome = outcome
        random = district.random
        self._target = random.normal(0, _CORNER_M, 2)
        self._from = random.uniform(1_500, 5_000) * np.array(
            [np.cos(a := random.uniform(0, 6.28)), np.sin(a)]
        )
        self._tried: list[int] = []

    def ask(self) -> None:
        district = self._district
        drive_min = 1.0 + np.hypot(*(district.at - self._from).T) * 1.3 / _DRIVE_M_PER_MIN
        ranked = district.ranked(self._target, drive_min, self._tried)
        place = ranked[0]
        if district.random.random() < _FOLLOW:
            minute = int((district.now_s + drive_min[place] * 60) // 60)
            district.sent.add(chosen(district.ids[place], minute), int(district.now_s // 60))
        else:
            place = ranked[int(district.random.integers(1, 5))]
        district.later(
            max(drive_min[place] + district.random.normal(0, 1.0), 0.5), lambda: self._arrive(place)
        )

    def _arrive(self, place: int) -> None:
        district, outcome = self._district, self._outcome
        outcome.arrivals += 1
        if district.park(place):
            outcome.walked.append(float(np.hypot(*(district.at[place] - self._target))))
            return
        outcome.failed_at_min.append(district.now_min)
        self._tried.append(place)
        self._from = district.at[place]
        if len(self._tried) < _TRIES:
            self.ask()


class _Tally:
    def __init__(self) -> None:
        self.arrivals = 0
        self.failed_at_min: list[float] = []
        self.walked: list[float] = []


def rush(seed: int, guide: Guide, drivers: int = 220) -> Outcome:
    """One rush; the same seed is the same district and the same drivers for every guide."""
    district, tally = _District(seed, guide), _Tally()
    district.settle()
    moments = np.random.default_rng(seed + 1000).uniform(0, RUSH_MIN, drivers)
    for number, moment in enumerate(sorted(moments)):
        # Each driver has chances of their own, whatever became of those before.
        district.later(
            _WARM_UP_MIN + moment,
            partial(_of, district, tally, seed * 10_000 + number),
        )
    district.run(RUSH_MIN + 45.0)
    return Outcome(
        drivers,
        len(tally.walked),
        tally.arrivals,
        tally.failed_at_min,
        float(np.mean(tally.walked)) if tally.walked else 0.0,
    )


def _of(district: _District, tally: _Tally, seed: int) -> None:
    before, district.random = district.random, np.random.default_rng(seed)
    driver = _Driver(district, tally)
    district.random = before
    driver.ask()

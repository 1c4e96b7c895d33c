"""How the outlook on arrival holds on real car parks: left-out weeks, against persistence and profile alone.

Car parks of the series are seldom full. So each is taken twice: as it is, and as if it had so many spaces
fewer that it is full a tenth of the day; then a forecast sees no more than a real counter there would.
"""

from __future__ import annotations

import csv
import gzip
import timeit
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from forecasting.arrival import Outlook, outlook
from forecasting.profile import SD_SCALE, SHARE_SCALE, SLOTS, DayOf, HalfHours, build
from parking_cloud.launcher import Platform

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "occupancy"
_ZONE = ZoneInfo("Europe/Berlin")
_HOLIDAYS = {date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 14), date(2026, 5, 25)}
"""Good Friday, Easter Monday, May Day, Ascension and Whit Monday: shops are closed as on Sundays."""
_STEP_MIN = 15
_CARRIED = 8
"""A value stands for at most so many steps, as the series' description has it."""
_HORIZONS = (15, 30, 60)
_WEEKS = 8
_FITTED_ON_WEEKS = 8
"""The forecast's own numbers were fitted on the last weeks of the series: those before are judged."""
_SEEN_DAYS = 56
_TIGHT = 0.10


class Series(NamedTuple):
    """Car parks side by side: by [step, car park]."""

    free: Floats
    fresh: NDArray[np.bool_]
    """Said in this step or the one before."""
    capacity: Floats
    day: Numbers
    minute: Numbers
    kind: Numbers


class Judged(NamedTuple):
    """All forecasts of a horizon, and what came."""

    free_now: Floats
    came: Floats
    ours: Outlook
    profile_alone: Floats


def run(_: Platform) -> None:
    """Print Brier scores, calibration and coverage."""
    if not _DATA.is_dir():
        print(f"outlook: not measured; the real series are not at {_DATA}")
        return
    measure(_DATA)


def measure(data: Path) -> None:
    """The same, on the series in a folder."""
    print(f"outlook of 64 candidates {_speed():6.1f} µs")
    series = _load(data)
    for name, chosen in (("as they are", series), ("as if full a tenth of the day", _tight(series))):
        print(f"{len(chosen.capacity)} car parks {name}, {_WEEKS} weeks left out one by one")
        for horizon in _HORIZONS:
            _report(horizon, _judge(chosen, horizon))


def _speed() -> float:
    """Of one core's time, the best of many runs."""
    numbers = np.random.default_rng(1).random((6, 64))
    capacity = np.floor(numbers[0] * 300) + 5

    def ask() -> Outlook:
        return outlook(
            capacity,
            np.floor(capacity * numbers[1]),
            numbers[2] * 5,
            15.0,
            usual_then=numbers[3],
            usual_on_arrival=numbers[4],
            sd_on_arrival=numbers[5] * 0.2,
        )

    return min(timeit.repeat(ask, number=100, repeat=50)) * 1e4


def _report(horizon: int, judged: Judged) -> None:
    there = (judged.came >= 1).astype(np.float64)
    ours = judged.ours
    briers = [
        float(np.mean((chance - there) ** 2))
        for chance in (judged.free_now >= 1, judged.profile_alone, ours.chance)
    ]
    within = (judged.came >= ours.low - 0.5) & (judged.came <= ours.high + 0.5)
    print(
        f"{horizon:3} min  free {there.mean():.3f}  Brier: as now {briers[0]:.4f}, profile {briers[1]:.4f},"
        f" outlook {briers[2]:.4f}  band holds {within.mean():.3f}  ({len(there)} forecasts)"
    )
    edges = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    bins = np.clip(np.searchsorted(edges, ours.chance, side="right") - 1, 0, len(edges) - 2)
    said = [
        f"{ours.chance[bins == number].mean():.2f}→{there[bins == number].mean():.2f}"
        for number in range(len(edges) - 1)
        if (bins == number).sum() >= 50
    ]
    print(f"         chance said → came: {'  '.join(said)}")


def _load(data: Path) -> Series:
    with (data / "car_parks.csv").open() as file:
        capacities = {row["place_id"]: float(row["capacity"] or 0) for row in csv.DictReader(file)}
    with gzip.open(data / "free_spaces_15min.csv.gz", "rt") as file:
        reader = csv.reader(file)
        names = next(reader)[1:]
        lines = list(reader)
    times = [datetime.fromisoformat(line[0]).astimezone(_ZONE) for line in lines]
    said = np.array([[float(value) if value else np.nan for value in line[1:]] for line in lines])
    capacity = np.array([capacities[name] for name in names])
    free, fresh = _carried(said)
    kinds = {day: _kind(day) for day in {at.date() for at in times}}
    return Series(
        np.clip(free, 0, capacity),
        fresh,
        capacity,
        np.array([at.toordinal() for at in times]),
        np.array([at.hour * 60 + at.minute for at in times]),
        np.array([int(kinds[at.date()]) for at in times]),
    )


def _kind(day: date) -> DayOf:
    if day in _HOLIDAYS or day.weekday() == 6:
        return DayOf.HOLIDAY
    return DayOf.REST if day.weekday() == 5 else DayOf.WORK


def _carried(said: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    steps = np.arange(len(said))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(said), -(10**6), steps), axis=0)
    age = steps - last
    free = np.where(age <= _CARRIED, np.take_along_axis(said, np.maximum(last, 0), axis=0), np.nan)
    return free, age <= 1


def _tight(series: Series) -> Series:
    """As if so many spaces were never there that in the first two thirds a tenth of the day was full."""
    daytime = (series.minute >= 8 * 60) & (series.minute < 22 * 60)
    daytime[len(daytime) * 2 // 3 :] = False
    spare = np.nanquantile(series.free[daytime], _TIGHT, axis=0)
    return series._replace(free=np.maximum(series.free - spare, 0.0), capacity=series.capacity - spare)


def _judge(series: Series, horizon: int) -> Judged:
    """Each week by profiles of the eight before it."""
    ahead = horizon // _STEP_MIN
    parts: list[Judged] = []
    for week in range(_WEEKS):
        start = int(series.day[-1]) - 7 * (_FITTED_ON_WEEKS + week) - 6
        means, sds = _profiles(series, start)
        first, last = np.searchsorted(series.day, [start, start + 7])
        for step in range(int(first), min(int(last), len(series.day) - ahead), 2):
            parts.append(_at(series, means, sds, step, step + ahead, horizon))
    ours = Outlook(*(np.concatenate([part.ours[n] for part in parts]) for n in range(4)))
    return Judged(
        np.concatenate([part.free_now for part in parts]),
        np.concatenate([part.came for part in parts]),
        ours,
        np.concatenate([part.profile_alone for part in parts]),
    )


def _profiles(series: Series, start: int) -> tuple[Floats, Floats]:
    """Means and deviations by [car park, kind of day, half hour] from the days before `start`."""
    chosen = slice(*np.searchsorted(series.day, [start - _SEEN_DAYS, start]))
    day, slot, kind = series.day[chosen], series.minute[chosen] // 30, series.kind[chosen]
    profiles = []
    for number, capacity in enumerate(series.capacity):
        share = 1 - series.free[chosen, number] / capacity
        known = ~np.isnan(share)
        _, first, place, counts = np.unique(
            day[known] * SLOTS + slot[known], return_index=True, return_inverse=True, return_counts=True
        )
        mean = np.bincount(place, share[known]) / counts
        square = np.bincount(place, share[known] ** 2) / counts
        seen = HalfHours(
            (start - day[known][first]).astype(np.float64),
            kind[known][first],
            slot[known][first],
            mean,
            np.sqrt(np.maximum(square - mean**2, 0.0)),
        )
        profiles.append(build(seen))
    means = np.stack([profile.means for profile in profiles]) / SHARE_SCALE
    return means, np.stack([profile.sds for profile in profiles]) / SD_SCALE


def _at(series: Series, means: Floats, sds: Floats, now: int, then: int, horizon: int) -> Judged:
    """All car parks at one moment, of which now and then something fresh is known."""
    known = series.fresh[now] & series.fresh[then]
    free, capacity = series.free[now, known], series.capacity[known]
    usual, sd = _between(series, means, then)[known], _between(series, sds, then)[known]
    ours = outlook(
        capacity,
        free,
        np.zeros(len(free)),
        float(horizon),
        usual_then=_between(series, means, now)[known],
        usual_on_arrival=usual,
        sd_on_arrival=sd,
    )
    alone: Floats = ndtr(((1 - usual) * capacity - 0.5) / np.sqrt((sd * capacity) ** 2 + 0.1))
    return Judged(free, series.free[then, known], ours, alone)


def _between(series: Series, table: Floats, step: int) -> Floats:
    """Between the middles of two half hours."""
    at = min(max(series.minute[step] / 30 - 0.5, 0.0), SLOTS - 2.0)
    slot = int(at)
    of_day = table[:, series.kind[step]]
    mixed: Floats = of_day[:, slot] * (slot + 1 - at) + of_day[:, slot + 1] * (at - slot)
    return mixed

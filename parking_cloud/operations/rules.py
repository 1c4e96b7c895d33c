"""When a device is at fault, whether it agreed with a person, and when a source is late: pure decisions.

Each `judge_…` gives the evidence of a fault (its fields are the numbers by which a person can check it),
or None where there is none. Volts are V, times are aware UTC, days are UTC days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from parking_cloud.occupancy.evidence import Battery, LastHeard, SaidOfSpace, Unchanged


class Condition(StrEnum):
    """What can be wrong with a device."""

    SILENT = "silent"
    STUCK = "stuck"
    FLAPPING = "flapping"
    BATTERY_LOW = "battery_low"
    DRIFTED = "drifted"


class Outcome(StrEnum):
    """What somebody who looked at a device found."""

    SENSOR_WRONG = "sensor_wrong"
    PERSON_WRONG = "person_wrong"
    MOVED_MEANWHILE = "moved_meanwhile"
    """A vehicle came or went between the person's look and the sensor's statement."""
    REPLACED = "replaced"
    """Another device hangs there now under the same id: what was found before says nothing of it."""


DOUBTING = frozenset({Condition.SILENT, Condition.STUCK, Condition.FLAPPING, Condition.DRIFTED})
"""Faults that put in doubt what a device says. A low battery is work for somebody, but no lie yet."""

MISSED = 3
"""Keep-alives in a row without a word, after which a device is silent."""

STUCK_AFTER = timedelta(hours=24)
STUCK_NEIGHBOURS = 3
BUSY_CHANGES = 4
"""A neighbour that changed so often within STUCK_AFTER is busy: two vehicles came and went."""

FLAPPING_CHANGES = 12
FLAPPING_WITHIN = timedelta(hours=1)

BATTERY_LOW_SHARE = 0.2
FORECAST_DAYS = 30
"""Both how far back the line is fitted and how far ahead it is followed."""
FORECAST_LEAST_DAYS = 5
_FARTHEST_DAYS = 3_650

DRIFT_FINDINGS = 20
DRIFT_LEAST = 3
DRIFT_SHARE = 0.2
_WILSON_Z = 1.959964
"""95 % confidence, two-sided."""
COUNTER_DRIFT_LEAST = 3
COUNTER_DRIFT_SHARE = 0.05
"""Of a facility's capacity; a drift of fewer vehicles than both allow is none."""

LATE_INTERVALS = 3
"""A source is late when nothing came for so many of its usual intervals."""
LATE_LEAST_S = 600.0
"""And not before: what usually speaks every second may be quiet for some minutes."""
_REMEMBERED_S = 7 * 86_400.0
"""A source's usual interval is that of about the last week: nights and Sundays are in it."""
_LONGEST_S = 86_400.0
"""A longer pause counts as this long: it was no interval, something stood still."""


class Silent(msgspec.Struct, frozen=True):
    """`missed` keep-alives have passed since `last_heard` (None: never; then since `registered_at`)."""

    last_heard: datetime | None
    registered_at: datetime
    keep_alive_s: int
    missed: int


class Stuck(msgspec.Struct, frozen=True):
    """It says the same since `unchanged_since`, while around it (`within` zone or facility) others change."""

    occupied: bool
    unchanged_since: datetime
    last_heard: datetime
    within: str
    neighbours_heard: int
    neighbours_busy: int
    """Of those, how many changed at least `busy_changes` times in the last 24 hours."""
    neighbours_changes: int
    """Changes of all of them together in the last 24 hours."""
    busy_changes: int = BUSY_CHANGES


class Flapping(msgspec.Struct, frozen=True):
    """Its busiest hour: so many changes from `first_at` to `last_at`."""

    changes: int
    first_at: datetime
    last_at: datetime


class BatteryLow(msgspec.Struct, frozen=True):
    """The newest voltage, and the line through the lowest of each day. `percent` lies outside 0..100 where
    the voltage does outside the profile. `empty_on` is when the line reaches `empty_v`. `reported_low_at`:
    the device says so itself too, last at that time.
    """

    volts: float
    measured_at: datetime
    percent: float
    full_v: float
    empty_v: float
    lowest_by_day: dict[str, float]
    slope_v_per_day: float | None
    empty_on: date | None
    reported_low_at: datetime | None = None


class BatteryReported(msgspec.Struct, frozen=True):
    """The device itself says that its battery is low, last at that time; its voltage does not show it."""

    reported_low_at: datetime


class Drifted(msgspec.Struct, frozen=True):
    """Of the last `findings`, so many disagreed. `share_at_least`: by Wilson's interval, with 95 %
    confidence the true share is not lower; near `share` it is sure, far below it more findings are due.
    """

    findings: int
    disagreed: int
    share: float
    share_at_least: float


class CounterDrifted(msgspec.Struct, frozen=True):
    """What its counters say is so many vehicles more (or fewer) than were counted; `limit` is allowed."""

    vehicles: float
    limit: float
    capacity: int


Evidence = Silent | Stuck | Flapping | BatteryLow | BatteryReported | Drifted | CounterDrifted


def judge_silent(device: LastHeard, now: datetime) -> Silent | None:
    """Three keep-alives missed since it was last heard, or since it was registered where it never was."""
    missed = (now - (device.last_heard or device.registered_at)) // device.keep_alive
    if missed < MISSED:
        return None
    keep_alive_s = round(device.keep_alive.total_seconds())
    return Silent(device.last_heard, device.registered_at, keep_alive_s, missed)


def judge_stuck(device: Unchanged, now: datetime) -> Stuck | None:
    """Unchanged for over a day where at least three neighbours, and at least half of those heard, were busy.

    Half, because one car parked for a week must not hide a stuck sensor beside it, and a few busy spaces
    in a quiet garage must not accuse the rest. Neighbours are those of the zone; of the facility where
    fewer than three of the zone were heard. That the device itself is heard, `unchanged_spaces` sees to.
    """
    if now - device.since <= STUCK_AFTER:
        return None
    within, around = "facility", device.facility
    if device.zone is not None and device.zone.heard >= STUCK_NEIGHBOURS:
        within, around = "zone", device.zone
    if around.busy < STUCK_NEIGHBOURS or around.busy * 2 < around.heard:
        return None
    return Stuck(
        occupied=device.occupied,
        unchanged_since=device.since,
        last_heard=device.last_heard,
        within=within,
        neighbours_heard=around.heard,
        neighbours_busy=around.busy,
        neighbours_changes=around.changes,
    )


def judge_flapping(changes: Sequence[datetime]) -> Flapping | None:
    """More than twelve changes within some hour. `changes` are the times, in order."""
    best: Flapping | None = None
    first = 0
    for last, at in enumerate(changes):
        while at - changes[first] > FLAPPING_WITHIN:
            first += 1
        count = last - first + 1
        if count > (best.changes if best else FLAPPING_CHANGES):
            best = Flapping(count, changes[first], at)
    return best


def judge_battery(battery: Battery, today: date) -> BatteryLow | None:
    """Under a fifth of what lies between empty and full, or on the way to be empty within 30 days.

    The way is the least-squares line through each day's lowest voltage of the last 30 days, where there
    are at least five.
    """
    by_day = sorted(battery.lowest_by_day.items())
    days = [(day, volts) for day, volts in by_day if 0 <= (today - day).days < FORECAST_DAYS]
    slope, empty_on = None, None
    if len(days) >= FORECAST_LEAST_DAYS:
        slope, now_v = fit_line([((day - today).days, volts) for day, volts in days])
        empty_on = _reaches(slope, now_v, battery.empty_v, today)
    share = (battery.volts - battery.empty_v) / (battery.full_v - battery.empty_v)
    soon = empty_on is not None and (empty_on - today).days <= FORECAST_DAYS
    if share >= BATTERY_LOW_SHARE and not soon:
        return None
    return BatteryLow(
        volts=battery.volts,
        measured_at=battery.measured_at,
        percent=round(100 * share, 1),
        full_v=battery.full_v,
        empty_v=battery.empty_v,
        lowest_by_day={day.isoformat(): volts for day, volts in days},
        slope_v_per_day=None if slope is None else round(slope, 6),
        empty_on=empty_on,
        reported_low_at=battery.reported_low_at,
    )


def fit_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares through (x, y): slope, and y at x = 0. At least two different x."""
    mean_x = math.fsum(x for x, _ in points) / len(points)
    mean_y = math.fsum(y for _, y in points) / len(points)
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return slope, mean_y - slope * mean_x


def _reaches(slope: float, now_v: float, empty_v: float, today: date) -> date | None:
    """The day on which a falling line is at `empty_v` or under (it may be past); None: not in ten years."""
    if slope >= 0 or now_v + slope * _FARTHEST_DAYS > empty_v:
        return None
    days = math.ceil((empty_v - now_v) / slope)
    return today + timedelta(days=max(days, -FORECAST_DAYS))


def judge_drift(agrees: Sequence[bool]) -> Drifted | None:
    """Of the last twenty findings (newest first) at least three, and more than a fifth, disagree."""
    last = agrees[:DRIFT_FINDINGS]
    disagreed = len(last) - sum(last)
    if disagreed < DRIFT_LEAST or disagreed <= DRIFT_SHARE * len(last):
        return None
    return Drifted(
        findings=len(last),
        disagreed=disagreed,
        share=round(disagreed / len(last), 3),
        share_at_least=round(wilson_lower(disagreed, len(last)), 3),
    )


def wilson_lower(count: int, total: int) -> float:
    """Lower end of Wilson's 95 % interval for a share (E. B. Wilson, 1927); good for small numbers too."""
    share, z2 = count / total, _WILSON_Z**2
    middle = share + z2 / (2 * total)
    spread = _WILSON_Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max((middle - spread) / (1 + z2 / total), 0.0)


def judge_counter_drift(vehicles: float, capacity: int) -> CounterDrifted | None:
    """More than three vehicles, and more than a twentieth of the capacity, off its full count."""
    limit = max(COUNTER_DRIFT_LEAST, COUNTER_DRIFT_SHARE * capacity)
    return CounterDrifted(vehicles, limit, capacity) if abs(vehicles) > limit else None


def said_then(
    statements: Sequence[SaidOfSpace], found_at: datetime, occupied: bool, tolerance: timedelta
) -> SaidOfSpace | None:
    """What the sensor said when a person found `occupied`; None where it had said nothing.

    That is its last statement up to then. But where it said what the person says at some moment within
    `tolerance` (the hold-off) of it, that counts: neither a watch nor a radio is exact to the second.
    """
    ordered = sorted(statements, key=lambda s: (s.at, s.id))
    before = [s for s in ordered if s.at <= found_at]
    if not before:
        return None
    if before[-1].occupied == occupied:
        return before[-1]
    held = [s for s in before if s.at <= found_at - tolerance][-1:]
    near = [s for s in ordered if abs(s.at - found_at) < tolerance]
    same = [s for s in held + near if s.occupied == occupied]
    return same[-1] if same else before[-1]


class Rhythm(msgspec.Struct, frozen=True):
    """When a source was last heard and how long its pauses are: `usual_s`, as of about `watched_s`."""

    heard_at: datetime
    usual_s: float | None = None
    watched_s: float = 0.0


def heard_again(rhythm: Rhythm | None, at: datetime) -> Rhythm:
    """The rhythm after a word at `at`; one that is older than the newest changes nothing.

    Each pause counts by its length: the mean is of the pause in which a moment lies. So a source that sends
    fifty messages at once every half hour has an interval of half an hour, not of a minute.
    """
    if rhythm is None:
        return Rhythm(at)
    if at <= rhythm.heard_at:
        return rhythm
    pause = min((at - rhythm.heard_at).total_seconds(), _LONGEST_S)
    watched = min(rhythm.watched_s + pause, _REMEMBERED_S)
    usual = pause
    if rhythm.usual_s is not None:
        usual = rhythm.usual_s + (pause - rhythm.usual_s) * pause / watched
    return Rhythm(at, usual, watched)


def late_after(usual_s: float | None, duty_s: int | None) -> timedelta | None:
    """How long a source may be quiet: its duty where one is set, else three of its usual intervals.

    None where neither is known yet.
    """
    if duty_s is not None:
        return timedelta(seconds=duty_s)
    return None if usual_s is None else timedelta(seconds=max(LATE_INTERVALS * usual_s, LATE_LEAST_S))


def is_late(
    heard_at: datetime | None, duty_since: datetime | None, limit: timedelta | None, now: datetime
) -> bool:
    """Nothing came for longer than `limit`; what was never heard has had so long since its duty was set."""
    since = heard_at or duty_since
    return since is not None and limit is not None and now - since > limit

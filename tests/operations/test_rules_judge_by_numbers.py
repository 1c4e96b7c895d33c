"""The judgements of device health, by example and by property."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.occupancy.evidence import Battery, LastHeard, Neighbours, SaidOfSpace, Unchanged
from parking_cloud.occupancy.rules import accuracy, carried_on, certainty
from parking_cloud.operations.rules import (
    Rhythm,
    heard_again,
    is_late,
    judge_battery,
    judge_counter_drift,
    judge_drift,
    judge_flapping,
    judge_silent,
    judge_stuck,
    late_after,
    said_then,
    wilson_lower,
)
from tests.factories import NOON

ID = UUID(int=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = date(2026, 11, 20)


@given(st.integers(0, 100), st.integers(1, 48))
def test_silence_is_three_whole_keep_alives(hours: int, keep_alive: int) -> None:
    device = LastHeard(ID, ID, NOON - hours * HOUR, NOON - 100 * DAY, keep_alive * HOUR)
    assert (judge_silent(device, NOON) is not None) == (hours >= 3 * keep_alive)


@pytest.mark.parametrize(
    ("hours", "zone", "facility", "stuck"),
    [
        (25, Neighbours(4, 3, 20), Neighbours(9, 3, 20), "zone"),
        (25, None, Neighbours(6, 3, 20), "facility"),
        (25, Neighbours(2, 2, 20), Neighbours(6, 3, 20), "facility"),
        (24, Neighbours(4, 4, 20), Neighbours(9, 9, 20), None),
        (25, Neighbours(4, 2, 20), Neighbours(9, 9, 20), None),
        (25, None, Neighbours(8, 3, 20), None),
    ],
)
def test_stuck_is_still_for_a_day_among_busy_neighbours(
    hours: int, zone: Neighbours | None, facility: Neighbours, stuck: str | None
) -> None:
    device = Unchanged(ID, ID, True, NOON - hours * HOUR, NOON, zone, facility)
    judged = judge_stuck(device, NOON)
    assert (judged.within if judged else None) == stuck


@given(st.lists(st.integers(0, 7200), max_size=40).map(sorted))
def test_flapping_is_over_twelve_changes_in_some_hour(seconds: list[int]) -> None:
    changes = [NOON + timedelta(seconds=s) for s in seconds]
    most = max((sum(a <= b <= a + 3600 for b in seconds) for a in seconds), default=0)
    judged = judge_flapping(changes)
    assert (judged.changes if judged else None) == (most if most > 12 else None)


@pytest.mark.parametrize(
    ("by_day", "volts", "low", "empty_in"),
    [
        ({}, 2.79, True, None),
        ({}, 2.81, False, None),
        ({n: 3.0 + 0.02 * n for n in range(9)}, 3.0, True, 20),
        ({n: 3.4 + 0.01 * n for n in range(9)}, 3.4, False, None),
        (dict.fromkeys(range(9), 3.0), 3.0, False, None),
        ({n: 3.0 + 0.02 * n for n in range(4)}, 3.0, False, None),
    ],
    ids=["a fifth left", "more than that", "falling fast", "falling slowly", "steady", "too few days"],
)
def test_a_battery_is_low_or_soon_empty(
    by_day: dict[int, float], volts: float, low: bool, empty_in: int | None
) -> None:
    days = {TODAY - n * DAY: v for n, v in by_day.items()}
    judged = judge_battery(Battery(ID, ID, volts, NOON, 3.6, 2.6, days), TODAY)
    assert (judged is not None) == low
    if judged is not None:
        assert judged.empty_on == (None if empty_in is None else TODAY + empty_in * DAY)


@given(st.lists(st.booleans(), max_size=30))
def test_drift_is_three_and_over_a_fifth_of_the_last_twenty(agrees: list[bool]) -> None:
    wrong = agrees[:20].count(False)
    judged = judge_drift(agrees)
    assert (judged is not None) == (wrong >= 3 and wrong > 0.2 * len(agrees[:20]))
    if judged is not None:
        assert 0 < judged.share_at_least < judged.share


def test_wilsons_bound_as_in_the_tables() -> None:
    assert wilson_lower(5, 10) == pytest.approx(0.2366, abs=1e-4)
    assert wilson_lower(0, 10) == 0


@pytest.mark.parametrize(
    ("vehicles", "capacity", "drifted"), [(3, 20, False), (-4, 20, True), (9, 200, False)]
)
def test_a_counter_may_be_a_little_off(vehicles: int, capacity: int, drifted: bool) -> None:
    assert (judge_counter_drift(vehicles, capacity) is not None) == drifted


def test_what_the_sensor_said_then_allows_for_the_hold_off() -> None:
    def said(second: int, occupied: bool) -> SaidOfSpace:
        return SaidOfSpace(NOON + timedelta(seconds=second), UUID(int=second + 100), occupied, ID)

    tolerance = timedelta(seconds=20)
    assert said_then([], NOON, True, tolerance) is None
    assert said_then([said(5, True)], NOON, True, tolerance) is None
    assert said_then([said(-90, True)], NOON, False, tolerance) == said(-90, True)
    assert said_then([said(-90, True), said(15, False)], NOON, False, tolerance) == said(15, False)
    assert said_then([said(-90, True), said(25, False)], NOON, False, tolerance) == said(-90, True)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 7200), st.integers(0, 3600))
def test_certainty_grows_with_agreement_and_fades_with_age(
    right: int, wrong: int, age: int, more: int
) -> None:
    limit, seconds = timedelta(hours=2), timedelta(seconds=age)
    trust = accuracy(right, wrong)
    assert 0 < trust < 1
    assert accuracy(right + 1, wrong) > trust > accuracy(right, wrong + 1)
    sure = certainty(trust, seconds, limit, doubted=False)
    assert 0 < sure <= trust
    assert certainty(trust, seconds, limit, doubted=True) == pytest.approx(sure / 2)
    later = carried_on(sure, NOON, NOON + timedelta(seconds=more), limit)
    assert later == pytest.approx(trust * 0.5 ** ((age + more) / 7200))
    assert certainty(trust, limit + timedelta(seconds=1), limit, doubted=False) == 0


def rhythm_of(pauses: Iterable[float]) -> Rhythm:
    """What is known of a source that made these pauses, in seconds, after its first word at NOON."""
    rhythm = heard_again(None, NOON)
    for pause in pauses:
        rhythm = heard_again(rhythm, rhythm.heard_at + timedelta(seconds=pause))
    return rhythm


def test_a_usual_interval_is_the_pause_in_which_a_moment_lies() -> None:
    assert rhythm_of([1800] * 9).usual_s == pytest.approx(1800)
    bursts = rhythm_of([*[1] * 50, 1750] * 9)
    assert bursts.usual_s == pytest.approx(1750, rel=0.05)
    assert rhythm_of([60] * 1000 + [8 * 3600]).usual_s == pytest.approx(28800 * 28800 / 88800, rel=0.01)


@given(st.lists(st.floats(1, 10**6), min_size=1, max_size=50))
def test_a_usual_interval_is_within_the_pauses_made(pauses: list[float]) -> None:
    usual = rhythm_of(pauses).usual_s
    assert usual is not None
    held = [min(pause, 86_400) for pause in pauses]
    assert min(held) - 1e-3 <= usual <= max(held) + 1e-3


def test_an_older_word_changes_no_rhythm() -> None:
    rhythm = rhythm_of([60, 60])
    assert heard_again(rhythm, NOON) == rhythm


@pytest.mark.parametrize(
    ("usual_s", "duty_s", "limit"),
    [(None, None, None), (1, None, 600), (1800, None, 5400), (1800, 900, 900), (None, 900, 900)],
)
def test_a_source_may_be_quiet_for_three_intervals_or_its_duty(
    usual_s: float | None, duty_s: int | None, limit: float | None
) -> None:
    quiet = late_after(usual_s, duty_s)
    assert (None if quiet is None else quiet.total_seconds()) == limit


def test_a_source_never_heard_is_late_by_its_duty_only() -> None:
    duty = timedelta(seconds=900)
    assert not is_late(None, None, None, NOON)
    assert not is_late(None, NOON - duty, duty, NOON)
    assert is_late(None, NOON - duty, duty, NOON + timedelta(seconds=1))
    assert not is_late(NOON, NOON - 9 * duty, duty, NOON + timedelta(seconds=1))

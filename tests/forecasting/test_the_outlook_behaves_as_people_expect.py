"""Whatever the numbers: more free is never worse, more drivers before me never better, unknown never sure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.arrival import Outlook, outlook

shares = st.floats(0, 1)
capacities = st.integers(1, 2000)
minutes = st.floats(0, 600)
BUSY = {"then": 0.9, "arrival": 0.9, "sd": 0.1}


def one(
    capacity: float,
    free: float,
    age: float = 0.0,
    ahead: float = 15.0,
    sent: float = 0.0,
    settles: float = 240.0,
    **profile: float,
) -> Outlook:
    """The outlook of a single candidate."""
    usual = {"then": 0.6, "arrival": 0.6, "sd": 0.15} | profile
    return outlook(
        np.array([float(capacity)]),
        np.array([float(free)]),
        np.array([age]),
        ahead,
        usual_then=np.array([usual["then"]]),
        usual_on_arrival=np.array([usual["arrival"]]),
        sd_on_arrival=np.array([usual["sd"]]),
        sent_before=np.array([sent]),
        settles_min=settles,
    )


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    capacity = draw(capacities)
    return {
        "capacity": capacity,
        "free": draw(st.one_of(st.just(math.nan), st.integers(0, capacity))),
        "age": draw(minutes),
        "ahead": draw(minutes),
        "sent": draw(st.floats(0, 50)),
        "then": draw(shares),
        "arrival": draw(shares),
        "settles": draw(st.floats(1, 1000)),
        "sd": draw(st.floats(0.002, 0.5)),
    }


@given(situations())
def test_a_chance_is_one_and_the_band_holds_what_is_expected(situation: dict[str, Any]) -> None:
    (chance,), (free,), (low,), (high,) = one(**situation)
    assert 0 <= chance <= 1
    assert 0 <= low <= free + 1e-9
    assert free <= high + 1e-9
    assert high <= situation["capacity"]


@given(situations(), st.integers(1, 100))
def test_more_free_now_is_never_worse(situation: dict[str, Any], more: int) -> None:
    known = situation | {"free": min(situation["capacity"] - 1, 5)}
    better = one(**known | {"free": min(known["free"] + more, known["capacity"])})
    now = one(**known)
    assert better.chance[0] >= now.chance[0] - 1e-12
    assert better.free[0] >= now.free[0] - 1e-9


@given(situations(), st.floats(0.1, 30))
def test_drivers_sent_before_never_raise_a_place_above_its_even_chance(
    situation: dict[str, Any], more: float
) -> None:
    """They bring doubt as well, so a hopeless place may seem a little less so; never a hopeful one."""
    before = one(**situation)
    after = one(**situation | {"sent": situation["sent"] + more})
    assert after.chance[0] <= max(before.chance[0], 0.5) + 1e-12
    assert after.low[0] <= before.low[0] + 1e-9


@given(situations())
def test_the_farther_ahead_the_less_now_matters(situation: dict[str, Any]) -> None:
    full, empty = situation | {"free": 0}, situation | {"free": situation["capacity"]}

    def apart(ahead: float) -> float:
        return float((one(**empty | {"ahead": ahead}).free - one(**full | {"ahead": ahead}).free)[0])

    assert apart(100_000.0) == pytest.approx(0, abs=1e-6)


def test_what_is_not_known_is_the_profile_with_all_its_doubt() -> None:
    known, unknown = one(100, 40), one(100, math.nan)
    assert unknown.free[0] == pytest.approx(40, abs=0.5)
    assert (unknown.high - unknown.low)[0] > 3 * (known.high - known.low)[0]
    assert one(100, math.nan, age=500).free[0] == pytest.approx(unknown.free[0], abs=0.1)


def test_a_full_place_is_full_still_and_frees_up_in_time() -> None:
    chances = [one(50, 0, ahead=ahead, arrival=0.9, then=0.95).chance[0] for ahead in (0.0, 5, 15, 60)]
    assert chances[0] == 0.0
    assert chances == sorted(chances)
    assert chances[2] < 0.5 < chances[-1]


def test_an_old_number_is_worth_less_than_a_new_one() -> None:
    new, old = one(50, 2, age=0.0, arrival=0.7), one(50, 2, age=90.0, arrival=0.7)
    assert (old.high - old.low)[0] > (new.high - new.low)[0]
    assert old.free[0] > new.free[0]


def test_the_last_space_is_gone_when_two_are_sent_to_it() -> None:
    alone, after_two = one(50, 1, ahead=5.0), one(50, 1, ahead=5.0, sent=1.6)
    assert after_two.chance[0] < 0.6 * alone.chance[0]


def test_where_vehicles_stay_briefly_a_free_space_is_gone_sooner() -> None:
    street, garage = one(10, 1, settles=45.0, **BUSY), one(10, 1, settles=240.0, **BUSY)
    assert street.chance[0] < garage.chance[0]
    assert (street.high - street.low)[0] > (garage.high - garage.low)[0]


def test_no_spaces_no_chance() -> None:
    nothing = one(0, 0)
    assert (nothing.chance[0], nothing.free[0], nothing.high[0]) == (0, 0, 0)

"""Ranking: what is worse in everything is never first, a better chance never harms, full comes after free."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parking_cloud.guidance.rules import (
    Candidates,
    costs,
    minutes_lost,
    ranked,
    service_minutes,
    tiers,
)
from parking_cloud.guidance.schemas import Prefer

AHEAD = 10.0

PLACE = st.tuples(
    st.floats(0, 60),
    st.floats(0, 60),
    st.one_of(st.just(float("nan")), st.integers(0, 20_000).map(float)),
    st.floats(0, 1),
    st.floats(0, 2),
    st.one_of(st.just(float("nan")), st.integers(0, 500).map(float)),
    st.booleans(),
)
"""walk, drive, price, chance, service, free now, usable"""
PLACES = st.lists(PLACE, min_size=1, max_size=30)
PREFER = st.sampled_from(Prefer)


def candidates(places: list[tuple[float, ...]]) -> Candidates:
    columns: list[NDArray[np.float64]] = [
        np.array(column, np.float64) for column in zip(*places, strict=True)
    ]
    return Candidates(*columns[:6], usable=columns[6].astype(bool))  # type: ignore[arg-type]


def order(
    places: list[tuple[float, ...]], prefer: Prefer = Prefer.BALANCED, ahead: float = AHEAD
) -> list[int]:
    given_ = candidates(places)
    found: list[int] = ranked(given_, costs(given_, prefer, 8.0), tiers(given_, ahead)).tolist()
    return found


def a_place(**differs: float) -> tuple[float, ...]:
    usual = {
        "walk": 3.0,
        "drive": 5.0,
        "price": 500.0,
        "chance": 0.9,
        "service": 1.0,
        "free": 10.0,
        "usable": 1.0,
    }
    return tuple((usual | differs).values())


@given(PLACES, PREFER, st.data())
def test_what_is_worse_in_everything_is_not_before(
    places: list[tuple[float, ...]], prefer: Prefer, data: st.DataObject
) -> None:
    better = data.draw(st.sampled_from(places))
    walk, drive, price, chance, service, free, usable = better
    worse = (walk + 1, drive + 1, price + 100, chance / 2, service, free, usable)
    both = [*places, worse]
    found = order(both, prefer)
    assert found.index(places.index(better)) < found.index(len(places))


@given(PLACES, PREFER, st.data())
def test_a_better_chance_never_lowers_a_place(
    places: list[tuple[float, ...]], prefer: Prefer, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(places) - 1))
    walk, drive, price, chance, *rest = places[number]
    raised = [*places]
    raised[number] = (walk, drive, price, chance + (1 - chance) * data.draw(st.floats(0, 1)), *rest)
    assert order(raised, prefer).index(number) <= order(places, prefer).index(number)


@given(PLACES, PREFER)
def test_full_places_come_after_all_that_have_a_likely_space(
    places: list[tuple[float, ...]], prefer: Prefer
) -> None:
    found = [places[n] for n in order(places, prefer)]
    good = [n for n, p in enumerate(found) if p[6] and p[3] >= 0.5 and p[5] != 0]
    full = [n for n, p in enumerate(found) if p[6] and p[5] == 0]
    shut = [n for n, p in enumerate(found) if not p[6]]
    assert max(good, default=-1) < min(full, default=99)
    assert max(good + full, default=-1) < min(shut, default=99)


def test_of_two_that_are_equal_the_one_with_a_known_free_space_comes_first() -> None:
    nan = float("nan")
    assert order([a_place(free=nan), a_place(free=3.0)]) == [1, 0]
    assert order([a_place(free=0.0), a_place(free=3.0)], ahead=120.0) == [1, 0]


def test_what_matters_moves_the_order() -> None:
    near_and_dear = a_place(walk=1.0, price=2_000.0)
    far_and_free = a_place(walk=7.0, price=0.0)
    both = [near_and_dear, far_and_free]
    assert order(both, Prefer.WALK)[0] == 0
    assert order(both, Prefer.PRICE)[0] == 1
    sure_and_far = a_place(walk=6.0, chance=0.99)
    doubtful = a_place(walk=3.0, chance=0.6)
    assert order([sure_and_far, doubtful], Prefer.CERTAINTY)[0] == 0
    assert order([sure_and_far, doubtful], Prefer.WALK)[0] == 1


def test_a_price_that_nobody_knows_counts_as_the_dearest() -> None:
    unknown, cheap = a_place(price=float("nan")), a_place(price=100.0)
    assert order([unknown, cheap, a_place(price=900.0)]) == [1, 0, 2]


@pytest.mark.parametrize(("score", "minutes"), [(100.0, 0.0), (0.0, 2.0), (None, 1.0)])
def test_a_score_is_worth_two_minutes_at_most(score: float | None, minutes: float) -> None:
    assert service_minutes(score) == minutes


def test_where_places_are_far_apart_a_full_one_costs_more() -> None:
    assert minutes_lost(300.0, 20) < minutes_lost(3_000.0, 20) < minutes_lost(3_000.0, 5)

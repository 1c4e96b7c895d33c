"""Drivers sent to a place lower it for those who come after them, until its own count has them."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.guidance.herding import (
    AHEAD_MIN,
    KEPT_MIN,
    LATE_MIN,
    MOST_SHOWN,
    SHOWN_WEIGHT,
    Sending,
    Sent,
    chosen,
)

NOW = 29_000_000
"""A minute of the epoch."""
IDS = [UUID(int=number) for number in range(600)]


def sent(*sendings: Sending, now: int = NOW) -> Sent:
    all_sent = Sent()
    all_sent.arrange({id_: row for row, id_ in enumerate(IDS)}, len(IDS))
    for sending in sendings:
        all_sent.add(sending, now)
    return all_sent


def before(of: Sent, arrive: float, *, seen: float = NOW, row: int = 0) -> float:
    """Drivers expected at a row before a minute, by a count of minute `seen`."""
    return float(of.before(np.array([row]), np.array([seen * 60.0]), arrive * 60.0)[0])


def test_only_those_who_come_after_are_told() -> None:
    two = sent(chosen(IDS[0], NOW + 10), chosen(IDS[0], NOW + 20))
    assert [before(two, NOW + minute) for minute in (5, 11, 15, 21, 60)] == pytest.approx(
        [0, 0.8, 0.8, 1.6, 1.6]
    )
    assert before(two, NOW + 60, row=1) == 0


def test_a_count_that_can_have_them_ends_it() -> None:
    one = sent(chosen(IDS[0], NOW + 10))
    counted = [before(one, NOW + 30, seen=NOW + minute) for minute in (0, 10, 10 + LATE_MIN, 14)]
    assert counted == pytest.approx([0.8, 0.8, 0.8, 0])


def test_where_nothing_was_ever_counted_all_count() -> None:
    one = sent(chosen(IDS[0], NOW + 10))
    never = one.before(np.array([0]), np.array([np.nan]), (NOW + 30) * 60.0)
    assert never[0] == pytest.approx(0.8)


def test_what_is_shown_weighs_little_in_all() -> None:
    shown = sent(*[Sending(IDS[0], NOW + minute % 60, SHOWN_WEIGHT, shown=True) for minute in range(500)])
    assert before(shown, NOW + 100) == pytest.approx(MOST_SHOWN)


def test_later_than_two_hours_or_long_ago_is_not_kept() -> None:
    outside = sent(chosen(IDS[0], NOW + AHEAD_MIN + 1), chosen(IDS[0], NOW - 1))
    assert before(outside, NOW + 10_000) == 0


def test_another_order_of_rows_is_the_same_places() -> None:
    one = sent(chosen(IDS[3], NOW + 10))
    one.arrange({id_: row for row, id_ in enumerate(reversed(IDS))}, len(IDS))
    assert before(one, NOW + 20, row=len(IDS) - 4) == pytest.approx(0.8)
    assert before(one, NOW + 20, row=3) == 0


sendings = st.lists(st.tuples(st.integers(0, 5), st.integers(-10, 300), st.integers(0, 200)), max_size=60)


@given(sendings, st.integers(0, 200), st.integers(0, 60))
def test_the_sums_are_those_of_a_plain_list(
    given_: list[tuple[int, int, int]], arrive: int, age: int
) -> None:
    """However much time goes by between, and whatever is forgotten meanwhile."""
    all_sent = sent()
    now = NOW
    kept: list[tuple[int, int]] = []
    for place, ahead, told in sorted(given_, key=lambda one: one[2]):
        now = NOW + told
        all_sent.add(chosen(IDS[place], now + ahead), now)
        if 0 <= ahead <= AHEAD_MIN:
            kept.append((place, now + ahead))
    first = now - KEPT_MIN
    until, since = now + arrive, now - age
    for place in range(6):
        expected = sum(
            1
            for at_place, minute in kept
            if at_place == place and first <= minute < until and not minute < since - LATE_MIN
        )
        assert before(all_sent, until, seen=since, row=place) == pytest.approx(0.8 * expected)


def test_a_whole_city_of_choices_is_given_back_in_time() -> None:
    many = sent(*[chosen(id_, NOW + 5) for id_ in IDS])
    assert sum(before(many, NOW + 30, row=row) for row in range(len(IDS))) == pytest.approx(480)
    many.add(chosen(IDS[0], NOW + 200), NOW + 190)
    assert sum(before(many, NOW + 300, seen=NOW + 190, row=row) for row in range(len(IDS))) == pytest.approx(
        0.8
    )

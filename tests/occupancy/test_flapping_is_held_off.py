"""A stable change shows at once, or within one hold-off; a space that flaps shows one steady value."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.occupancy.rules import SpaceView, Statement, fit_in_late, follow, passed, replay, settle
from tests.factories import NOON

HOLD_OFF = timedelta(seconds=20)


def said(*statements: tuple[int, bool]) -> list[Statement]:
    """Statements by (second, occupied)."""
    return [
        Statement(NOON + timedelta(seconds=second), UUID(int=number), occupied)
        for number, (second, occupied) in enumerate(statements)
    ]


def shown(statements: list[Statement], second: int) -> bool | None:
    """What is shown at a second, with everything said by then."""
    now = NOON + timedelta(seconds=second)
    view = replay([s for s in statements if s.at <= now], HOLD_OFF)
    return None if view is None else settle(view, now).shown


def test_a_change_after_a_calm_time_shows_at_once() -> None:
    statements = said((0, False), (60, True))
    assert [shown(statements, second) for second in (0, 59, 60)] == [False, False, True]


def test_a_change_back_within_the_hold_off_waits_until_it_has_settled() -> None:
    statements = said((0, False), (60, True), (65, False))
    assert [shown(statements, second) for second in (60, 65, 84, 85)] == [True, True, True, False]


def test_flapping_shows_one_value_until_it_ends() -> None:
    flaps = [(60 + 5 * n, n % 2 == 0) for n in range(10)]
    statements = said((0, False), *flaps)
    assert {shown(statements, second) for second in range(60, 125)} == {True}
    assert shown(statements, 125) is False  # the last flap said so at 105


def test_heartbeats_that_repeat_a_state_are_no_changes() -> None:
    statements = said((0, True), (5, True), (10, True), (12, False))
    assert [shown(statements, second) for second in (12, 31, 32)] == [True, True, False]


sentences = st.lists(st.tuples(st.integers(0, 120), st.booleans()), min_size=1, max_size=12).map(
    lambda pairs: said(*pairs)
)


@given(sentences)
def test_what_lasts_is_never_shown_later_than_one_hold_off(statements: list[Statement]) -> None:
    newest = max(statements)
    view = replay(statements, HOLD_OFF)
    assert view is not None
    assert settle(view, newest.at + HOLD_OFF).shown == newest.occupied


@given(sentences, st.randoms(use_true_random=False))
def test_a_late_statement_fitted_in_is_as_if_it_had_come_in_time(
    statements: list[Statement], chance: random.Random
) -> None:
    chance.shuffle(statements)
    view: SpaceView | None = None
    for number, statement in enumerate(statements):
        if view is None or statement > view.newest:
            view = follow(view, statement, HOLD_OFF)
        else:
            fitted = fit_in_late(view, statement, HOLD_OFF)
            view = fitted or replay(statements[: number + 1], HOLD_OFF)
        expected = replay(statements[: number + 1], HOLD_OFF)
        assert view == expected


@pytest.mark.parametrize(
    ("before", "now", "seconds", "vehicles"),
    [(10, 13, 60, 3), (65_534, 1, 60, 3), (40_000, 12, 60, 12), (7, 7, 60, 0), (40_000, 30_000, 60, 0)],
    ids=["onwards", "wrapped", "started again", "nobody", "neither can be"],
)
def test_a_running_count_wraps_and_starts_again(before: int, now: int, seconds: int, vehicles: int) -> None:
    assert passed(before, now, seconds) == vehicles

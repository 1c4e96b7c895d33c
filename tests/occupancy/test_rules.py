"""What is shown follows from what was said."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.occupancy.rules import is_stale, numbers_from_count, numbers_from_spaces
from tests.factories import NOON

counts = st.integers(min_value=0, max_value=5000)


@given(st.integers(), counts)
def test_a_shown_count_lies_within_capacity(reported: int, capacity: int) -> None:
    numbers = numbers_from_count(reported, capacity)
    assert numbers.free is not None
    assert numbers.occupied is not None
    assert 0 <= numbers.free <= capacity
    assert numbers.free + numbers.occupied == capacity
    assert (numbers.quality == "good") == (0 <= reported <= capacity)


@given(counts, counts, counts)
def test_a_silent_space_is_never_free(occupied: int, free: int, silent: int) -> None:
    numbers = numbers_from_spaces(occupied, free, occupied + free + silent)
    assert numbers.unknown == silent
    assert numbers.free == (None if occupied + free == 0 else free)


def test_nothing_heard_is_unknown_not_zero() -> None:
    assert numbers_from_count(None, 10).free is None
    assert is_stale(None, NOON, timedelta(hours=2))


def test_stale_begins_after_the_limit() -> None:
    assert not is_stale(NOON - timedelta(hours=2), NOON, timedelta(hours=2))
    assert is_stale(NOON - timedelta(hours=2, seconds=1), NOON, timedelta(hours=2))

"""What a board shows: by example, and for whatever its facilities say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.guidance.signs.rules import (
    Arrow,
    Judged,
    RowState,
    Seen,
    Shows,
    Thresholds,
    columns_of,
    is_silent,
    judge_row,
    line_text,
    plain_text,
    value_text,
)

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
LIMITS = Thresholds(full_below=3, open_again_at=6, blank_after=timedelta(minutes=10), digits=3)
OLD = timedelta(minutes=11)
SHUT = Seen(50, 0, 100, NOW, shut=True)


def seen(free: int | None, *, unknown: int = 0, capacity: int = 100, age: timedelta = timedelta()) -> Seen:
    return Seen(free, unknown, capacity, NOW - age)


def judged(*facilities: Seen, was_full: bool = False) -> Judged:
    return judge_row(facilities, LIMITS, was_full, NOW)


@pytest.mark.parametrize(
    ("facilities", "was_full", "state", "number", "partial"),
    [
        ([seen(40)], False, RowState.OPEN, 40, False),
        ([seen(40), seen(2)], False, RowState.OPEN, 42, False),
        ([seen(2)], False, RowState.FULL, None, False),
        ([seen(3)], False, RowState.OPEN, 3, False),
        # It opens again only where enough has become free.
        ([seen(5)], True, RowState.FULL, None, False),
        ([seen(6)], True, RowState.OPEN, 6, False),
        ([seen(40, age=OLD)], False, RowState.BLANK, None, False),
        ([Seen(None, 100, 100, None)], False, RowState.BLANK, None, False),
        ([], False, RowState.BLANK, None, False),
        # What is too old adds nothing; at least these are free.
        ([seen(40), seen(50, age=OLD)], False, RowState.OPEN, 40, True),
        # There may be room where nobody knows: that is not "full".
        ([seen(1), seen(50, age=OLD)], False, RowState.BLANK, None, False),
        ([seen(1, unknown=10)], False, RowState.FULL, None, True),
        ([seen(1, unknown=11)], False, RowState.BLANK, None, False),
        ([seen(5000, capacity=5000)], False, RowState.OPEN, 999, False),
        # Where nobody is let in, nothing is free, and nothing is missing.
        ([seen(40), SHUT], False, RowState.OPEN, 40, False),
        ([seen(1), SHUT], False, RowState.FULL, None, False),
        ([SHUT, SHUT], False, RowState.CLOSED, None, False),
        ([SHUT, seen(40, age=OLD)], False, RowState.BLANK, None, False),
    ],
)
def test_examples(
    facilities: list[Seen], was_full: bool, state: RowState, number: int | None, partial: bool
) -> None:
    found = judged(*facilities, was_full=was_full)
    assert (found.state, found.number, found.partial) == (state, number, partial)


def test_a_blank_row_remembers_that_it_was_full() -> None:
    assert judged(seen(4, age=OLD), was_full=True).full
    assert not judged(seen(4, age=OLD)).full


ages = st.integers(0, 1200).map(lambda s: timedelta(seconds=s))


@st.composite
def facilities(draw: st.DrawFn) -> Seen:
    capacity = draw(st.integers(0, 50))
    free = draw(st.none() | st.integers(0, capacity))
    unknown = capacity if free is None else draw(st.integers(0, capacity - free))
    return Seen(free, unknown, capacity, draw(st.none() | ages.map(lambda age: NOW - age)))


limits = st.builds(
    lambda below, more, digits: Thresholds(below, below + more, timedelta(minutes=10), digits),
    st.integers(1, 20),
    st.integers(0, 10),
    st.integers(1, 4),
)


def known_free(all_of_them: list[Seen], limits: Thresholds) -> int:
    fresh = [f for f in all_of_them if f.observed_at and NOW - f.observed_at <= limits.blank_after]
    return sum(f.free or 0 for f in fresh)


@given(st.lists(facilities(), max_size=6), limits, st.booleans())
def test_for_whatever_is_known(row: list[Seen], limits: Thresholds, was_full: bool) -> None:
    found = judge_row(row, limits, was_full, NOW)
    free = known_free(row, limits)
    if found.state is RowState.OPEN:
        assert found.number is not None
        assert 0 <= found.number <= free
        assert free >= limits.full_below
        assert len(str(found.number)) <= limits.digits
    else:
        assert found.number is None
    if found.state is RowState.FULL:
        assert free < limits.open_again_at
    if free < limits.full_below:
        assert found.state is not RowState.OPEN
    if not any(
        f.free is not None and f.observed_at and NOW - f.observed_at <= limits.blank_after for f in row
    ):
        assert found.state is RowState.BLANK


@given(st.lists(st.integers(3, 5), min_size=1, max_size=30), st.booleans())
def test_between_its_thresholds_a_row_stays_what_it_was(numbers: list[int], was_full: bool) -> None:
    full = was_full
    for free in numbers:
        full = judged(seen(free), was_full=full).full
        assert full == was_full


def test_the_words_of_a_row() -> None:
    cases = [
        (judged(seen(40)), "40", "40", "有位", "OPEN"),
        (judged(seen(0)), "满", "0", "满", "FULL"),
        (judged(), "—", "---", "—", "---"),
        (judged(SHUT), "关闭", "0", "关闭", "SHUT"),
    ]
    for found, *words in cases:
        said = [
            (value_text(found, shows), plain_text(found, shows, LIMITS.digits))
            for shows in (Shows.NUMBER, Shows.STATE)
        ]
        assert [*said[0], *said[1]] == words
        assert all(plain.isascii() for _, plain in said)


@given(
    st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=40),
    st.sampled_from(Arrow),
    st.sampled_from(["0", "满", "—", "有位", "99999"]),
    st.integers(10, 64),
)
def test_a_line_fits_its_board_and_keeps_its_number(
    label: str, arrow: Arrow, value: str, columns: int
) -> None:
    line = line_text(label, arrow, value, columns)
    assert columns_of(line) == columns
    assert line.endswith(" " + value)


def test_a_board_is_silent_after_two_minutes() -> None:
    heard = NOW - timedelta(seconds=120)
    long_ago = NOW - timedelta(days=9)
    assert not is_silent(heard, long_ago, NOW)
    assert is_silent(heard, long_ago, NOW + timedelta(seconds=1))
    assert is_silent(None, long_ago, NOW)
    assert not is_silent(None, NOW, NOW + timedelta(seconds=119))
    assert not is_silent(long_ago, NOW, NOW + timedelta(seconds=119)), "awaited since it is in use again"

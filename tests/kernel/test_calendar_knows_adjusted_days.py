"""Working days follow the State Council's notice for 2026 (2025-11-04), and unknown years raise."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from parking_cloud.kernel.calendar import (
    UnknownHolidayYear,
    add_calendar_days,
    add_working_days,
    day_kind,
    is_working_day,
)

OFF_2026 = [((1, 1), (1, 3)), ((2, 15), (2, 23)), ((4, 4), (4, 6)), ((5, 1), (5, 5)), ((6, 19), (6, 21)),
            ((9, 25), (9, 27)), ((10, 1), (10, 7))]  # fmt: skip
WORKED_2026 = [(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)]


@pytest.mark.parametrize(("first", "last"), OFF_2026)
def test_statutory_holidays_are_off(first: tuple[int, int], last: tuple[int, int]) -> None:
    day = date(2026, *first)
    while day <= date(2026, *last):
        assert not is_working_day(day)
        day += timedelta(days=1)


@pytest.mark.parametrize("day", WORKED_2026)
def test_some_weekends_are_worked(day: tuple[int, int]) -> None:
    assert day_kind(date(2026, *day)) == "adjusted_workday"


def test_terms_count_working_days() -> None:
    assert add_working_days(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert add_working_days(date(2026, 2, 13), 2) == date(2026, 2, 24)
    assert add_calendar_days(date(2026, 9, 24), 1, extend_to_working_day=True) == date(2026, 9, 28)


def test_an_unknown_year_raises() -> None:
    with pytest.raises(UnknownHolidayYear):
        is_working_day(date(2035, 1, 5))

"""When a facility is open: by example for the known rule, and by property for any plan."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking_cloud.kernel.calendar import DayKind, UnknownHolidayYear
from parking_cloud.kernel.clock import city_time
from parking_cloud.sharing import rules
from parking_cloud.sharing.rule import BEST_KNOWN, Counts, shortfalls, template
from parking_cloud.sharing.rules import POLICY, OneDay, Plan, Window, moment, month_of
from parking_cloud.sharing.times import Span, minutes_of, union, within, without
from tests.sharing.parts import FIVE_THIRTY, NINE
from tests.tariffs.parts import city

ASKED = Plan(windows=template(BEST_KNOWN, NINE, FIVE_THIRTY), price_hour=400, price_evening=1000)
SPACES = [UUID(int=n) for n in range(3)]


def between(start: str, end: str) -> Span:
    return Span(city(start), city(end))


def open_in(plan: Plan, start: str, end: str) -> list[str]:
    found = rules.open_times(plan, between(start, end))
    local = [(city_time(s.start), city_time(s.end)) for s in found.times]
    return [f"{start:%m-%d %H:%M} – {end:%m-%d %H:%M}" for start, end in local]


def test_workdays_from_an_hour_after_work_until_an_hour_before() -> None:
    assert open_in(ASKED, "2026-11-18 12:00", "2026-11-20 12:00") == [
        "11-18 18:30 – 11-19 08:00",
        "11-19 18:30 – 11-20 08:00",
    ]


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 9_000)), max_size=4))
def test_cut_by_days_they_are_the_same_times_none_over_a_noon(drawn: list[tuple[int, int]]) -> None:
    day = date(2026, 11, 1)
    times = union(Span(moment(day, start), moment(day, start + length)) for start, length in drawn)
    cut = rules.by_days(times)
    assert union(cut) == times
    for part in cut:
        start, last = city_time(part.start), city_time(part.end) - timedelta(microseconds=1)
        assert (start - timedelta(hours=12)).date() == (last - timedelta(hours=12)).date()


def test_weekends_all_day_into_mondays_morning() -> None:
    assert open_in(ASKED, "2026-11-20 12:00", "2026-11-24 12:00") == [
        "11-20 18:30 – 11-23 08:00",
        "11-23 18:30 – 11-24 08:00",
    ]


def test_holidays_all_day_and_the_weekend_worked_for_them_is_a_workday() -> None:
    # National day 2026: off from 1 to 7 October; Saturday the 10th is worked.
    assert open_in(ASKED, "2026-09-30 12:00", "2026-10-08 12:00") == ["09-30 18:30 – 10-08 08:00"]
    assert open_in(ASKED, "2026-10-10 00:00", "2026-10-11 00:00") == [
        "10-10 00:00 – 10-10 08:00",
        "10-10 18:30 – 10-11 00:00",
    ]


def test_a_year_whose_holidays_are_unknown_is_not_guessed() -> None:
    found = rules.open_times(ASKED, between("2026-12-30 12:00", "2027-01-02 12:00"))
    assert found.unknown == [date(2027, 1, 1), date(2027, 1, 2)]
    assert found.times[-1].end == city("2027-01-01 00:00")
    with pytest.raises(UnknownHolidayYear):
        rules.windows_of(ASKED, date(2027, 1, 1))
    assert rules.open_for(ASKED, between("2026-12-31 22:00", "2027-01-01 02:00")) is None


def test_where_all_days_are_alike_their_kind_need_not_be_known() -> None:
    plan = Plan(windows=(Window(days=rules.ALL_DAYS, start=0, until=1440),))
    week = between("2026-12-30 12:00", "2027-01-06 12:00")
    assert rules.open_times(plan, week) == ([week], [])


def test_an_exception_opens_and_closes() -> None:
    at = date(2026, 11, 18)
    plan = Plan(
        windows=ASKED.windows,
        exceptions=(OneDay(at, True, 720, 840), OneDay(at, False, 1200, 1440)),
        closings=(between("2026-11-18 13:00", "2026-11-18 13:30"),),
    )
    assert open_in(plan, "2026-11-18 12:00", "2026-11-19 12:00") == [
        "11-18 12:00 – 11-18 13:00",
        "11-18 13:30 – 11-18 14:00",
        "11-18 18:30 – 11-18 20:00",
        "11-19 00:00 – 11-19 08:00",
    ]


def test_the_window_as_a_whole() -> None:
    assert rules.window_at(ASKED, city("2026-11-18 20:00")) == between("2026-11-18 18:30", "2026-11-19 08:00")
    assert rules.window_at(ASKED, city("2026-11-19 02:00")) == between("2026-11-18 18:30", "2026-11-19 08:00")
    assert rules.window_at(ASKED, city("2026-11-21 12:00")) == between("2026-11-21 00:00", "2026-11-22 00:00")
    assert rules.window_at(ASKED, city("2026-11-18 12:00")) is None


def test_only_the_spaces_that_a_window_names() -> None:
    some = Window(days=rules.WORKING, start=720, until=800, space_ids=frozenset(SPACES[:2]))
    plan = Plan(windows=(*ASKED.windows, some))
    noon, evening = (
        between("2026-11-18 12:00", "2026-11-18 13:00"),
        between("2026-11-18 19:00", "2026-11-18 20:00"),
    )
    assert rules.spaces_open(plan, SPACES, [noon]) == SPACES[:2]
    assert rules.spaces_open(plan, SPACES, [evening]) == SPACES
    assert rules.spaces_open(plan, SPACES, [noon, evening]) == SPACES[:2]


@pytest.mark.parametrize(
    ("day", "until"),
    [
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2026, 11, 20), date(2026, 12, 20)),
        (date(2026, 12, 31), date(2027, 1, 31)),
    ],
)
def test_a_month_ends_on_the_same_day(day: date, until: date) -> None:
    assert month_of(day) == Span(moment(day, 0), moment(until, 0))


def test_what_a_plan_falls_short_of() -> None:
    monday = date(2026, 11, 16)
    thirty = [uuid4() for _ in range(30)]
    enough = Counts(spaces=100, chargers=10, opened=thirty, opened_chargers=3)
    hours = {"work_start": NINE, "work_end": FIVE_THIRTY, "monday": monday}
    assert shortfalls(BEST_KNOWN, ASKED, enough, **hours) == []  # type: ignore[arg-type]
    few = Counts(spaces=100, chargers=10, opened=thirty[1:], opened_chargers=0)
    weekends = Plan(windows=ASKED.windows[:1])
    found = shortfalls(BEST_KNOWN, weekends, few, **hours)  # type: ignore[arg-type]
    assert [(each.what, each.asked, each.given) for each in found] == [
        ("spaces", 30, 29),
        ("chargers", 30, 0),
        ("hours", 115.5, 48),
    ]


def test_one_space_that_is_open_all_night_does_not_stand_for_the_others() -> None:
    spaces = [uuid4() for _ in range(40)]
    counts = Counts(spaces=100, chargers=0, opened=spaces, opened_chargers=0)

    def found(of_evenings: int) -> list[tuple[str, float]]:
        evenings = frozenset(spaces[:of_evenings])
        windows = [msgspec.structs.replace(w, space_ids=evenings) for w in ASKED.windows[1:]]
        plan = Plan(windows=(*ASKED.windows[:1], *windows))
        short = shortfalls(
            BEST_KNOWN, plan, counts, work_start=NINE, work_end=FIVE_THIRTY, monday=date(2026, 11, 16)
        )
        return [(each.what, each.given) for each in short]

    assert (found(1), found(29), found(30)) == ([("hours", 48)], [("hours", 48)], [])


# by property

DAYS = st.integers(0, 330).map(lambda n: date(2026, 1, 5) + timedelta(days=n))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    def window() -> Window:
        start = draw(st.integers(0, 1439))
        return Window(
            days=draw(st.frozensets(st.sampled_from(list(DayKind)), min_size=1)),
            start=start,
            until=draw(st.integers(start + 1, 2880)),
        )

    def one_day() -> OneDay:
        start = draw(st.integers(0, 1438))
        return OneDay(draw(DAYS), draw(st.booleans()), start, draw(st.integers(start + 1, 1440)))

    def closing() -> Span:
        at = moment(draw(DAYS), draw(st.integers(0, 1439)))
        return Span(at, at + timedelta(minutes=draw(st.integers(1, 5000))))

    count = st.integers(0, 3)
    return Plan(
        windows=tuple(window() for _ in range(draw(count))),
        exceptions=tuple(one_day() for _ in range(draw(count))),
        closings=tuple(closing() for _ in range(draw(count))),
        price_hour=draw(st.integers(0, 2000)),
        price_evening=draw(st.one_of(st.none(), st.integers(0, 5000))),
    )


def planned(plan: Plan, at: datetime) -> bool:
    """Whether it is open at a moment, worked out in another way."""
    if any(c.start <= at < c.end for c in plan.closings):
        return False
    today = [e for e in plan.exceptions if moment(e.day, e.start) <= at < moment(e.day, e.until)]
    if any(not e.open for e in today):
        return False
    if today:
        return True
    here = at.astimezone(city("2026-01-01 00:00").tzinfo)
    minute = here.hour * 60 + here.minute
    return any(
        window.start <= minute + back * 1440 < window.until
        and rules.day_kind(here.date() - timedelta(days=back)) in window.days
        for window in plan.windows
        for back in (0, 1)
    )


@settings(max_examples=150, deadline=None)
@given(plans(), DAYS, st.integers(0, 4320), st.lists(st.integers(0, 4319), min_size=1, max_size=20))
def test_it_is_open_exactly_when_planned(plan: Plan, day: date, lasts: int, minutes: list[int]) -> None:
    bounds = Span(moment(day, 0), moment(day, lasts))
    times = rules.open_times(plan, bounds).times
    assert times == union(times)
    assert within(times, bounds) == times
    for minute in minutes:
        at = moment(day, minute)
        if bounds.start <= at < bounds.end:
            assert any(s.start <= at < s.end for s in times) == planned(plan, at)


@settings(max_examples=100, deadline=None)
@given(plans(), DAYS, st.integers(0, 4000), st.integers(30, 900), st.integers(5, 600))
def test_longer_is_never_cheaper_and_going_on_costs_no_more(
    plan: Plan, day: date, begins: int, lasts: int, more: int
) -> None:
    start = moment(day, begins)
    first = Span(start, start + timedelta(minutes=lasts))
    added = Span(first.end, first.end + timedelta(minutes=more))
    short, whole = rules.hour_price(plan, first), rules.hour_price(plan, Span(start, added.end))
    assert short is not None
    assert whole is not None
    assert short <= whole
    extra = rules.extension_price(plan, first, added, short)
    assert extra is not None
    assert 0 <= extra <= whole - short


@given(
    st.integers(0, 1_000_000),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 900)), min_size=1, max_size=6),
    st.integers(-300, 7000),
)
def test_no_more_comes_back_than_was_paid_and_less_the_later(
    price: int, times: list[tuple[int, int]], at: int
) -> None:
    noon = city("2026-11-20 12:00")
    slots = union(
        Span(noon + timedelta(minutes=start), noon + timedelta(minutes=start + lasts))
        for start, lasts in times
    )
    now = noon + timedelta(minutes=at)
    back = rules.comes_back(price, slots, now, POLICY)
    assert 0 <= rules.comes_back(price, slots, now + timedelta(minutes=7), POLICY) <= back <= price
    if now >= slots[-1].end:
        assert back == 0
    if now <= slots[0].start - timedelta(minutes=POLICY.cancel_free_minutes):
        assert back == price
    assert 0 <= rules.share_of(price, slots, slots[:1]) <= price == rules.share_of(price, slots, slots)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500))),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500))),
)
def test_times_are_sets(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    def spans(pairs: list[tuple[int, int]]) -> list[Span]:
        noon = city("2026-11-20 12:00")
        return [Span(noon + timedelta(minutes=a), noon + timedelta(minutes=b)) for a, b in pairs]

    def minutes(pairs: list[tuple[int, int]]) -> set[int]:
        return {m for a, b in pairs for m in range(a, b)}

    left = without(spans(ones), spans(others))
    assert minutes_of(left) == len(minutes(ones) - minutes(others))
    assert minutes_of([*left, *spans(others)]) == len(minutes(ones) | minutes(others))

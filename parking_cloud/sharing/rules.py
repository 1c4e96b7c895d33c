"""When a facility's spaces are open, what a booking costs and what comes back of it: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from parking_cloud.kernel.calendar import DayKind, UnknownHolidayYear, day_kind
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.kernel.money import Fen
from parking_cloud.sharing.times import Span, holding, minutes_of, within, without

DAY = 1440
PRICED_BY = 30
"""Minutes: a booking by the hour is priced by so many that have begun."""
STEP = timedelta(minutes=5)
"""Bookings begin and end at multiples of it."""
SHORTEST = timedelta(minutes=30)
WORKING = frozenset({DayKind.WORKDAY, DayKind.ADJUSTED_WORKDAY})
OFF = frozenset({DayKind.WEEKEND, DayKind.STATUTORY_HOLIDAY})
ALL_DAYS = WORKING | OFF


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """On days of these kinds, from a minute of the day until another; past 1440 it is the next day's."""

    days: frozenset[DayKind]
    start: int
    until: int
    space_ids: frozenset[UUID] | None = None
    """None: all spaces that are shared."""


class OneDay(NamedTuple):
    """On one date, minutes in which it is open, or closed, other than planned."""

    day: date
    open: bool
    start: int
    until: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What decides when a facility is open. Prices in fen; None: not offered."""

    windows: tuple[Window, ...]
    exceptions: tuple[OneDay, ...] = ()
    closings: tuple[Span, ...] = ()
    price_hour: int | None = None
    price_evening: int | None = None
    price_month: int | None = None
    walk_in: bool = True


class Opening(NamedTuple):
    """When it is open, and the days of which that cannot be told, since their holidays are not known: on
    those it does not open."""

    times: list[Span]
    unknown: list[date]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How bookings go in this city."""

    hold_minutes: int
    """So long a space is held while it is paid."""
    cancel_free_minutes: int
    """Until so long before its begin a booking is given back whole."""
    unused_percent: int
    """Later, this share of the time that was not used comes back."""
    most_open: int
    """Bookings that a driver may have at a time."""
    days_ahead: int
    near_metres: int
    """How near a facility with government prices has to be for a price to be compared with its."""


POLICY = Policy(
    hold_minutes=10, cancel_free_minutes=30, unused_percent=50, most_open=5, days_ahead=30, near_metres=1000
)
"""Where the city has set nothing else."""
PAID_LATE = timedelta(minutes=30)
"""So long after a space was given up money that still comes books it again, if nobody else has it."""


@lru_cache(maxsize=4096)
def _kind(day: date) -> DayKind:
    return day_kind(day)


def moment(day: date, minute: int) -> datetime:
    """A minute of a day of the city, which may lie in the next."""
    return _midnight(day) + timedelta(minutes=minute)


@lru_cache(maxsize=4096)
def _midnight(day: date) -> datetime:
    """In UTC: moments of one zone are compared far faster."""
    return datetime.combine(day, time(), CITY_ZONE).astimezone(UTC)


def by_days(times: Sequence[Span]) -> list[Span]:
    """The same times cut at each noon of the city: a night stays one, and whoever loses a time of a month
    loses no more than a day."""
    parts: list[Span] = []
    for span in times:
        at = span.start
        while at < span.end:
            day = (city_time(at) + timedelta(hours=12)).date()
            parts.append(Span(at, min(moment(day, DAY // 2), span.end)))
            at = parts[-1].end
    return parts


def windows_of(plan: Plan, day: date, space_id: UUID | None = None) -> list[Span]:
    """The windows that begin on a day, those within another left out; of one space where it is given. Raises
    UnknownHolidayYear."""
    if not plan.windows:
        return []
    # Where every kind of day is alike, it need not be known.
    kind = None if all(window.days >= ALL_DAYS for window in plan.windows) else _kind(day)
    spans = {
        Span(moment(day, window.start), moment(day, window.until))
        for window in plan.windows
        if (kind is None or kind in window.days)
        and (window.space_ids is None or space_id is None or space_id in window.space_ids)
    }
    return sorted(
        s for s in spans if not any(o != s and o.start <= s.start and s.end <= o.end for o in spans)
    )


def open_times(plan: Plan, bounds: Span, space_id: UUID | None = None) -> Opening:
    """When it is open within the bounds: what is planned and what an exception opens, less what one closes,
    and less closings. A day of which the holidays are not known opens nothing, and is named."""
    first, last = city_time(bounds.start).date() - timedelta(days=1), city_time(bounds.end).date()
    spans: list[Span] = []
    unknown: list[date] = []
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        try:
            spans += windows_of(plan, day, space_id)
        except UnknownHolidayYear:
            unknown.append(day)
    spans += [_span(one) for one in plan.exceptions if one.open]
    shut = [_span(one) for one in plan.exceptions if not one.open]
    shut += [Span(moment(day, 0), moment(day, DAY)) for day in unknown]
    times = within(without(spans, [*shut, *plan.closings]), bounds)
    return Opening(times, [day for day in unknown if day >= city_time(bounds.start).date()])


def _span(one: OneDay) -> Span:
    return Span(moment(one.day, one.start), moment(one.day, one.until))


def open_for(plan: Plan, asked: Span, space_id: UUID | None = None) -> Span | None:
    """The open time that holds all of the asked time; None where it is not open throughout."""
    around = Span(asked.start - timedelta(days=2), asked.end + timedelta(days=2))
    return holding(open_times(plan, around, space_id).times, asked)


def window_at(plan: Plan, at: datetime, space_id: UUID | None = None) -> Span | None:
    """The window as a whole in which a moment lies, as far as it is open: the one that ends last."""
    day = city_time(at).date()
    found: list[Span] = []
    for each in (day - timedelta(days=1), day):
        try:
            found += [s for s in windows_of(plan, each, space_id) if s.start <= at < s.end]
        except UnknownHolidayYear:
            continue
    if not found:
        return None
    whole = max(found, key=lambda span: span.end)
    return next((s for s in open_times(plan, whole, space_id).times if s.start <= at < s.end), None)


def spaces_open(plan: Plan, spaces: Sequence[UUID], asked: Sequence[Span]) -> list[UUID]:
    """Those of a facility's shared spaces that are open for all of the asked times, in the given order."""
    kept = {
        space
        for group in alike(plan, spaces)
        if all(open_for(plan, span, group[0]) is not None for span in asked)
        for space in group
    }
    return [space for space in spaces if space in kept]


def alike(plan: Plan, spaces: Sequence[UUID]) -> list[list[UUID]]:
    """Spaces in groups that are open at the same times."""
    groups: dict[tuple[bool, ...], list[UUID]] = {}
    for space in spaces:
        key = tuple(w.space_ids is None or space in w.space_ids for w in plan.windows)
        groups.setdefault(key, []).append(space)
    return list(groups.values())


def hour_price(plan: Plan, asked: Span) -> Fen | None:
    """By the half hours that have begun; never dearer than the evening, where the time is within one."""
    if plan.price_hour is None:
        return None
    halves = -(-minutes_of([asked]) // PRICED_BY)
    amount = plan.price_hour * halves * PRICED_BY // 60
    if plan.price_evening is not None:
        whole = window_at(plan, asked.start)
        if whole is not None and asked.end <= whole.end:
            amount = min(amount, plan.price_evening)
    return Fen(amount)


def extension_price(plan: Plan, first: Span, more: Span, paid: int) -> Fen | None:
    """What going on costs: the difference to the whole time, and no more than the added time by itself."""
    alone, whole = hour_price(plan, more), hour_price(plan, Span(first.start, more.end))
    if alone is None or whole is None:
        return None
    return Fen(max(0, min(alone, whole - paid)))


def comes_back(price: int, slots: Sequence[Span], now: datetime, policy: Policy) -> Fen:
    """What a driver who cancels now gets back: all of it in time, later a share of what was not used."""
    if not slots:
        return Fen(0)
    starts = min(slot.start for slot in slots)
    if now <= starts - timedelta(minutes=policy.cancel_free_minutes):
        return Fen(price)
    total = sum((slot.end - slot.start for slot in slots), timedelta())
    unused = sum((slot.end - max(slot.start, now) for slot in slots if slot.end > now), timedelta())
    return Fen(int(price * policy.unused_percent * unused.total_seconds() // (100 * total.total_seconds())))


def share_of(price: int, slots: Sequence[Span], lost: Sequence[Span]) -> Fen:
    """The part of a price that falls on those slots which are lost."""
    total = sum((slot.end - slot.start).total_seconds() for slot in slots)
    gone = sum((slot.end - slot.start).total_seconds() for slot in lost)
    return Fen(price if gone >= total else int(price * gone // total))


def month_of(day: date) -> Span:
    """A month from a day on: until the same day of the next, or the last of a shorter one."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (following + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return Span(moment(day, 0), moment(following.replace(day=min(day.day, last.day)), 0))


def on_the_step(at: datetime) -> bool:
    """Whether a moment is one at which bookings may begin or end."""
    return at.timestamp() % STEP.total_seconds() == 0

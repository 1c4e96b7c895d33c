"""Prices against those of facilities with government prices nearby: what is shared may not be dearer.

Refused is what is dearer than every one of the near; what is dearer than the nearest is told. Where none is
near, there is nothing to compare with, and that is told as well. An hour is compared with the same stay
there, a window with a stay all through it, a month with stays in all of its times, or with the month that is
sold there, whichever is less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear, is_working_day
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.payments.permit_sales import on_sale
from parking_cloud.registry.service import facility_labels
from parking_cloud.registry.sharing import facilities_near
from parking_cloud.sharing import rules
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.problems import TooDear
from parking_cloud.sharing.rules import Plan
from parking_cloud.sharing.schemas import BookingKind
from parking_cloud.sharing.times import Span, holding
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.service import government_priced, planned_amounts

HOURS = (1, 2, 4, 12)
_NEAREST = 3
_EVENING, _MORNING = 19 * 60, 10 * 60


class Theirs(msgspec.Struct, frozen=True, kw_only=True):
    """What the same stay costs at a facility nearby, in fen."""

    facility: str
    amount: int


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A stay from a moment for so many hours, by the hour or booked as a window, or a month: what is asked
    here, and nearby, the nearest first."""

    kind: BookingKind = BookingKind.HOUR
    starts_at: datetime
    hours: int
    ours: int
    theirs: list[Theirs]

    @property
    def too_dear(self) -> bool:
        """Dearer than every one of the near."""
        return bool(self.theirs) and self.ours > max(each.amount for each in self.theirs)

    @property
    def dearer_than_the_nearest(self) -> bool:
        return bool(self.theirs) and self.ours > self.theirs[0].amount


async def compare(session: AsyncSession, facility_id: UUID, plan: Plan, now: datetime) -> list[Compared]:
    """The plan's prices for stays of some hours, on a workday's evening and on a day off, for the windows of
    those days and for a month, beside those of the facilities with government prices nearby; nothing where
    none is near, or nothing costs anything."""
    if not (plan.price_hour or plan.price_evening or plan.price_month):
        return []
    policy = await policy_at(session, now)
    near = await facilities_near(session, facility_id, policy.near_metres)
    priced = (await government_priced(session, near, now))[:_NEAREST]
    if not priced:
        return []
    labels = await facility_labels(session, priced)
    today = city_time(now).date()
    asked = _asked(plan, today)
    theirs = {each: await _prices(session, each, [stay for _, stay, _ in asked]) for each in priced}
    found = [
        _compared(kind, stay, ours, {labels[each].name: prices[stay] for each, prices in theirs.items()})
        for kind, stay, ours in asked
    ]
    if plan.price_month:
        month = rules.month_of(today)
        sums = {labels[each].name: await _month(session, each, plan, month) for each in priced}
        found.append(_compared(BookingKind.MONTH, month, plan.price_month, sums))
    return found


def _asked(plan: Plan, today: date) -> list[tuple[BookingKind, Span, int]]:
    """Stays by the hour and windows as a whole, with what is asked for them."""
    found: list[tuple[BookingKind, Span, int]] = []
    for start in samples(today):
        for hours in HOURS:
            stay = Span(start, start + timedelta(hours=hours))
            amount = rules.hour_price(plan, stay)
            if amount is not None and plan.price_hour:
                found.append((BookingKind.HOUR, stay, amount))
        if plan.price_evening:
            windows = _whole(rules.windows_of(plan, city_time(start).date()))
            found += [(BookingKind.EVENING, window, plan.price_evening) for window in windows]
    return found


def _whole(windows: Sequence[Span]) -> list[Span]:
    """Without mornings that are the rest of a night: it is booked as one where a workday was before."""
    day = timedelta(days=1)
    nights = [Span(window.start - day, window.end - day) for window in windows]
    return [window for window in windows if holding(nights, window) is None]


def _compared(kind: BookingKind, stay: Span, ours: int, theirs: Mapping[str, int | None]) -> Compared:
    near = [Theirs(facility=name, amount=amount) for name, amount in theirs.items() if amount is not None]
    hours = round((stay.end - stay.start) / timedelta(hours=1))
    return Compared(kind=kind, starts_at=stay.start, hours=hours, ours=ours, theirs=near)


async def _month(session: AsyncSession, facility_id: UUID, plan: Plan, month: Span) -> int | None:
    """What a month of the plan's times costs at a facility: each of them as a stay, or as it is sold there.
    Days that cannot be priced yet, since their holidays are not known, count like the others."""
    opening = rules.open_times(plan, month)
    times = [(_alike(span), span) for span in rules.by_days(opening.times)]
    first = dict(reversed(times))
    prices = await _prices(session, facility_id, list(first.values()))
    known = [price for alike, _ in times if (price := prices[first[alike]]) is not None]
    if not known:
        return None
    total = sum(known) * (len(times) + len(opening.unknown)) // len(known)
    sold = [
        product.price // product.months
        for product in await on_sale(session, facility_id)
        if product.vehicle_class is VehicleClass.SMALL
    ]
    return min([total, *sold])


def _alike(span: Span) -> tuple[bool | None, int, timedelta]:
    """Times that cost the same: on days alike, from the same minute, as long."""
    begun = city_time(span.start)
    try:
        works = is_working_day(begun.date())
    except UnknownHolidayYear:
        works = None
    return works, begun.hour * 60 + begun.minute, span.end - span.start


def refuse_too_dear(compared: Sequence[Compared]) -> None:
    """Raises TooDear with the comparison."""
    dear = [each for each in compared if each.too_dear]
    if dear:
        raise TooDear(
            errors=[
                {
                    "field": f"price_{each.kind.value}",
                    "message": f"{each.hours} h from {city_time(each.starts_at):%m-%d %H:%M}:"
                    f" {format_yuan(Fen(each.ours))}; "
                    + ", ".join(f"{t.facility} {format_yuan(Fen(t.amount))}" for t in each.theirs),
                }
                for each in dear
            ]
        )


def samples(today: date) -> list[datetime]:
    """The next workday's evening and the next day off's morning, as far as the days are known."""
    found: dict[bool, datetime] = {}
    for day in (today + timedelta(days=n) for n in range(1, 15)):
        try:
            works = is_working_day(day)
        except UnknownHolidayYear:
            break
        found.setdefault(works, rules.moment(day, _EVENING if works else _MORNING))
    return sorted(found.values())


async def _prices(session: AsyncSession, facility_id: UUID, stays: Sequence[Span]) -> dict[Span, int | None]:
    """What each of these stays costs at a facility; None where that is not known."""
    found: dict[Span, int | None] = dict.fromkeys(stays)
    for start in {stay.start for stay in stays}:
        ends = [stay.end for stay in found if stay.start == start]
        with suppress(NoTariff):
            amounts = await planned_amounts(
                session, facility_id=facility_id, vehicle=VehicleClass.SMALL, entered_at=start, left_at=ends
            )
            found |= {Span(start, end): amount for end, amount in zip(ends, amounts, strict=True)}
    return found

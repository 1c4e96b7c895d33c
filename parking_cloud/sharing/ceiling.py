"""Prices against those of facilities with government prices nearby: what is shared may not be dearer.

Refused is what is dearer than every one of the near; what is dearer than the nearest is told. Where none is
near, there is nothing to compare with, and that is told as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear, is_working_day
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.registry.service import facility_labels
from parking_cloud.registry.sharing import facilities_near
from parking_cloud.sharing import rules
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.problems import TooDear
from parking_cloud.sharing.rules import Plan
from parking_cloud.sharing.times import Span
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
    """A stay from a moment for so many hours: what is asked here, and nearby, the nearest first."""

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
    """The plan's prices for stays of some hours, on a workday's evening and on a day off, beside those of
    the facilities with government prices nearby; nothing where none is near, or the hour costs nothing."""
    if not plan.price_hour:
        return []
    policy = await policy_at(session, now)
    near = await facilities_near(session, facility_id, policy.near_metres)
    priced = (await government_priced(session, near, now))[:_NEAREST]
    labels = await facility_labels(session, priced)
    found: list[Compared] = []
    for start in samples(city_time(now).date()) if priced else []:
        ends = [start + timedelta(hours=hours) for hours in HOURS]
        amounts = {each: await _amounts(session, each, start, ends) for each in priced}
        for number, (hours, end) in enumerate(zip(HOURS, ends, strict=True)):
            ours = rules.hour_price(plan, Span(start, end))
            if ours is None:
                continue
            theirs = [
                Theirs(facility=labels[each].name, amount=amount)
                for each in priced
                if (amount := amounts[each][number]) is not None
            ]
            found.append(Compared(starts_at=start, hours=hours, ours=ours, theirs=theirs))
    return found


def refuse_too_dear(compared: Sequence[Compared]) -> None:
    """Raises TooDear with the comparison."""
    dear = [each for each in compared if each.too_dear]
    if dear:
        raise TooDear(
            errors=[
                {
                    "field": "price_hour",
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


async def _amounts(
    session: AsyncSession, facility_id: UUID, start: datetime, ends: Sequence[datetime]
) -> Sequence[int | None]:
    try:
        return await planned_amounts(
            session, facility_id=facility_id, vehicle=VehicleClass.SMALL, entered_at=start, left_at=ends
        )
    except NoTariff:
        return [None] * len(ends)

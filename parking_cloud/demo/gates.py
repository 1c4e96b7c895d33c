"""The demo's gates of shared facilities (演示): how each is told of bookings; three published months, and how
spaces were found in the present one.

Half of them are told by push; of those a few are slow, away, or have a full list, so that all that a booking
can say of its gate is to be seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.allow_list_keeping import AdapterIn, place_of, set_adapter
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import stable_id
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.registry.sharing import SharingFacility, shared_spaces, sharing_facilities
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import Plan, moment, open_times
from parking_cloud.sharing.times import Span, minutes_of
from parking_cloud.sharing.use import InstitutionUse, MonthUse, Use, keep_month, total
from parking_cloud.sharing.use_models import SharingSpaceDay
from parking_cloud.sharing.use_rules import GOAL, LOOKED_EVERY, day_of, month_before, next_month

MOODS = ("well",) * 7 + ("slow", "away", "full")
"""How the local adapters of gates behave, see demo.outside."""
_BY = Identity(user_id=stable_id("demo", "gates"), username="demo", role=Role.CITY_ADMINISTRATOR)
_MONTHS = 3
_ONE_TAKEN_IN = 400
"""Of so many spaces one is open in name only."""


async def ensure_gates(
    session: AsyncSession, facilities: Sequence[FacilityIn], outside_url: str, now: datetime
) -> None:
    """Each shared facility has its way; the local adapters' address is another at every start."""
    shared = sorted(facility.code for facility in facilities if facility.institution_code)
    for number, code in enumerate(shared):
        said = AdapterIn(way=Way.NONE)
        if number % 2 == 0:
            mood = MOODS[number // 2 % len(MOODS)]
            said = AdapterIn(way=Way.PUSH, url=f"{outside_url}/gate/{mood}/{code}")
        await set_adapter(session, _BY, await place_of(session, _BY, code), said, now)


async def ensure_months(session: AsyncSession, now: datetime) -> None:
    """Three months as they might have been; those that are there stay."""
    shared = await sharing_facilities(session)
    month = city_time(now).date().replace(day=1)
    for ago in range(1, _MONTHS + 1):
        month = month_before(month)
        published_at = moment(next_month(month), 9 * 60)
        await keep_month(session, _month(month, shared, grown=1 - 0.08 * (ago - 1)), published_at)


async def ensure_looks(session: AsyncSession, now: datetime) -> None:
    """How each space was found on the days of this month so far, where nobody has looked yet."""
    if await session.scalar(select(SharingSpaceDay.day).limit(1)) is not None:
        return
    today = city_time(now).date()
    first = moment(today.replace(day=1), 12 * 60)
    plans = await published(session, first)
    shared = await shared_spaces(session, plans)
    for facility, spaces in shared.items():
        ids = [space.id for space in spaces]
        days = [first + timedelta(days=number) for number in range(today.day - 1)]
        looks = [_looks(plans[facility], begin) for begin in days]
        await session.execute(
            text(
                "insert into sharing_space_day (space_id, day, looks, usable, unknown, looked_at)"
                " select s.id, d.day, d.looks, case when s.never then 0 else d.looks end, 0, :now"
                " from unnest(cast(:ids as uuid[]), cast(:never as boolean[])) as s(id, never),"
                " unnest(cast(:days as date[]), cast(:looks as int[])) as d(day, looks) where d.looks > 0"
            ),
            {
                "ids": ids,
                "never": [id_.int % _ONE_TAKEN_IN == 0 for id_ in ids],
                "days": [day_of(begin) for begin in days],
                "looks": looks,
                "now": now,
            },
        )


def _looks(plan: Plan, begin: datetime) -> int:
    opened = open_times(plan, Span(begin, begin + timedelta(days=1))).times
    return timedelta(minutes=minutes_of(opened)) // LOOKED_EVERY


def _month(month: date, shared: Sequence[SharingFacility], grown: float) -> MonthUse:
    """Invented, the same on every machine."""
    institutions = []
    for facility in shared:
        if facility.institution_id is None or not facility.shared:
            continue
        drawn = random.Random(f"{month} {facility.code}")
        opened = round(facility.shared * grown)
        hours = round(opened * drawn.uniform(480, 540), 1)
        bookings = round(opened * drawn.uniform(0.5, 4))
        use = Use(
            opened=opened,
            open_hours=hours,
            booked_hours=round(bookings * drawn.uniform(3, 9), 1),
            bookings=bookings,
            turned_away=drawn.choice((0, 0, 0, 0, 0, 1, 1, 2)),
            closed_on=drawn.choice((0, 0, 0, 0, 0, 0, 3)),
            revenue=bookings * drawn.randrange(0, 9) * 100,
            judged=opened,
            taken=drawn.choice((0, 0, 0, 1, 2)),
            silent=drawn.choice((0, 0, 0, 0, 1)),
        )
        institutions.append(
            InstitutionUse(
                institution_id=facility.institution_id,
                institution=facility.institution,
                facilities=1,
                use=use,
            )
        )
    institutions.sort(key=lambda row: (-row.use.opened, row.institution))
    return MonthUse(
        month=month,
        until=moment(next_month(month), 0),
        goal=GOAL,
        city=total([row.use for row in institutions]),
        institutions=institutions,
        synthetic=True,
    )

"""How shared spaces are used: by institution and in the whole city, running, and as published each month.

What is published is kept as it was; a later correction of a stay or a payment does not rewrite a month.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.payments.facts import charge_facts
from parking_cloud.registry.sharing import SharedSpace, SharingFacility, shared_spaces, sharing_facilities
from parking_cloud.sharing import rules
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import Plan, moment
from parking_cloud.sharing.times import Span
from parking_cloud.sharing.turn_away_records import turn_away_counts
from parking_cloud.sharing.use_models import SharingMonth
from parking_cloud.sharing.use_rules import (
    GOAL,
    DayLooks,
    Verdict,
    judge,
    month_before,
    next_month,
    open_hours,
)

PUBLISHED_ON = 2
"""The day of the month on which the month before is published: by then its last night is over and paid."""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What came of sharing in a time. `revenue` in fen; hours are hours of spaces."""

    opened: int = 0
    open_hours: float = 0
    booked_hours: float = 0
    bookings: int = 0
    turned_away: int = 0
    closed_on: int = 0
    """Bookings that an emergency closing cancelled."""
    revenue: int = 0
    judged: int = 0
    """Spaces that were looked at on days enough."""
    taken: int = 0
    """Of those: open by the plan, and never usable."""
    silent: int = 0
    """Of those: open by the plan, and nobody could see whether it was so."""


class InstitutionUse(msgspec.Struct, frozen=True, kw_only=True):
    institution_id: UUID
    institution: str
    facilities: int
    use: Use


class MonthUse(msgspec.Struct, frozen=True, kw_only=True):
    """A month of sharing. `until`: where it is not over, up to when."""

    month: date
    until: datetime
    goal: int
    city: Use
    institutions: list[InstitutionUse]
    synthetic: bool = False
    """Of the demonstration; never of a real month."""


class _Booked(NamedTuple):
    bookings: dict[UUID, int]
    hours: dict[UUID, float]
    closed: dict[UUID, int]
    revenue: dict[UUID, int]


async def month_use(
    session: AsyncSession, month: date, now: datetime, institution_id: UUID | None = None
) -> MonthUse:
    """The figures of a month as they are now; of one institution where it is given."""
    span = Span(moment(month, 0), min(moment(next_month(month), 0), now))
    facilities = await sharing_facilities(session, institution_id=institution_id)
    ids = [facility.id for facility in facilities]
    booked = await _booked(session, ids, span)
    away = await turn_away_counts(session, *span)
    opened = await _opened(session, ids, span)
    verdicts = await _verdicts(session, ids, month)
    by_facility = {
        id_: Use(
            opened=opened.get(id_, (0, 0.0))[0],
            open_hours=opened.get(id_, (0, 0.0))[1],
            booked_hours=booked.hours.get(id_, 0.0),
            bookings=booked.bookings.get(id_, 0),
            turned_away=away.get(id_, 0),
            closed_on=booked.closed.get(id_, 0),
            revenue=booked.revenue.get(id_, 0),
            judged=sum(v is not Verdict.NOT_JUDGED for v in verdicts.get(id_, ())),
            taken=sum(v is Verdict.TAKEN for v in verdicts.get(id_, ())),
            silent=sum(v is Verdict.SILENT for v in verdicts.get(id_, ())),
        )
        for id_ in ids
    }
    return MonthUse(
        month=month,
        until=span.end,
        goal=GOAL,
        city=total(by_facility.values()),
        institutions=_by_institution(facilities, by_facility),
    )


def total(uses: Collection[Use]) -> Use:
    """The sum of several."""
    sums: dict[str, Any] = {name: sum(getattr(use, name) for use in uses) for name in Use.__struct_fields__}
    hours = {name: round(sums[name], 1) for name in ("open_hours", "booked_hours")}
    return Use(**sums | hours)


def _by_institution(facilities: Sequence[SharingFacility], uses: dict[UUID, Use]) -> list[InstitutionUse]:
    """Those that share anything, the most spaces first."""
    grouped: dict[tuple[UUID, str], list[Use]] = {}
    for facility in facilities:
        if facility.institution_id is not None:
            grouped.setdefault((facility.institution_id, facility.institution), []).append(uses[facility.id])
    rows = [
        InstitutionUse(institution_id=id_, institution=name, facilities=len(each), use=total(each))
        for (id_, name), each in grouped.items()
    ]
    shared = [row for row in rows if row.use.opened or row.use.bookings or row.use.turned_away]
    return sorted(shared, key=lambda row: (-row.use.opened, row.institution))


async def _opened(
    session: AsyncSession, facility_ids: Sequence[UUID], span: Span
) -> dict[UUID, tuple[int, float]]:
    """How many spaces were open at any time, and for how long in all, by the plans as they are."""
    plans = await published(session, span.start, facility_ids)
    shared = await shared_spaces(session, plans)
    found: dict[UUID, tuple[int, float]] = {}
    for facility, spaces in shared.items():
        count, hours = 0, 0.0
        for alike in _alike(plans[facility], spaces):
            times = rules.open_times(plans[facility], span, alike[0].id).times
            if times:
                count, hours = count + len(alike), hours + open_hours(times, len(alike))
        found[facility] = (count, round(hours, 1))
    return found


def _alike(plan: Plan, spaces: Sequence[SharedSpace]) -> list[list[SharedSpace]]:
    """Spaces in groups that are open at the same times."""
    groups: dict[tuple[bool, ...], list[SharedSpace]] = {}
    for space in spaces:
        key = tuple(window.space_ids is None or space.id in window.space_ids for window in plan.windows)
        groups.setdefault(key, []).append(space)
    return list(groups.values())


async def _booked(session: AsyncSession, facility_ids: Sequence[UUID], span: Span) -> _Booked:
    values: dict[str, Any] = {"ids": list(facility_ids), "start": span.start, "end": span.end}
    hours = await session.execute(
        text(
            "select b.facility_id, sum(extract(epoch from least(upper(s.during), :end)"
            "  - greatest(lower(s.during), :start)))::float8 / 3600 as hours"
            " from booking b join booking_slot s on s.booking_id = b.id and not s.lost"
            " where b.facility_id = any(:ids) and b.state in ('confirmed', 'ended')"
            " and b.ends_at > :start and b.starts_at < :end and s.during && tstzrange(:start, :end)"
            " group by 1"
        ),
        values,
    )
    begun = (
        await session.execute(
            text(
                "select facility_id, why, extends, charge_id from booking where facility_id = any(:ids)"
                " and starts_at >= :start and starts_at < :end and (state in ('confirmed', 'ended',"
                " 'turned_away') or why = 'closed')"
            ),
            values,
        )
    ).all()
    charges = await charge_facts(session, [row.charge_id for row in begun if row.charge_id])
    found = _Booked({}, {row.facility_id: round(row.hours, 1) for row in hours}, {}, {})
    for row in begun:
        counted = found.closed if row.why == "closed" else found.bookings
        if row.extends is None:
            counted[row.facility_id] = counted.get(row.facility_id, 0) + 1
        if row.charge_id in charges:
            paid = max(charges[row.charge_id].paid, 0)
            found.revenue[row.facility_id] = found.revenue.get(row.facility_id, 0) + paid
    return found


async def _verdicts(
    session: AsyncSession, facility_ids: Sequence[UUID], month: date
) -> dict[UUID, list[Verdict]]:
    """How each shared space was found in a month, by facility."""
    shared = await shared_spaces(session, facility_ids)
    facility_of = {space.id: facility for facility, spaces in shared.items() for space in spaces}
    rows = await session.execute(
        text(
            "select space_id, looks, usable, unknown from sharing_space_day"
            " where space_id = any(:ids) and day >= :first and day < :last"
        ),
        {"ids": list(facility_of), "first": month, "last": next_month(month)},
    )
    days: dict[UUID, list[DayLooks]] = {}
    for space, *looks in rows:
        days.setdefault(space, []).append(DayLooks(*looks))
    found: dict[UUID, list[Verdict]] = {}
    for space, each in days.items():
        found.setdefault(facility_of[space], []).append(judge(each))
    return found


async def publish_month(session: AsyncSession, now: datetime) -> bool:
    """Publish the month before, once; whether it was done now. The worker's job."""
    today = city_time(now).date()
    if today.day < PUBLISHED_ON:
        return False
    month = month_before(today)
    if await session.get(SharingMonth, month) is not None:
        return False
    found = await month_use(session, month, now)
    if not found.institutions:
        return False
    await keep_month(session, found, now)
    return True


async def keep_month(session: AsyncSession, found: MonthUse, now: datetime) -> None:
    """Publish a month; one that is published stays as it is."""
    figures = msgspec.to_builtins(found)
    row = insert(SharingMonth).values(month=found.month, published_at=now, figures=figures)
    await session.execute(row.on_conflict_do_nothing())


class Published(msgspec.Struct, frozen=True, kw_only=True):
    published_at: datetime
    use: MonthUse


async def published_month(session: AsyncSession, month: date | None) -> Published | None:
    """A published month; the newest where none is given."""
    query = select(SharingMonth).order_by(SharingMonth.month.desc()).limit(1)
    if month is not None:
        query = query.where(SharingMonth.month == month)
    row = await session.scalar(query)
    if row is None:
        return None
    return Published(published_at=row.published_at, use=msgspec.convert(row.figures, MonthUse))


async def published_months(session: AsyncSession, limit: int = 24) -> list[tuple[date, Use]]:
    """The city's figures of the newest months, oldest first."""
    query = select(SharingMonth).order_by(SharingMonth.month.desc()).limit(limit)
    rows = (await session.scalars(query)).all()
    return [(row.month, msgspec.convert(row.figures, MonthUse).city) for row in reversed(rows)]


async def taken_spaces_of(
    session: AsyncSession, facility_ids: Collection[UUID], now: datetime
) -> dict[UUID, list[str]]:
    """The numbers of the shared spaces that are open and never usable, of the last thirty days."""
    shared = await shared_spaces(session, facility_ids)
    rows = await session.execute(
        text(
            "select space_id, looks, usable, unknown from sharing_space_day"
            " where space_id = any(:ids) and day >= :first"
        ),
        {
            "ids": [space.id for spaces in shared.values() for space in spaces],
            "first": (city_time(now) - timedelta(days=30)).date(),
        },
    )
    days: dict[UUID, list[DayLooks]] = {}
    for space, *looks in rows:
        days.setdefault(space, []).append(DayLooks(*looks))
    bad = {space for space, each in days.items() if judge(each) in (Verdict.TAKEN, Verdict.SILENT)}
    return {
        facility: [space.number for space in spaces if space.id in bad]
        for facility, spaces in shared.items()
        if any(space.id in bad for space in spaces)
    }

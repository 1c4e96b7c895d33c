"""How shared spaces are used: by institution and in the whole city, running, and as published each month.

What is published is kept as it was; a later correction of a stay or a payment does not rewrite a month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.payments.facts import charge_facts
from parking_cloud.registry.sharing import (
    SharingFacility,
    facility_of_spaces,
    shared_spaces,
    sharing_facilities,
)
from parking_cloud.sharing.rules import moment
from parking_cloud.sharing.schemas import Why
from parking_cloud.sharing.times import Span
from parking_cloud.sharing.turn_away_records import turn_away_counts
from parking_cloud.sharing.use_models import SharingMonth, SharingSpaceDay
from parking_cloud.sharing.use_rules import (
    GOAL,
    DayLooks,
    Verdict,
    due_on,
    judge,
    month_before,
    next_month,
    open_hours,
)


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
    looks = await _looks(session, ids, month)
    verdicts = {id_: [judge(days) for days in spaces] for id_, spaces in looks.items()}
    by_facility = {
        id_: Use(
            opened=len(looks.get(id_, ())),
            open_hours=round(sum(map(open_hours, looks.get(id_, ()))), 1),
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


async def _booked(session: AsyncSession, facility_ids: Sequence[UUID], span: Span) -> _Booked:
    """What was booked, for how long it was held, and all money that was kept, also of what was given back."""
    values: dict[str, Any] = {"ids": list(facility_ids), "start": span.start, "end": span.end}
    hours = await session.execute(
        text(
            "select facility_id,"
            " sum(extract(epoch from least(until, :end) - greatest(since, :start)))::float8 / 3600 as hours"
            " from (select b.facility_id, lower(s.during) as since,"
            "   case when b.state = 'cancelled' then least(upper(s.during), b.over_at)"
            "   else upper(s.during) end as until"
            "   from booking b join booking_slot s on s.booking_id = b.id and not s.lost"
            "   where b.facility_id = any(:ids) and b.state in ('confirmed', 'ended', 'cancelled')"
            "   and b.ends_at > :start and b.starts_at < :end and s.during && tstzrange(:start, :end)) held"
            " where until > greatest(since, :start) group by 1"
        ),
        values,
    )
    begun = (
        await session.execute(
            text(
                "select facility_id, why, extends, charge_id, state in ('confirmed', 'ended', 'turned_away')"
                " or state = 'cancelled' and over_at > starts_at as had from booking"
                " where facility_id = any(:ids) and starts_at >= :start and starts_at < :end"
            ),
            values,
        )
    ).all()
    charges = await charge_facts(session, [row.charge_id for row in begun if row.charge_id])
    found = _Booked({}, {row.facility_id: round(row.hours, 1) for row in hours}, {}, {})
    for row in begun:
        counted = found.closed if row.why == Why.CLOSED else found.bookings if row.had else {}
        if row.extends is None:
            counted[row.facility_id] = counted.get(row.facility_id, 0) + 1
        if row.charge_id in charges:
            paid = max(charges[row.charge_id].paid, 0)
            found.revenue[row.facility_id] = found.revenue.get(row.facility_id, 0) + paid
    return found


async def _looks(
    session: AsyncSession, facility_ids: Sequence[UUID], month: date
) -> dict[UUID, list[list[DayLooks]]]:
    """How each space was found that was open in a month, by facility: what was seen, whatever is planned by
    now."""
    facility_of = await facility_of_spaces(session, facility_ids)
    rows = await session.execute(
        text(
            "select space_id, looks, usable, unknown from sharing_space_day"
            " where space_id = any(:ids) and day >= :first and day < :last"
        ),
        {"ids": list(facility_of), "first": month, "last": next_month(month)},
    )
    found: dict[UUID, list[list[DayLooks]]] = {}
    for space, days in _by_space(rows).items():
        found.setdefault(facility_of[space], []).append(days)
    return found


def _by_space(rows: Iterable[Any]) -> dict[UUID, list[DayLooks]]:
    days: dict[UUID, list[DayLooks]] = {}
    for space, *looks in rows:
        days.setdefault(space, []).append(DayLooks(*looks))
    return days


async def publish_months(session: AsyncSession, now: datetime) -> list[date]:
    """Publish the months that are over and not published yet, each once; which. One of which there is nothing
    to say is left out. The worker's job."""
    today = city_time(now).date()
    month, done = await _first_missing(session, today), []
    while due_on(month) <= today:
        found = await month_use(session, month, now)
        if found.institutions:
            await keep_month(session, found, now)
            done.append(month)
        month = next_month(month)
    return done


async def _first_missing(session: AsyncSession, today: date) -> date:
    """After the newest that is published; else where the looks begin."""
    newest: date | None = await session.scalar(select(func.max(SharingMonth.month)))
    if newest is not None:
        return next_month(newest)
    first: date | None = await session.scalar(select(func.min(SharingSpaceDay.day)))
    return month_before(today) if first is None else first.replace(day=1)


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
    days = _by_space(rows)
    bad = {space for space, each in days.items() if judge(each) in (Verdict.TAKEN, Verdict.SILENT)}
    return {
        facility: [space.number for space in spaces if space.id in bad]
        for facility, spaces in shared.items()
        if any(space.id in bad for space in spaces)
    }

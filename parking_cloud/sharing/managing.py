"""What managers see: their facilities, a plan with what it comes to, and what is booked; never a plate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.clock import city_time
from parking_cloud.registry.sharing import SharingFacility, shared_spaces, sharing_facilities
from parking_cloud.sharing import ceiling, rules
from parking_cloud.sharing.ceiling import Compared
from parking_cloud.sharing.models import SharingClosing, SharingException, SharingPlan, SharingWindow
from parking_cloud.sharing.planning import facility_to_keep, plan_of
from parking_cloud.sharing.plans import closings_of, exceptions_of
from parking_cloud.sharing.rule import Counts, Shortfall, rule_at, shortfalls
from parking_cloud.sharing.rules import Plan
from parking_cloud.sharing.schemas import (
    BookingKind,
    BookingState,
    PlanIn,
    PlanState,
    Slot,
    WindowIn,
)
from parking_cloud.sharing.times import Span, minutes_of

SHOWN = timedelta(days=14)
HALF_HOUR = timedelta(minutes=30)


class PlanOut(msgspec.Struct, frozen=True, kw_only=True):
    """A facility's plan as it is kept; None where there is none yet."""

    facility_id: UUID
    facility: str
    facility_code: str
    institution: str
    spaces: int
    shared: int
    state: PlanState | None
    version: int
    plan: PlanIn | None
    changed_at: datetime | None


class ExceptionOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    day: date
    open: bool
    start: int
    until: int
    reason: str


class ClosingOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    lifted_at: datetime | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to in the next 14 days. `shortfalls` and `compared` warn; only what is dearer than
    every facility nearby is refused. `none_near`: its price has nothing to be compared with."""

    open: list[Slot]
    unknown: list[date]
    spaces: int
    hours_a_week: float
    shortfalls: list[Shortfall]
    compared: list[Compared]
    too_dear: bool
    dearer_than_the_nearest: bool
    none_near: bool


class BookedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A booking, as the institution sees it: neither the driver nor the plate."""

    id: UUID
    space: str
    kind: BookingKind
    state: BookingState
    starts_at: datetime
    ends_at: datetime
    price: int


async def my_facilities(session: AsyncSession, who: Identity) -> list[PlanOut]:
    """The facilities whose plans one keeps: an institution's, or for the city all of them."""
    mine = who.institution_id if who.role is Role.INSTITUTION_MANAGER else None
    if who.role is Role.INSTITUTION_MANAGER and mine is None:
        return []
    return await _plans(session, await sharing_facilities(session, institution_id=mine))


async def plan_out(session: AsyncSession, who: Identity, facility_id: UUID) -> PlanOut:
    """One facility's plan. Raises NotShared, NotAllowed."""
    return (await _plans(session, [await facility_to_keep(session, who, facility_id)]))[0]


async def _plans(session: AsyncSession, facilities: Sequence[SharingFacility]) -> list[PlanOut]:
    ids = [facility.id for facility in facilities]
    rows = await session.scalars(select(SharingPlan).where(SharingPlan.facility_id.in_(ids)))
    plans = {row.facility_id: row for row in rows}
    windows: dict[UUID, list[WindowIn]] = {}
    query = select(SharingWindow).where(SharingWindow.facility_id.in_(ids))
    for row in await session.scalars(query.order_by(SharingWindow.facility_id, SharingWindow.number)):
        windows.setdefault(row.facility_id, []).append(
            WindowIn(
                days=[DayKind(day) for day in row.days],
                start=row.start_minute,
                until=row.until_minute,
                space_ids=row.space_ids,
            )
        )
    shown: list[PlanOut] = []
    for facility in facilities:
        plan = plans.get(facility.id)
        shown.append(
            PlanOut(
                facility_id=facility.id,
                facility=facility.name,
                facility_code=facility.code,
                institution=facility.institution,
                spaces=facility.spaces,
                shared=facility.shared,
                state=None if plan is None else PlanState(plan.state),
                version=0 if plan is None else plan.version,
                plan=None if plan is None else _stated(plan, windows.get(facility.id, [])),
                changed_at=None if plan is None else plan.changed_at,
            )
        )
    return shown


def _stated(plan: SharingPlan, windows: list[WindowIn]) -> PlanIn:
    return PlanIn(
        work_start=plan.work_start,
        work_end=plan.work_end,
        windows=windows,
        price_hour=plan.price_hour,
        price_evening=plan.price_evening,
        price_month=plan.price_month,
        walk_in=plan.walk_in,
        exemption=plan.exemption,
        note=plan.note,
        published=plan.state == PlanState.PUBLISHED,
    )


async def preview(
    session: AsyncSession, who: Identity, facility_id: UUID, stated: PlanIn, now: datetime
) -> Preview:
    """What a plan would come to, with the exceptions and closings that there are. Raises NotShared,
    NotAllowed."""
    facility = await facility_to_keep(session, who, facility_id)
    plan = msgspec.structs.replace(
        plan_of(stated),
        exceptions=(await exceptions_of(session, [facility_id], now)).get(facility_id, ()),
        closings=tuple((await closings_of(session, now, [facility_id])).get(facility_id, [])),
    )
    opening = rules.open_times(plan, Span(now, now + SHOWN))
    spaces = (await shared_spaces(session, [facility_id])).get(facility_id, [])
    listed = [w.space_ids for w in plan.windows]
    opened = [s for s in spaces if any(ids is None or s.id in ids for ids in listed)]
    rule = await rule_at(session, now)
    today = city_time(now).date()
    monday = today - timedelta(days=today.weekday())
    counts = Counts(
        spaces=facility.spaces,
        chargers=facility.chargers,
        opened=[space.id for space in opened],
        opened_chargers=sum(space.kind == "charging" for space in opened),
    )
    usual = msgspec.structs.replace(plan, exceptions=(), closings=())
    week = Span(rules.moment(monday, 0), rules.moment(monday + timedelta(days=7), 0))
    compared = await ceiling.compare(session, facility_id, plan, now)
    short = (
        []
        if rule is None or stated.exemption
        else shortfalls(
            rule, usual, counts, work_start=stated.work_start, work_end=stated.work_end, monday=monday
        )
    )
    return Preview(
        open=[Slot(*span) for span in opening.times],
        unknown=opening.unknown,
        spaces=len(opened),
        hours_a_week=round(minutes_of(rules.open_times(usual, week).times) / 60, 1),
        shortfalls=short,
        compared=compared,
        too_dear=any(each.too_dear for each in compared),
        dearer_than_the_nearest=any(each.dearer_than_the_nearest for each in compared),
        none_near=bool(plan.price_hour or plan.price_evening or plan.price_month)
        and not any(each.theirs for each in compared),
    )


async def exceptions_out(session: AsyncSession, facility_id: UUID, since: date) -> list[ExceptionOut]:
    """The exceptions of a facility from a day on."""
    rows = await session.scalars(
        select(SharingException)
        .where(SharingException.facility_id == facility_id, SharingException.day >= since)
        .order_by(SharingException.day, SharingException.start_minute)
    )
    return [
        ExceptionOut(
            id=row.id,
            day=row.day,
            open=row.open,
            start=row.start_minute,
            until=row.until_minute,
            reason=row.reason,
        )
        for row in rows
    ]


async def closings_out(session: AsyncSession, facility_id: UUID, since: datetime) -> list[ClosingOut]:
    """The closings of a facility that end after a moment."""
    rows = await session.scalars(
        select(SharingClosing)
        .where(SharingClosing.facility_id == facility_id, SharingClosing.ends_at > since)
        .order_by(SharingClosing.starts_at)
    )
    return [
        ClosingOut(
            id=row.id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            reason=row.reason,
            lifted_at=row.lifted_at,
        )
        for row in rows
    ]


async def booked_out(
    session: AsyncSession, who: Identity, facility_id: UUID, since: datetime, until: datetime, limit: int
) -> list[BookedOut]:
    """What is or was booked at a facility within a time, by its begin. Raises NotShared, NotAllowed."""
    await facility_to_keep(session, who, facility_id)
    rows = await session.execute(
        text(
            "select b.id, s.number, b.kind, b.state, b.starts_at, b.ends_at, b.price from booking b"
            " join space s on s.id = coalesce((select n.space_id from booking_slot n"
            "  where n.booking_id = b.id and n.live and upper(n.during) > :since order by n.number limit 1),"
            "  b.space_id) where b.facility_id = :facility and b.ends_at > :since"
            " and b.starts_at < :until order by b.starts_at, b.id limit :limit"
        ),
        {"facility": facility_id, "since": since, "until": until, "limit": limit},
    )
    return [
        BookedOut(
            id=row.id,
            space=row.number,
            kind=BookingKind(row.kind),
            state=BookingState(row.state),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            price=row.price,
        )
        for row in rows
    ]


async def booked_shares(
    session: AsyncSession, facility_id: UUID, plan: Plan, spaces: int, bounds: Span
) -> list[tuple[Span, float]]:
    """The open times, half hour by half hour, each with the share of the spaces that is booked."""
    rows = await session.execute(
        text(
            "select lower(s.during), upper(s.during) from booking_slot s join booking b"
            " on b.id = s.booking_id where b.facility_id = :facility and s.live"
            " and s.during && tstzrange(:start, :end)"
        ),
        {"facility": facility_id, "start": bounds.start, "end": bounds.end},
    )
    booked = [Span(start, end) for start, end in rows]
    found: list[tuple[Span, float]] = []
    for open_ in rules.open_times(plan, bounds).times:
        at = open_.start
        while at < open_.end:
            next_ = at + HALF_HOUR - timedelta(seconds=at.timestamp() % HALF_HOUR.total_seconds())
            part = Span(at, min(next_, open_.end))
            held = sum(s.start < part.end and part.start < s.end for s in booked)
            found.append((part, min(held / spaces, 1.0) if spaces else 0.0))
            at = part.end
    return found

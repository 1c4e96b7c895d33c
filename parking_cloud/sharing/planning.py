"""Keeping plans: by the institution whose facility it is, or by the city. All of it is audited.

What is booked stays booked, whatever a plan says later: only an emergency closing takes it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.registry.sharing import SharingFacility, shared_spaces, sharing_facilities
from parking_cloud.sharing import ceiling, problems, rules
from parking_cloud.sharing.models import SharingException, SharingPlan, SharingWindow
from parking_cloud.sharing.paying import lapse_at
from parking_cloud.sharing.rule import rule_at
from parking_cloud.sharing.rules import Plan, Window
from parking_cloud.sharing.schemas import ExceptionIn, PlanIn, PlanState, WindowIn
from parking_cloud.sharing.service import concerned
from parking_cloud.sharing.times import Span

FURTHEST = timedelta(days=400)


async def facility_to_keep(session: AsyncSession, who: Identity, facility_id: UUID) -> SharingFacility:
    """A facility whose plan one may keep. Raises NotShared, NotAllowed."""
    found = await sharing_facilities(session, facility_ids=[facility_id])
    if not found:
        raise problems.NotShared()
    own = who.role is Role.INSTITUTION_MANAGER and who.institution_id is not None
    if who.role is not Role.CITY_ADMINISTRATOR and not (
        own and found[0].institution_id == who.institution_id
    ):
        raise NotAllowed()
    return found[0]


async def save_plan(
    session: AsyncSession,
    who: Identity,
    facility_id: UUID,
    stated: PlanIn,
    now: datetime,
) -> int:
    """Keep a facility's plan; its version. Raises NotShared, NotAllowed, InvalidInput, TooDear."""
    facility = await facility_to_keep(session, who, facility_id)
    await _check(session, facility, stated, now)
    if stated.published:
        ceiling.refuse_too_dear(await ceiling.compare(session, facility_id, plan_of(stated), now))
    await alone(session, f"bookings at {facility_id}")
    row = await session.get(SharingPlan, facility_id, with_for_update=True)
    if row is None:
        row = SharingPlan(facility_id=facility_id, version=0)
        session.add(row)
    row.version += 1
    row.state = PlanState.PUBLISHED if stated.published else PlanState.DRAFT
    row.work_start, row.work_end = stated.work_start, stated.work_end
    row.price_hour, row.price_evening = stated.price_hour, stated.price_evening
    row.price_month, row.walk_in = stated.price_month, stated.walk_in
    row.exemption, row.note = stated.exemption, stated.note
    row.changed_at, row.changed_by = now, who.user_id
    await session.flush()
    await session.execute(delete(SharingWindow).where(SharingWindow.facility_id == facility_id))
    session.add_all(
        SharingWindow(
            facility_id=facility_id,
            number=number,
            days=sorted(day.value for day in set(window.days)),
            start_minute=window.start,
            until_minute=window.until,
            space_ids=None if window.space_ids is None else sorted(set(window.space_ids)),
        )
        for number, window in enumerate(stated.windows)
    )
    await session.flush()
    detail = {"version": row.version, "state": row.state}
    await note(session, who, "sharing.plan_saved", facility_id, "", detail)
    return row.version


async def add_exception(
    session: AsyncSession, who: Identity, facility_id: UUID, stated: ExceptionIn, now: datetime
) -> UUID:
    """On one date it is open, or closed, other than planned.

    Raises NotShared, NotAllowed, InvalidInput, BookingsConcerned: what is booked stays booked.
    """
    await facility_to_keep(session, who, facility_id)
    span = Span(rules.moment(stated.day, stated.start), rules.moment(stated.day, stated.until))
    if stated.until <= stated.start:
        raise _wrong("until", "has to be after start")
    if not now < span.end < now + FURTHEST:
        raise _wrong("day", "today or later, within 400 days")
    await alone(session, f"bookings at {facility_id}")
    if await session.get(SharingPlan, facility_id) is None:
        raise problems.NotShared()
    await lapse_at(session, facility_id, now)
    if not stated.open:
        booked = await concerned(session, facility_id, span, now)
        if booked:
            raise problems.BookingsConcerned(count=len(booked))
    row = SharingException(
        id=new_id(),
        facility_id=facility_id,
        day=stated.day,
        open=stated.open,
        start_minute=stated.start,
        until_minute=stated.until,
        reason=stated.reason,
        made_at=now,
    )
    session.add(row)
    await session.flush()
    detail = {"day": stated.day.isoformat(), "open": stated.open}
    await note(session, who, "sharing.exception_added", facility_id, stated.reason, detail)
    return row.id


async def drop_exception(
    session: AsyncSession, who: Identity, facility_id: UUID, exception_id: UUID, now: datetime
) -> None:
    """It is as planned again on that date. One that opened a time that is booked stays. Raises NotShared,
    NotAllowed, BookingsConcerned."""
    await facility_to_keep(session, who, facility_id)
    await alone(session, f"bookings at {facility_id}")
    row = await session.scalar(
        select(SharingException).where(
            SharingException.id == exception_id, SharingException.facility_id == facility_id
        )
    )
    if row is None:
        return
    await lapse_at(session, facility_id, now)
    if row.open:
        span = Span(rules.moment(row.day, row.start_minute), rules.moment(row.day, row.until_minute))
        booked = await concerned(session, facility_id, span, now)
        if booked:
            raise problems.BookingsConcerned(count=len(booked))
    await session.delete(row)
    await session.flush()
    await note(session, who, "sharing.exception_dropped", facility_id, "", {"day": row.day.isoformat()})


def plan_of(stated: PlanIn) -> Plan:
    """A plan as it is stated, without exceptions and closings."""
    return Plan(
        windows=tuple(_window(window) for window in stated.windows),
        price_hour=stated.price_hour,
        price_evening=stated.price_evening,
        price_month=stated.price_month,
        walk_in=stated.walk_in,
    )


def _window(stated: WindowIn) -> Window:
    ids = None if stated.space_ids is None else frozenset(stated.space_ids)
    return Window(days=frozenset(stated.days), start=stated.start, until=stated.until, space_ids=ids)


async def _check(session: AsyncSession, facility: SharingFacility, stated: PlanIn, now: datetime) -> None:
    errors: list[dict[str, str]] = []
    if stated.work_end <= stated.work_start:
        errors.append({"field": "work_end", "message": "has to be after work_start"})
    shared = {space.id for space in (await shared_spaces(session, [facility.id])).get(facility.id, [])}
    for number, window in enumerate(stated.windows):
        if window.until <= window.start:
            errors.append({"field": f"windows.{number}.until", "message": "has to be after start"})
        if window.space_ids is not None and not set(window.space_ids) <= shared:
            errors.append({"field": f"windows.{number}.space_ids", "message": "not all of them are shared"})
    if stated.exemption:
        rule = await rule_at(session, now)
        if rule is None or stated.exemption not in {each.code for each in rule.exemptions}:
            errors.append({"field": "exemption", "message": "is none of the city's exemptions"})
    if errors:
        raise InvalidInput(errors=errors)


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": field, "message": message}])


async def note(
    session: AsyncSession,
    who: Identity,
    action: str,
    facility_id: UUID,
    reason: str,
    detail: dict[str, Any],
) -> None:
    """What was done about a facility's sharing, on record."""
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="facility",
        subject_id=str(facility_id),
        reason=reason,
        detail=detail,
    )

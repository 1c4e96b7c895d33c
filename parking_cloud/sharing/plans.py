"""Plans as they are read: for deciding when a facility is open."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.clock import city_time
from parking_cloud.sharing import rules
from parking_cloud.sharing.models import (
    SharingClosing,
    SharingException,
    SharingPlan,
    SharingPolicy,
    SharingWindow,
)
from parking_cloud.sharing.rules import OneDay, Plan, Policy, Window
from parking_cloud.sharing.schemas import PlanState
from parking_cloud.sharing.times import Span

_AS_IT_IS_NOW: dict[str, Any] = {"populate_existing": True}
"""Who has waited for a facility's lock may have read its plan before."""


async def policy_at(session: AsyncSession, now: datetime) -> Policy:
    """How bookings go now."""
    row = await session.scalar(
        select(SharingPolicy)
        .where(SharingPolicy.effective_from <= now)
        .order_by(SharingPolicy.effective_from.desc())
        .limit(1)
    )
    if row is None:
        return rules.POLICY
    return Policy(
        hold_minutes=row.hold_minutes,
        cancel_free_minutes=row.cancel_free_minutes,
        unused_percent=row.unused_percent,
        most_open=row.most_open,
        days_ahead=row.days_ahead,
        near_metres=row.near_metres,
    )


async def published(
    session: AsyncSession, since: datetime, facility_ids: Collection[UUID] | None = None
) -> dict[UUID, Plan]:
    """The plans that are in force, by facility, with their exceptions and closings since a moment."""
    query = select(SharingPlan).where(SharingPlan.state == PlanState.PUBLISHED, SharingPlan.exemption == "")
    if facility_ids is not None:
        query = query.where(SharingPlan.facility_id.in_(facility_ids))
    rows = (await session.scalars(query.execution_options(**_AS_IT_IS_NOW))).all()
    ids = [row.facility_id for row in rows]
    windows = await windows_of(session, ids)
    exceptions = await exceptions_of(session, ids, since)
    closings = await closings_of(session, since, ids)
    return {
        row.facility_id: Plan(
            windows=windows.get(row.facility_id, ()),
            exceptions=exceptions.get(row.facility_id, ()),
            closings=tuple(closings.get(row.facility_id, ())),
            price_hour=row.price_hour,
            price_evening=row.price_evening,
            price_month=row.price_month,
            walk_in=row.walk_in,
        )
        for row in rows
    }


async def windows_of(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, tuple[Window, ...]]:
    """The windows of these facilities' plans."""
    found: dict[UUID, tuple[Window, ...]] = {}
    query = select(SharingWindow).where(SharingWindow.facility_id.in_(facility_ids))
    query = query.order_by(SharingWindow.facility_id, SharingWindow.number)
    for row in await session.scalars(query.execution_options(**_AS_IT_IS_NOW)):
        window = Window(
            days=frozenset(DayKind(day) for day in row.days),
            start=row.start_minute,
            until=row.until_minute,
            space_ids=None if row.space_ids is None else frozenset(row.space_ids),
        )
        found[row.facility_id] = (*found.get(row.facility_id, ()), window)
    return found


async def exceptions_of(
    session: AsyncSession, facility_ids: Collection[UUID], since: datetime
) -> dict[UUID, tuple[OneDay, ...]]:
    """The exceptions of these facilities since a moment."""
    first = city_time(since).date() - timedelta(days=2)
    found: dict[UUID, tuple[OneDay, ...]] = {}
    rows = await session.scalars(
        select(SharingException).where(
            SharingException.facility_id.in_(facility_ids), SharingException.day >= first
        )
    )
    for row in rows:
        one = OneDay(row.day, row.open, row.start_minute, row.until_minute)
        found[row.facility_id] = (*found.get(row.facility_id, ()), one)
    return found


async def closings_of(
    session: AsyncSession, since: datetime, facility_ids: Collection[UUID] | None = None
) -> dict[UUID, list[Span]]:
    """When facilities are closed in an emergency, since a moment; those that were lifted, until then."""
    here: list[ColumnElement[bool]] = [SharingClosing.ends_at > since - timedelta(days=2)]
    if facility_ids is not None:
        here.append(SharingClosing.facility_id.in_(facility_ids))
    found: dict[UUID, list[Span]] = {}
    query = select(SharingClosing).where(*here).execution_options(**_AS_IT_IS_NOW)
    for row in await session.scalars(query):
        ends = row.ends_at if row.lifted_at is None else min(row.ends_at, row.lifted_at)
        if row.starts_at < ends:
            found.setdefault(row.facility_id, []).append(Span(row.starts_at, ends))
    return found

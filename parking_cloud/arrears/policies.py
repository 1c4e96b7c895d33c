"""Arrears policies: which is in force for a charge, and how a new one is added."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.arrears.models import ArrearsPolicy
from parking_cloud.arrears.rules import Policy, PolicyStatus
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput

Day = Annotated[int, msgspec.Meta(ge=1, le=3650)]


class PolicyIn(msgspec.Struct, frozen=True, kw_only=True):
    """A policy from a day in the future on. Confirmed is only what names the clause that makes it law
    here."""

    effective_from: date
    make_up_from_day: Day
    nearly_overdue_from_day: Day
    overdue_from_day: Day
    reminders_needed: Annotated[int, msgspec.Meta(ge=2, le=9)]
    answer_working_days: Annotated[int, msgspec.Meta(ge=1, le=60)]
    status: PolicyStatus
    legal_basis: Annotated[str, msgspec.Meta(max_length=500)] = ""
    source: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class PolicyOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    effective_from: date
    make_up_from_day: int
    nearly_overdue_from_day: int
    overdue_from_day: int
    reminders_needed: int
    answer_working_days: int
    status: PolicyStatus
    legal_basis: str
    source: str


async def add_policy(session: AsyncSession, who: Identity, stated: PolicyIn, now: datetime) -> UUID:
    """Add one. Charges that are final before its day keep theirs. Raises InvalidInput."""
    errors = _errors(stated, city_time(now).date())
    if errors:
        raise InvalidInput(errors=[{"field": field, "message": message} for field, message in errors])
    id_ = new_id()
    added = await session.scalar(
        insert(ArrearsPolicy)
        .values(id=id_, **(msgspec.structs.asdict(stated) | {"status": stated.status.value}))
        .on_conflict_do_nothing(index_elements=["effective_from"])
        .returning(ArrearsPolicy.id)
    )
    if added is None:
        message = "another policy begins on this day; policies are never changed"
        raise InvalidInput(errors=[{"field": "effective_from", "message": message}])
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="arrears.policy_added",
        subject_type="arrears_policy",
        subject_id=str(id_),
        reason=stated.source,
    )
    return id_


def _errors(stated: PolicyIn, today: date) -> list[tuple[str, str]]:
    errors = []
    if not stated.make_up_from_day < stated.nearly_overdue_from_day < stated.overdue_from_day:
        errors.append(("overdue_from_day", "the stages must follow each other"))
    if stated.effective_from <= today:
        errors.append(("effective_from", "must be ahead: nobody's terms are changed behind their back"))
    if stated.status is PolicyStatus.CONFIRMED and not stated.legal_basis.strip():
        errors.append(("legal_basis", "a confirmed policy names the clause that it rests on"))
    return errors


async def list_policies(session: AsyncSession) -> list[PolicyOut]:
    """All of them, the newest first."""
    rows = await session.scalars(select(ArrearsPolicy).order_by(ArrearsPolicy.effective_from.desc()))
    return [
        PolicyOut(
            id=row.id,
            effective_from=row.effective_from,
            make_up_from_day=row.make_up_from_day,
            nearly_overdue_from_day=row.nearly_overdue_from_day,
            overdue_from_day=row.overdue_from_day,
            reminders_needed=row.reminders_needed,
            answer_working_days=row.answer_working_days,
            status=PolicyStatus(row.status),
            legal_basis=row.legal_basis,
            source=row.source,
        )
        for row in rows
    ]


async def policies(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Policy]:
    """These policies, as the rules take them."""
    rows = await session.scalars(select(ArrearsPolicy).where(ArrearsPolicy.id.in_(ids)))
    return {row.id: _policy(row) for row in rows}


async def policy_for(session: AsyncSession, moment: datetime) -> tuple[UUID, Policy] | None:
    """The one in force on a moment's day in the city; None where there is none: then no clock runs."""
    row = await session.scalar(
        select(ArrearsPolicy)
        .where(ArrearsPolicy.effective_from <= city_time(moment).date())
        .order_by(ArrearsPolicy.effective_from.desc())
        .limit(1)
    )
    return None if row is None else (row.id, _policy(row))


def _policy(row: ArrearsPolicy) -> Policy:
    return Policy(
        row.make_up_from_day,
        row.nearly_overdue_from_day,
        row.overdue_from_day,
        row.reminders_needed,
        row.answer_working_days,
        PolicyStatus(row.status),
    )

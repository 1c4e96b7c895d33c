"""The record of an institution: who was turned away at its gates, and what it says about it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotFound, Problem
from parking_cloud.registry.service import facility_names
from parking_cloud.sharing.entry_rules import stands_against
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.people import facilities_for
from parking_cloud.sharing.turn_away_models import TurnAway


class TurnAwayOut(msgspec.Struct, frozen=True, kw_only=True):
    """One, without anything that tells who it was."""

    id: UUID
    facility_id: UUID
    facility: str
    at: datetime
    lane: str
    gate_state: str
    gate_failure: str
    gate_told_at: datetime | None
    gate_acknowledged_at: datetime | None
    seen_at_gate: datetime | None
    had_been_in: bool
    distance_m: int | None
    space_occupied: bool | None
    facility_free: int | None
    refund: int
    counts: bool
    """Against the institution: not what was said from kilometres away, nor what nothing bears out."""
    comment: str
    commented_at: datetime | None


class CommentIn(msgspec.Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(min_length=2, max_length=500)]


class TurnAwayNotFound(NotFound):
    slug = "turn-away-not-found"
    title = {"zh-CN": "没有这条记录", "en": "There is no such record"}


class CommentedAlready(Problem):
    slug = "commented-already"
    status = 409
    title = {"zh-CN": "已说明过", "en": "It has been answered already"}
    detail = {"zh-CN": "说明提交后不再更改。", "en": "What was said stands."}


async def turn_aways(
    session: AsyncSession, who: Identity, *, before: datetime | None, limit: int
) -> list[TurnAwayOut]:
    """Those at the facilities that somebody answers for, newest first."""
    places = {each.id: each.name for each in await facilities_for(session, who)}
    query = select(TurnAway).where(TurnAway.facility_id.in_(places))
    if before is not None:
        query = query.where(TurnAway.at < before)
    rows = await session.scalars(query.order_by(TurnAway.at.desc(), TurnAway.id).limit(limit))
    return [_shown(row, places[row.facility_id]) for row in rows]


async def comment(
    session: AsyncSession, who: Identity, turn_away_id: UUID, said: CommentIn, now: datetime
) -> TurnAwayOut:
    """The institution, or its operator, says how it came about; once. Raises TurnAwayNotFound,
    CommentedAlready."""
    row = await session.get(TurnAway, turn_away_id, with_for_update=True, populate_existing=True)
    places = {each.id: each.name for each in await facilities_for(session, who)}
    if row is None or row.facility_id not in places or who.role is Role.AUDITOR:
        raise TurnAwayNotFound()
    if row.comment:
        raise CommentedAlready()
    row.comment, row.commented_by, row.commented_at = said.text.strip(), who.user_id, now
    await session.flush()
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="sharing.turn_away_commented",
        subject_type="turn_away",
        subject_id=str(row.id),
    )
    return _shown(row, places[row.facility_id])


async def mine(session: AsyncSession, user_id: UUID) -> list[TurnAwayOut]:
    """Where a driver was turned away, newest first: all that was noted of it."""
    query = select(TurnAway).join(Booking, Booking.id == TurnAway.booking_id)
    rows = await session.scalars(query.where(Booking.user_id == user_id).order_by(TurnAway.at.desc()))
    found = rows.all()
    names = await facility_names(session, {row.facility_id for row in found})
    return [_shown(row, names[row.facility_id]) for row in found]


async def turn_away_counts(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, int]:
    """How many drivers were turned away in a time, by facility; without what does not count."""
    rows = await session.scalars(select(TurnAway).where(TurnAway.at >= since, TurnAway.at < until))
    return dict(Counter(row.facility_id for row in rows if _counts(row)))


def _counts(row: TurnAway) -> bool:
    seen = row.seen_at_gate is not None
    return stands_against(PassState(row.gate_state), seen=seen, metres=row.distance_m)


def _shown(row: TurnAway, facility: str) -> TurnAwayOut:
    fields = (f for f in TurnAwayOut.__struct_fields__ if f not in ("facility", "counts"))
    noted = {name: getattr(row, name) for name in fields}
    return TurnAwayOut(facility=facility, counts=_counts(row), **noted)

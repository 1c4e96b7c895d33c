"""What people decide of a stay: confirm or correct it with proof, or void it; large amounts by two of them.

A decision is a row of its own and an input to rules.visits, so that later records do not undo it silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.registry.service import facility_labels
from parking_cloud.stays import corrections, facts
from parking_cloud.stays.costs import cost_of
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.models import Stay, StayDecision
from parking_cloud.stays.plausible import Cause, Policy
from parking_cloud.stays.problems import (
    DecisionNotFound,
    OtherPersonNeeded,
    ProofNeeded,
    StayNotFound,
    StaysOverlap,
)
from parking_cloud.stays.schemas import StayState
from parking_cloud.stays.visit import Action
from parking_cloud.stays.wire import Resolution
from sensor_gateway.sealing import PlateVault

Row = Mapping[str, Any]


class Done(NamedTuple):
    """What became of a decision: it holds, or waits for a second person."""

    decision_id: UUID
    holds: bool


async def resolve(
    session: AsyncSession,
    vault: PlateVault | None,
    who: Identity,
    stay_id: UUID,
    said: Resolution,
    now: datetime,
) -> Done:
    """Decide of a stay. Raises StayNotFound, NotAllowed, ProofNeeded, InvalidInput, StaysOverlap."""
    stay = await stay_row(session, stay_id)
    await may_act(session, who, stay["facility_id"])
    entered_at, exited_at = _times(stay, said, now)
    if said.action is not Action.VOID and not said.evidence:
        raise ProofNeeded(errors=[{"field": "evidence", "reason": "needed"}])
    policy = (await facts.policies(session, [stay["facility_id"]]))[stay["facility_id"]]
    decision = StayDecision(
        stay_id=stay_id,
        action=said.action.value,
        entered_at=entered_at,
        exited_at=exited_at,
        basis_entered_at=stay["derived_entered_at"],
        basis_exited_at=stay["derived_exited_at"],
        evidence=list(said.evidence),
        reason=said.reason,
        decided_by=who.user_id,
        decided_at=now,
        needs_second=await _needs_second(session, stay, said.action, entered_at, exited_at, policy),
    )
    session.add(decision)
    await session.flush()
    await _audit(session, who, f"stays.{said.action}", stay_id, said.reason)
    if not decision.needs_second:
        await _hold(session, vault, stay, decision, now, who.user_id)
    return Done(decision.id, decision.effective_at is not None)


async def second(
    session: AsyncSession,
    vault: PlateVault | None,
    who: Identity,
    stay_id: UUID,
    decision_id: UUID,
    now: datetime,
) -> Done:
    """Agree to what another person decided. Raises DecisionNotFound, OtherPersonNeeded, StaysOverlap."""
    stay = await stay_row(session, stay_id)
    await may_act(session, who, stay["facility_id"])
    query = select(StayDecision).where(StayDecision.id == decision_id, StayDecision.stay_id == stay_id)
    decision = await session.scalar(query.with_for_update())
    if decision is None or not decision.needs_second:
        raise DecisionNotFound()
    if decision.decided_by == who.user_id:
        raise OtherPersonNeeded()
    if decision.effective_at is None:
        decision.seconded_by = who.user_id
        await _audit(session, who, "stays.seconded", stay_id, decision.reason)
        await _hold(session, vault, stay, decision, now, who.user_id)
    return Done(decision.id, True)


async def lapse(session: AsyncSession, vault: PlateVault | None, stay_id: UUID, now: datetime) -> None:
    """Void a stay that nobody has proved in time."""
    stay = await stay_row(session, stay_id)
    decision = StayDecision(
        stay_id=stay_id,
        action=Action.VOID.value,
        basis_entered_at=stay["derived_entered_at"],
        basis_exited_at=stay["derived_exited_at"],
        evidence=[],
        reason="not proved in time",
        decided_at=now,
        needs_second=False,
    )
    session.add(decision)
    await _hold(session, vault, stay, decision, now, None)


async def _hold(
    session: AsyncSession,
    vault: PlateVault | None,
    stay: Row,
    decision: StayDecision,
    now: datetime,
    by: UUID | None,
) -> None:
    """Let a decision take effect: on the stay, and on the lot's own system."""
    decision.effective_at = now
    await session.flush()
    why = Why(now, Cause.PERSON if by else Cause.TIME, by)
    if stay["plate_hash"] is None:
        await restate(session, vault, {}, why, [stay["entry_event_id"]])
    else:
        since = min(stay["facts_from"], decision.entered_at or stay["facts_from"])
        await restate(session, vault, {stay["plate_hash"]: since}, why)
    after = await stay_row(session, stay["id"])
    wanted = StayState.VOID if decision.action == Action.VOID else StayState.CLOSED
    if after["state"] != wanted:
        raise StaysOverlap()
    await corrections.tell(session, stay, after, decision.reason, now)


def _times(stay: Row, said: Resolution, now: datetime) -> tuple[datetime | None, datetime | None]:
    """From when to when the stay is decided to have lasted; nothing of one that is void."""
    if said.action is Action.VOID:
        return None, None
    entered_at: datetime = said.entered_at or stay["entered_at"]
    exited_at: datetime | None = said.exited_at or stay["exited_at"]
    errors = []
    if said.action is Action.CORRECT and said.entered_at is None and said.exited_at is None:
        errors.append({"field": "entered_at, exited_at", "reason": "say what was different"})
    if exited_at is None:
        errors.append({"field": "exited_at", "reason": "needed: the end is not known"})
    for name, at in (("entered_at", entered_at), ("exited_at", exited_at)):
        if at is not None and (at.tzinfo is None or at > now + timedelta(seconds=1)):
            errors.append({"field": name, "reason": "must have a zone, and not be ahead"})
    if not errors and exited_at is not None and exited_at < entered_at:
        errors.append({"field": "exited_at", "reason": "before entered_at"})
    if errors:
        raise InvalidInput(errors=errors)
    return entered_at, exited_at


async def _needs_second(
    session: AsyncSession,
    stay: Row,
    action: Action,
    entered_at: datetime | None,
    exited_at: datetime | None,
    policy: Policy,
) -> bool:
    """Whether two people are needed: it was void, or lasts or costs more than is plausible."""
    if action is Action.VOID or entered_at is None or exited_at is None:
        return False
    if stay["state"] == StayState.VOID or exited_at - entered_at > policy.longest:
        return True
    amount = await cost_of(session, {**stay, "entered_at": entered_at, "exited_at": exited_at})
    return amount is not None and amount > policy.dearest


async def stay_row(session: AsyncSession, stay_id: UUID) -> dict[str, Any]:
    """A stay's row. Raises StayNotFound."""
    row = (await session.execute(select(Stay.__table__).where(Stay.id == stay_id))).one_or_none()
    if row is None:
        raise StayNotFound()
    return dict(row._mapping)


async def may_act(session: AsyncSession, who: Identity, facility_id: UUID) -> None:
    """Raise NotAllowed for staff, or a system, of another operator."""
    if who.role in (Role.OPERATOR_STAFF, Role.INTEGRATION):
        label = (await facility_labels(session, [facility_id])).get(facility_id)
        if label is None or who.operator_id is None or label.operator_id != who.operator_id:
            raise NotAllowed()


async def waiting_too_long(session: AsyncSession, now: datetime, limit: int) -> list[UUID]:
    """Stays under review that nobody proved within their place's days."""
    rows = await session.scalars(
        text(
            "select s.id from stay s left join stay_policy p on p.facility_id = s.facility_id"
            " left join stay_policy c on c.facility_id is null where s.state = 'review' and s.changed_at <"
            " :now - coalesce(p.review_days, c.review_days, :days) * interval '1 day'"
            " order by s.changed_at limit :limit"
        ),
        {"now": now, "days": facts.CITY_REVIEW_DAYS, "limit": limit},
    )
    return list(rows)


async def _audit(session: AsyncSession, who: Identity, action: str, stay_id: UUID, reason: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="stay",
        subject_id=str(stay_id),
        reason=reason,
    )

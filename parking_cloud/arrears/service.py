"""What staff and drivers do with arrears: look, record a reminder given by hand, answer an objection."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import holdings
from parking_cloud.arrears.cases import look_soon
from parking_cloud.arrears.models import ArrearsCase, ArrearsPolicy, ArrearsReminder, Objection
from parking_cloud.arrears.objections import ChargeNotFound, hold, objections_to, record_answer
from parking_cloud.arrears.rules import COLOURS, PolicyStatus, Stage
from parking_cloud.arrears.schemas import AnswerIn, ByHandIn, CaseItem, CasePage, ObjectionOut, Owed
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.payments.charging import lock_charges, waive
from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.registry.service import facility_names
from parking_cloud.stays.decisions import resolve
from parking_cloud.stays.visit import Action
from parking_cloud.stays.wire import Resolution
from sensor_gateway.sealing import PlateVault


def own_operator(who: Identity) -> UUID | None:
    """The operator that this person sees; None: all. Raises NotAllowed for staff of none."""
    if who.role is not Role.OPERATOR_STAFF:
        return None
    if who.operator_id is None:
        raise NotAllowed()
    return who.operator_id


async def list_cases(
    session: AsyncSession,
    who: Identity,
    *,
    stage: Stage | None,
    after: UUID | None,
    limit: int,
) -> CasePage:
    """Unpaid charges, the oldest first; operators' staff see their own."""
    query = (
        select(ArrearsCase, ArrearsPolicy.status)
        .join(ArrearsPolicy, ArrearsPolicy.id == ArrearsCase.policy_id)
        .where(ArrearsCase.closed_at.is_(None))
        .order_by(ArrearsCase.charge_id)
        .limit(limit + 1)
    )
    if (operator := own_operator(who)) is not None:
        query = query.where(ArrearsCase.operator_id == operator)
    if stage is not None:
        query = query.where(ArrearsCase.stage == stage.value)
    if after is not None:
        query = query.where(ArrearsCase.charge_id > after)
    rows = (await session.execute(query)).all()
    ids = [case.charge_id for case, _ in rows]
    charges = await charge_facts(session, ids)
    names = await facility_names(session, {case.facility_id for case, _ in rows})
    given = await _given(session, ids)
    paused = await _paused(session, ids)
    items = [
        CaseItem(
            charge_id=case.charge_id,
            stay_id=charges[case.charge_id].stay_id,
            facility=names[case.facility_id],
            stage=Stage(case.stage),
            colour=COLOURS[Stage(case.stage)],
            stage_since=case.stage_since,
            final_at=case.final_at,
            owed=case.owed,
            reminders_given=given.get((case.charge_id, case.round), 0),
            paused=case.charge_id in paused,
            only_informs=status == PolicyStatus.UNCONFIRMED,
        )
        for case, status in rows[:limit]
    ]
    return CasePage(items, items[-1].charge_id if len(rows) > limit else None)


async def _given(session: AsyncSession, ids: list[UUID]) -> dict[tuple[UUID, int], int]:
    rows = await session.execute(
        select(ArrearsReminder.charge_id, ArrearsReminder.round, func.count())
        .where(ArrearsReminder.charge_id.in_(ids), ArrearsReminder.given_at.is_not(None))
        .group_by(ArrearsReminder.charge_id, ArrearsReminder.round)
    )
    return {(charge, round_): count for charge, round_, count in rows}


async def _paused(session: AsyncSession, ids: list[UUID]) -> set[UUID]:
    query = select(Objection.charge_id).where(Objection.charge_id.in_(ids), Objection.state == "open")
    return set(await session.scalars(query))


async def reminded_by_hand(
    session: AsyncSession, who: Identity, charge_id: UUID, given: ByHandIn, now: datetime
) -> None:
    """A reminder that no notice could give was given otherwise: the one that waits, else the next.

    Raises ChargeNotFound, NotAllowed, InvalidInput (a time that cannot be).
    """
    case = await session.get(ArrearsCase, charge_id, with_for_update=True)
    if case is None or case.closed_at is not None:
        raise ChargeNotFound()
    if own_operator(who) not in (None, case.operator_id):
        raise NotAllowed()
    if given.given_at.tzinfo is None or not case.counts_from <= given.given_at <= now:
        message = "must have a zone, not be ahead, and not before the charge was due"
        raise InvalidInput(errors=[{"field": "given_at", "message": message}])
    asked = (
        await session.scalars(
            select(ArrearsReminder)
            .where(ArrearsReminder.charge_id == charge_id, ArrearsReminder.round == case.round)
            .order_by(ArrearsReminder.number)
        )
    ).all()
    reminder = next((r for r in asked if r.given_at is None), None)
    if reminder is None:
        number = len(asked) + 1
        key = f"by hand {charge_id} {case.round} {number}"
        reminder = ArrearsReminder(
            charge_id=charge_id, round=case.round, number=number, dedupe_key=key, asked_at=now
        )
        session.add(reminder)
    reminder.how, reminder.given_at, reminder.note = "by_hand", given.given_at, given.note
    reminder.recorded_by = who.user_id
    await session.flush()
    await look_soon(session, charge_id, now)
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="arrears.reminded_by_hand",
        subject_type="charge",
        subject_id=str(charge_id),
        reason=given.note,
    )


async def answer(
    session: AsyncSession,
    who: Identity,
    objection_id: UUID,
    said: AnswerIn,
    now: datetime,
    plates: PlateVault | None = None,
) -> None:
    """Answer an objection. Upheld, the charge is lowered, and what was paid above it goes back by itself;
    lowered to nothing, its stay is voided, so that the car park's own system learns of it too.

    Raises ObjectionNotFound, ObjectionAnswered, NotAllowed, InvalidInput (not lower than it was), StayNotOver
    (lowered, but not to nothing, while the vehicle is there).
    """
    objection, charge = await hold(session, who, objection_id)
    if said.outcome == "upheld":
        if said.lowered_to >= charge.amount > 0:
            message = "must be below what was charged: an objection that is upheld lowers it"
            raise InvalidInput(errors=[{"field": "lowered_to", "message": message}])
        (locked,) = await lock_charges(session, ids=[charge.id])
        if said.lowered_to or locked.state != ChargeState.OPEN:
            await waive(session, locked, min(said.lowered_to, locked.amount), now)
        if said.lowered_to == 0 and charge.stay_id is not None:
            void = Resolution(action=Action.VOID, reason=said.reason)
            await resolve(session, plates, who, charge.stay_id, void, now)
    await record_answer(session, who, objection, charge, said, now)


async def owed_by(session: AsyncSession, user_id: UUID) -> list[Owed]:
    """What a driver owes for the vehicles they hold, of their own time."""
    held = {holding.plate_hash: holding.since for holding in await holdings(session, user_id)}
    rows = (
        await session.execute(
            select(ArrearsCase, ArrearsPolicy.status)
            .join(ArrearsPolicy, ArrearsPolicy.id == ArrearsCase.policy_id)
            .where(ArrearsCase.plate_hash.in_(list(held)), ArrearsCase.closed_at.is_(None))
            .order_by(ArrearsCase.final_at)
        )
    ).all()
    mine = [
        (case, status)
        for case, status in rows
        if case.plate_hash is not None and case.began_at >= held[case.plate_hash]
    ]
    names = await facility_names(session, {case.facility_id for case, _ in mine})
    paused = await _paused(session, [case.charge_id for case, _ in mine])
    # A case follows its charge a moment later: who has just paid is not asked again.
    charges = await charge_facts(session, [case.charge_id for case, _ in mine])
    return [
        Owed(
            charge_id=case.charge_id,
            facility=names[case.facility_id],
            owed=charges[case.charge_id].owed,
            final_at=case.final_at,
            stage=Stage(case.stage),
            paused=case.charge_id in paused,
            only_informs=status == PolicyStatus.UNCONFIRMED,
        )
        for case, status in mine
        if charges[case.charge_id].owed
    ]


async def objections_of(session: AsyncSession, who: Identity, charge_id: UUID) -> list[ObjectionOut]:
    """A charge's objections, for who may see it. Raises ChargeNotFound."""
    charge = (await charge_facts(session, [charge_id])).get(charge_id)
    if charge is None or own_operator(who) not in (None, charge.operator_id):
        raise ChargeNotFound()
    return await objections_to(session, charge_id)


async def objected_by(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """What a driver objected to and in which words: for the document of all that is kept about them."""
    rows = await session.execute(
        select(Objection.charge_id, Objection.grounds, Objection.state, Objection.opened_at)
        .where(Objection.said_by == user_id)
        .order_by(Objection.id)
    )
    return [dict(row) for row in rows.mappings()]

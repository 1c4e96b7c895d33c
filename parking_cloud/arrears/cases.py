"""Unpaid charges on their way through the stages: opened, moved on by the clock, reminded of, closed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.arrears.models import ArrearsCase, ArrearsReminder, Objection
from parking_cloud.arrears.policies import policies, policy_for
from parking_cloud.arrears.rules import Pause, Policy, Stage, next_look, reminder_is_due, stage
from parking_cloud.arrears.texts import reminder_texts, stage_texts
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import Reader, Texts
from parking_cloud.payments.charging import lock_charges
from parking_cloud.payments.facts import ChargeFacts, charge_facts
from parking_cloud.payments.schemas import ChargeKind, ChargeState
from parking_cloud.stays.service import stay_facts

_AT_ONCE = 500
_LOOK_WHILE_REMINDING = timedelta(hours=6)


async def follow_charges(session: AsyncSession, charge_ids: Collection[UUID], now: datetime) -> None:
    """A charge that has become due has a case, one that no longer is has none open. Again changes nothing."""
    await lock_charges(session, ids=charge_ids)  # as it stands, and nobody settles it meanwhile
    charges = await charge_facts(session, charge_ids)
    due = [charge for charge in charges.values() if charge.state is ChargeState.DUE]
    stays = {charge.stay_id for charge in due if charge.stay_id}
    began = (
        {id_: stay.entered_at for id_, stay in (await stay_facts(session, stays)).items()} if stays else {}
    )
    for _, charge in sorted(charges.items()):
        if charge.kind is not ChargeKind.STAY or charge.stay_id is None:
            continue
        case = await session.get(ArrearsCase, charge.id, with_for_update=True, populate_existing=True)
        if charge.state is not ChargeState.DUE:
            _close(case, charge, now)
        elif case is None or case.closed_at is not None or not _is_of(case, charge):
            await _open(session, charge, case, began[charge.stay_id], now)
        else:
            case.owed = charge.owed
    await session.flush()


def _is_of(case: ArrearsCase, charge: ChargeFacts) -> bool:
    """Whether it is of the charge as it stands: not as it was before, and not of another vehicle."""
    return case.final_at == charge.final_at and case.plate_hash == charge.plate_hash


def _close(case: ArrearsCase | None, charge: ChargeFacts, now: datetime) -> None:
    if case is not None and case.closed_at is None:
        case.closed_at, case.closed_why, case.next_look_at = now, charge.state.value, None


async def _open(
    session: AsyncSession, charge: ChargeFacts, case: ArrearsCase | None, began_at: datetime, now: datetime
) -> None:
    """A new case, or the next round of one whose charge is due anew."""
    assert charge.final_at is not None
    found = await policy_for(session, charge.final_at)
    if found is None:
        return
    # What was paid, and is owed again since a bank took it back, is not old for having been paid.
    again = case is not None and case.final_at == charge.final_at
    counts_from = now if again else charge.final_at
    values = {
        "round": 1 if case is None else case.round + 1,
        "operator_id": charge.operator_id,
        "facility_id": charge.facility_id,
        "plate_hash": charge.plate_hash,
        "policy_id": found[0],
        "owed": charge.owed,
        "began_at": began_at,
        "final_at": charge.final_at,
        "counts_from": counts_from,
        "stage": Stage.PAYMENT_PERIOD.value,
        "stage_since": counts_from,
        "next_look_at": now,
        "closed_at": None,
        "closed_why": "",
    }
    await session.execute(
        insert(ArrearsCase)
        .values(charge_id=charge.id, **values)
        .on_conflict_do_update(index_elements=["charge_id"], set_=values)
    )
    await session.flush()
    opened = await session.get(ArrearsCase, charge.id, populate_existing=True)
    assert opened is not None
    await _tell(
        session, opened, "payment_period", stage_texts(Stage.PAYMENT_PERIOD, charge.owed, found[1]), now
    )


async def advance(session: AsyncSession, now: datetime) -> int:
    """Move on the cases whose time has come; how many were looked at. The worker's job."""
    cases = (
        await session.scalars(
            select(ArrearsCase)
            .where(ArrearsCase.closed_at.is_(None), ArrearsCase.next_look_at <= now)
            .order_by(ArrearsCase.next_look_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
    ).all()
    ids = [case.charge_id for case in cases]
    charges = await charge_facts(session, ids)
    by_id = await policies(session, {case.policy_id for case in cases})
    pauses = await _pauses(session, ids)
    await _note_given(session, ids)
    reminders = await _reminders(session, ids)
    for case in cases:
        charge = charges[case.charge_id]
        if charge.state is not ChargeState.DUE:
            _close(case, charge, now)  # before anybody is reminded of what is not owed any more
            continue
        case.owed = charge.owed
        asked = [r for r in reminders.get(case.charge_id, []) if r.round == case.round]
        await _move(session, case, by_id[case.policy_id], pauses.get(case.charge_id, []), asked, now)
    await session.flush()
    return len(cases)


async def _move(
    session: AsyncSession,
    case: ArrearsCase,
    policy: Policy,
    pauses: Sequence[Pause],
    asked: Sequence[ArrearsReminder],
    now: datetime,
) -> None:
    given = [reminder.given_at for reminder in asked]
    reached = [at for at in given if at is not None]
    held = stage(case.counts_from, pauses, reached, now, policy)
    if held.value != case.stage:
        case.stage, case.stage_since = held.value, now
        if held is Stage.OVERDUE:
            await _tell(session, case, "overdue", stage_texts(held, case.owed, policy), now)
    paused = any(pause.until is None for pause in pauses)
    if reminder_is_due(held, given, now, policy, paused=paused):
        await _remind(session, case, held, policy, len(asked) + 1, now)
    case.next_look_at = next_look(case.counts_from, pauses, now, policy)
    if case.next_look_at is not None and held is not Stage.PAYMENT_PERIOD and held is not Stage.OVERDUE:
        case.next_look_at = min(case.next_look_at, now + _LOOK_WHILE_REMINDING)


async def _remind(
    session: AsyncSession, case: ArrearsCase, held: Stage, policy: Policy, number: int, now: datetime
) -> None:
    key = await _tell(session, case, f"reminder {number}", reminder_texts(held, case.owed, policy), now)
    session.add(
        ArrearsReminder(
            charge_id=case.charge_id,
            round=case.round,
            number=number,
            how="notice",
            dedupe_key=key,
            asked_at=now,
        )
    )
    await session.flush()


async def _tell(session: AsyncSession, case: ArrearsCase, what: str, texts: Texts, now: datetime) -> str:
    """Tell whoever had the vehicle at the time; a vehicle that nobody has verified is told nothing as yet."""
    key = f"arrears {case.charge_id} {case.round} {what}"
    if case.plate_hash is not None:
        reader = Reader(plate_hash=case.plate_hash, about_at=case.began_at)
        kind = f"arrears_{what.split()[0]}"
        await notices.tell(session, reader=reader, kind=kind, dedupe_key=key, texts=texts, now=now)
    return key


async def _pauses(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, list[Pause]]:
    rows = await session.execute(
        select(Objection.charge_id, Objection.opened_at, Objection.answered_at).where(
            Objection.charge_id.in_(ids)
        )
    )
    pauses: dict[UUID, list[Pause]] = {}
    for row in rows:
        pauses.setdefault(row.charge_id, []).append(Pause(row.opened_at, row.answered_at))
    return pauses


async def _note_given(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Take over which reminders have really reached somebody since."""
    waiting = (
        await session.scalars(
            select(ArrearsReminder).where(
                ArrearsReminder.charge_id.in_(ids), ArrearsReminder.given_at.is_(None)
            )
        )
    ).all()
    given = await notices.given(session, [reminder.dedupe_key for reminder in waiting])
    for reminder in waiting:
        if reminder.dedupe_key in given:
            reminder.given_at = given[reminder.dedupe_key].at
    await session.flush()


async def _reminders(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, list[ArrearsReminder]]:
    query = select(ArrearsReminder).where(ArrearsReminder.charge_id.in_(ids))
    reminders: dict[UUID, list[ArrearsReminder]] = {}
    for reminder in await session.scalars(query.order_by(ArrearsReminder.number)):
        reminders.setdefault(reminder.charge_id, []).append(reminder)
    return reminders


async def look_soon(session: AsyncSession, charge_id: UUID, now: datetime) -> None:
    """The clock of a case has stopped or goes on: look at it with the next run."""
    await session.execute(
        text("update arrears_case set next_look_at = :now where charge_id = :charge and closed_at is null"),
        {"charge": charge_id, "now": now},
    )


async def count_by_stage(session: AsyncSession, operator_id: UUID | None) -> dict[Stage, tuple[int, int]]:
    """How many cases are in each stage, and how much they owe (fen); of one operator where it is given."""
    query = select(ArrearsCase.stage, func.count(), func.sum(ArrearsCase.owed)).where(
        ArrearsCase.closed_at.is_(None)
    )
    if operator_id is not None:
        query = query.where(ArrearsCase.operator_id == operator_id)
    rows = {
        Stage(name): (count, int(owed))
        for name, count, owed in await session.execute(query.group_by(ArrearsCase.stage))
    }
    return {held: rows.get(held, (0, 0)) for held in Stage}

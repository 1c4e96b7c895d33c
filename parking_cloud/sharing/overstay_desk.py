"""Overstays as people see them: a driver's own with a way to object, the city's answers and its steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.enforcement.service import withdraw_clue
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem
from parking_cloud.notices.schemas import Reader
from parking_cloud.notices.service import tell
from parking_cloud.registry.service import facility_names
from parking_cloud.sharing.bans import lift
from parking_cloud.sharing.overstay import cause_of
from parking_cloud.sharing.overstay_models import Overstay, OverstayDeed, OverstayObjection, OverstayStep
from parking_cloud.sharing.overstay_rules import Action
from parking_cloud.sharing.overstay_texts import answered_texts

Words = Annotated[str, msgspec.Meta(min_length=4, max_length=1000)]


class StepIn(msgspec.Struct, frozen=True, kw_only=True):
    """One step. What goes against a driver is done only where it is `confirmed`, by its `source`."""

    number: Annotated[int, msgspec.Meta(ge=1, le=20)]
    after_minutes: Annotated[int, msgspec.Meta(ge=1, le=4320)]
    action: Action
    days: Annotated[int, msgspec.Meta(ge=1, le=180)] | None = None
    status: Literal["confirmed", "unconfirmed"]
    source: Annotated[str, msgspec.Meta(min_length=2, max_length=300)]


class StepsIn(msgspec.Struct, frozen=True):
    steps: Annotated[list[StepIn], msgspec.Meta(max_length=20)]
    reason: Words


class DeedOut(msgspec.Struct, frozen=True, kw_only=True):
    action: Action
    done_at: datetime
    until: datetime | None


class OverstayOut(msgspec.Struct, frozen=True, kw_only=True):
    """What was done because a driver had not left in time, and what became of an objection."""

    id: UUID
    facility: str
    booking_id: UUID
    ended_at: datetime
    over_at: datetime | None
    deeds: list[DeedOut]
    objected_at: datetime | None
    objection: str
    upheld: bool | None
    answer: str


class ObjectionIn(msgspec.Struct, frozen=True):
    text: Words


class AnswerIn(msgspec.Struct, frozen=True):
    upheld: bool
    answer: Words


class OverstayNotFound(NotFound):
    slug = "overstay-not-found"
    title = {"zh-CN": "没有这条逾时记录", "en": "There is no such overstay"}


class ObjectedAlready(Problem):
    slug = "objected-already"
    status = 409
    title = {"zh-CN": "已提出过申诉", "en": "You have objected already"}
    detail = {"zh-CN": "请等待答复。", "en": "Wait for the answer."}


class AnsweredAlready(Problem):
    slug = "answered-already"
    status = 409
    title = {"zh-CN": "已答复过", "en": "It is answered already"}
    detail = {"zh-CN": "答复后不再更改。", "en": "An answer stands."}


async def overstays_of(session: AsyncSession, user_id: UUID) -> list[OverstayOut]:
    """A driver's own, newest first."""
    query = select(Overstay).where(Overstay.user_id == user_id).order_by(Overstay.id.desc())
    return await _shown(session, (await session.scalars(query)).all())


async def object_to(
    session: AsyncSession, user_id: UUID, overstay_id: UUID, said: ObjectionIn, now: datetime
) -> OverstayOut:
    """The driver says that it was wrong. Raises OverstayNotFound, ObjectedAlready."""
    overstay = await session.get(Overstay, overstay_id, with_for_update=True)
    if overstay is None or overstay.user_id != user_id:
        raise OverstayNotFound()
    if await session.get(OverstayObjection, overstay_id) is not None:
        raise ObjectedAlready()
    session.add(OverstayObjection(overstay_id=overstay_id, text=said.text.strip(), made_at=now))
    await session.flush()
    return (await _shown(session, [overstay]))[0]


async def waiting_objections(session: AsyncSession, limit: int) -> list[OverstayOut]:
    """Those that the city has still to answer, oldest first."""
    query = (
        select(Overstay)
        .join(OverstayObjection, OverstayObjection.overstay_id == Overstay.id)
        .where(OverstayObjection.answered_at.is_(None))
        .order_by(OverstayObjection.made_at)
        .limit(limit)
    )
    return await _shown(session, (await session.scalars(query)).all())


async def answer(
    session: AsyncSession, who: Identity, overstay_id: UUID, said: AnswerIn, now: datetime
) -> OverstayOut:
    """The city's answer; where the driver was right the suspension is lifted, the clue withdrawn, and nothing
    follows any more. Raises OverstayNotFound, AnsweredAlready."""
    overstay = await session.get(Overstay, overstay_id, with_for_update=True)
    row = await session.get(OverstayObjection, overstay_id, with_for_update=True, populate_existing=True)
    if overstay is None or row is None:
        raise OverstayNotFound()
    if row.answered_at is not None:
        raise AnsweredAlready()
    row.answered_at, row.answered_by, row.upheld, row.answer = now, who.user_id, said.upheld, said.answer
    await session.flush()
    if said.upheld:
        await lift(session, cause_of(overstay_id), now)
        await withdraw_clue(session, cause_of(overstay_id))
    await tell(
        session,
        reader=Reader(user_id=overstay.user_id),
        kind="overstay_answered",
        dedupe_key=f"{cause_of(overstay_id)} answered",
        texts=answered_texts(said.upheld, said.answer),
        now=now,
    )
    await _audit(session, who, "sharing.overstay_answered", "overstay", str(overstay_id), said.answer)
    return (await _shown(session, [overstay]))[0]


async def steps(session: AsyncSession) -> list[StepIn]:
    """The city's steps as they are set."""
    rows = await session.scalars(select(OverstayStep).order_by(OverstayStep.after_minutes))
    return [
        StepIn(
            **{name: getattr(row, name) for name in StepIn.__struct_fields__ if name != "action"},
            action=Action(row.action),
        )
        for row in rows
    ]


async def set_steps(session: AsyncSession, who: Identity, said: StepsIn) -> list[StepIn]:
    """From now on these steps are taken; what was done stays done. Raises InvalidInput."""
    if len({step.number for step in said.steps}) != len(said.steps):
        raise InvalidInput(errors=[{"field": "steps", "message": "two have the same number"}])
    wrong = [step.number for step in said.steps if (step.action is Action.SUSPEND) != (step.days is not None)]
    if wrong:
        raise InvalidInput(errors=[{"field": "days", "message": "a suspension has days, nothing else has"}])
    await session.execute(delete(OverstayStep))
    session.add_all(
        OverstayStep(**msgspec.structs.asdict(step) | {"action": step.action.value}) for step in said.steps
    )
    await session.flush()
    await _audit(session, who, "sharing.overstay_steps_set", "overstay_step", "all", said.reason)
    return await steps(session)


async def _shown(session: AsyncSession, rows: Sequence[Overstay]) -> list[OverstayOut]:
    ids = [row.id for row in rows]
    names = await facility_names(session, {row.facility_id for row in rows})
    deeds: dict[UUID, list[DeedOut]] = {}
    done = select(OverstayDeed).where(OverstayDeed.overstay_id.in_(ids)).order_by(OverstayDeed.done_at)
    for deed in await session.scalars(done):
        shown = DeedOut(action=Action(deed.action), done_at=deed.done_at, until=deed.until)
        deeds.setdefault(deed.overstay_id, []).append(shown)
    found = await session.scalars(select(OverstayObjection).where(OverstayObjection.overstay_id.in_(ids)))
    objections = {each.overstay_id: each for each in found}
    return [_one(row, names[row.facility_id], deeds.get(row.id, []), objections.get(row.id)) for row in rows]


def _one(
    row: Overstay, facility: str, deeds: list[DeedOut], objection: OverstayObjection | None
) -> OverstayOut:
    return OverstayOut(
        id=row.id,
        facility=facility,
        booking_id=row.booking_id,
        ended_at=row.ended_at,
        over_at=row.over_at,
        deeds=deeds,
        objected_at=objection.made_at if objection else None,
        objection=objection.text if objection else "",
        upheld=objection.upheld if objection else None,
        answer=objection.answer if objection else "",
    )


async def _audit(
    session: AsyncSession, who: Identity, action: str, kind: str, subject: str, reason: str
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type=kind,
        subject_id=subject,
        reason=reason,
    )

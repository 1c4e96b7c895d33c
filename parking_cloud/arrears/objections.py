"""Objections: made by whose charge it is, answered by the operator in time or else by the city.

An open one stops the clock of arrears. The first goes to the operator, the second to the city; more than
that is for the courts. The operator carries the proof: what is not answered is not decided against the
driver.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import holdings
from parking_cloud.arrears.cases import look_soon
from parking_cloud.arrears.models import Objection
from parking_cloud.arrears.policies import policy_for
from parking_cloud.arrears.rules import Colour, answer_by
from parking_cloud.arrears.schemas import AnswerIn, ObjectionIn, ObjectionItem, ObjectionOut
from parking_cloud.arrears.texts import OBJECTION_UPHELD, objection_rejected
from parking_cloud.kernel import audit
from parking_cloud.kernel.calendar import add_working_days
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.problems import NotAllowed, NotFound, Problem
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import Reader
from parking_cloud.payments.disputed import dispute
from parking_cloud.payments.facts import ChargeFacts, charge_facts, opened_charge, receipt_opens
from parking_cloud.registry.service import facility_names
from parking_cloud.stays.service import stay_facts

MOST_OBJECTIONS = 2
_DAYS_WITHOUT_POLICY = 5
_STAFF = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)


class ChargeNotFound(NotFound):
    slug = "charge-not-found"
    title = {"zh-CN": "没有这笔账单", "en": "There is no such charge"}


class ObjectionNotFound(NotFound):
    slug = "objection-not-found"
    title = {"zh-CN": "没有这项申诉", "en": "There is no such objection"}


class ObjectionOpen(Problem):
    slug = "objection-open"
    status = 409
    title = {"zh-CN": "申诉正在处理", "en": "An objection is being looked at"}
    detail = {"zh-CN": "请等待答复。", "en": "Wait for its answer."}


class NoMoreObjections(Problem):
    slug = "no-more-objections"
    status = 409
    title = {"zh-CN": "该账单的申诉已由主管部门答复", "en": "The city has answered on this charge already"}
    detail = {
        "zh-CN": "如仍有异议，可通过投诉、调解或诉讼解决。",
        "en": "Where you still disagree, complaint, mediation or the courts are open to you.",
    }


class ObjectionAnswered(Problem):
    slug = "objection-answered"
    status = 409
    title = {"zh-CN": "该申诉已答复", "en": "This objection is answered already"}
    detail = {"zh-CN": "请刷新查看。", "en": "Reload to see the answer."}


async def object_to(
    session: AsyncSession,
    charge_id: UUID,
    said: ObjectionIn,
    who: Identity | None,
    secret_key: str,
    now: datetime,
) -> ObjectionOut:
    """Say that a charge is wrong: its verified driver, who paid it, or staff on a driver's behalf. With a
    receipt, `charge_id` is as the receipt names it.

    Raises ChargeNotFound (also where it is not theirs), ObjectionOpen, NoMoreObjections.
    """
    if said.receipt:
        charge_id = opened_charge(secret_key, charge_id)
    charge = (await charge_facts(session, [charge_id])).get(charge_id)
    if charge is None or not await _is_theirs(session, charge, said, who, secret_key):
        raise ChargeNotFound()
    await alone(session, f"objection to {charge_id}")
    before = (await session.scalars(select(Objection).where(Objection.charge_id == charge_id))).all()
    if any(objection.state == "open" for objection in before):
        raise ObjectionOpen()
    if len(before) >= MOST_OBJECTIONS:
        raise NoMoreObjections()
    policy = await policy_for(session, charge.final_at or now)
    due = (
        add_working_days(city_time(now).date(), _DAYS_WITHOUT_POLICY)
        if policy is None
        else answer_by(now, policy[1])
    )
    objection = Objection(
        charge_id=charge_id,
        operator_id=charge.operator_id,
        facility_id=charge.facility_id,
        said_by=who.user_id if who else None,
        grounds=said.grounds,
        state="open",
        opened_at=now,
        answer_by=due,
        escalated_at=now if before else None,
    )
    session.add(objection)
    await session.flush()
    await dispute(session, charge_id, now, now)
    await look_soon(session, charge_id, now)
    if who is not None and who.role in _STAFF:
        await _audit(session, who, "arrears.objection_on_behalf", objection, "")
    return _shown(objection)


async def _is_theirs(
    session: AsyncSession,
    charge: ChargeFacts,
    said: ObjectionIn,
    who: Identity | None,
    secret_key: str,
) -> bool:
    if said.receipt:
        return await receipt_opens(session, said.receipt, charge.id, secret_key)
    if who is None:
        return False
    if who.role is Role.OPERATOR_STAFF:
        return who.operator_id == charge.operator_id
    if who.role is Role.CITY_ADMINISTRATOR:
        return True
    since = {h.plate_hash: h.since for h in await holdings(session, who.user_id)}
    if charge.plate_hash not in since or charge.stay_id is None:
        return False
    stay = (await stay_facts(session, [charge.stay_id]))[charge.stay_id]
    return stay.entered_at >= since[charge.plate_hash]


async def escalate(session: AsyncSession, now: datetime) -> int:
    """What the operator has not answered in time is the city's from now on; how many. The worker's job."""
    today = city_time(now).date()
    late = (
        await session.scalars(
            select(Objection)
            .where(Objection.state == "open", Objection.escalated_at.is_(None), Objection.answer_by < today)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for objection in late:
        objection.escalated_at = now
    await session.flush()
    return len(late)


async def hold(session: AsyncSession, who: Identity, objection_id: UUID) -> tuple[Objection, ChargeFacts]:
    """An open objection that this person may answer, locked. Raises ObjectionNotFound, NotAllowed,
    ObjectionAnswered."""
    objection = await session.scalar(select(Objection).where(Objection.id == objection_id).with_for_update())
    if objection is None:
        raise ObjectionNotFound()
    if who.role is not Role.CITY_ADMINISTRATOR and (
        who.operator_id != objection.operator_id or objection.escalated_at is not None
    ):
        raise NotAllowed()
    if objection.state != "open":
        raise ObjectionAnswered()
    return objection, (await charge_facts(session, [objection.charge_id]))[objection.charge_id]


async def record_answer(
    session: AsyncSession,
    who: Identity,
    objection: Objection,
    charge: ChargeFacts,
    answer: AnswerIn,
    now: datetime,
) -> None:
    """Write the answer of a held objection, tell the driver, and let the clock go on."""
    objection.state, objection.answer = answer.outcome, answer.reason
    objection.answered_at, objection.answered_by = now, who.user_id
    objection.lowered_to = answer.lowered_to if answer.outcome == "upheld" else None
    await session.flush()
    await dispute(session, objection.charge_id, None, now)
    await look_soon(session, objection.charge_id, now)
    await _tell(session, objection, charge, answer, now)
    await _audit(session, who, f"arrears.objection_{answer.outcome}", objection, answer.reason)


async def _tell(
    session: AsyncSession, objection: Objection, charge: ChargeFacts, answer: AnswerIn, now: datetime
) -> None:
    texts = OBJECTION_UPHELD if answer.outcome == "upheld" else objection_rejected(answer.reason)
    stays = await stay_facts(session, [charge.stay_id]) if charge.stay_id else {}
    began = [stay.entered_at for stay in stays.values()]
    if charge.plate_hash is None or not began:
        return
    await notices.tell(
        session,
        reader=Reader(plate_hash=charge.plate_hash, about_at=began[0]),
        kind=f"objection_{answer.outcome}",
        dedupe_key=f"objection {objection.id}",
        texts=texts,
        now=now,
    )


async def objections_to(session: AsyncSession, charge_id: UUID) -> list[ObjectionOut]:
    """A charge's objections, the oldest first."""
    query = select(Objection).where(Objection.charge_id == charge_id).order_by(Objection.id)
    return [_shown(row) for row in await session.scalars(query)]


async def to_be_answered(
    session: AsyncSession, operator_id: UUID | None, now: datetime, limit: int
) -> list[ObjectionItem]:
    """Open objections, the nearest to its day first; of one operator where it is given."""
    query = select(Objection).where(Objection.state == "open")
    if operator_id is not None:
        query = query.where(Objection.operator_id == operator_id)
    rows = (await session.scalars(query.order_by(Objection.answer_by, Objection.id).limit(limit))).all()
    charges = await charge_facts(session, {row.charge_id for row in rows})
    names = await facility_names(session, {row.facility_id for row in rows})
    today = city_time(now).date()
    return [
        ObjectionItem(
            id=row.id,
            charge_id=row.charge_id,
            stay_id=charges[row.charge_id].stay_id,
            facility=names[row.facility_id],
            amount=charges[row.charge_id].amount,
            paid=charges[row.charge_id].paid,
            grounds=row.grounds,
            opened_at=row.opened_at,
            answer_by=row.answer_by,
            with_the_city=row.escalated_at is not None,
            colour=_colour((row.answer_by - today).days),
        )
        for row in rows
    ]


def _colour(days_left: int) -> Colour:
    if days_left < 1:
        return Colour.RED
    return Colour.YELLOW if days_left <= 2 else Colour.GREEN


def _shown(objection: Objection) -> ObjectionOut:
    return ObjectionOut(
        id=objection.id,
        state=objection.state,
        opened_at=objection.opened_at,
        answer_by=objection.answer_by,
        with_the_city=objection.escalated_at is not None,
        answered_at=objection.answered_at,
        answer=objection.answer,
    )


async def _audit(
    session: AsyncSession, who: Identity, action: str, objection: Objection, reason: str
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="objection",
        subject_id=str(objection.id),
        reason=reason,
    )


async def upheld_counts(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, int]:
    """How many objections were upheld in a time, by facility."""
    query = (
        select(Objection.facility_id, func.count())
        .where(Objection.state == "upheld", Objection.answered_at >= since, Objection.answered_at < until)
        .group_by(Objection.facility_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}

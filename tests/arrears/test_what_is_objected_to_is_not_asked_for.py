"""While an objection is open its charge is asked for nowhere, held against nobody and taken by no mandate."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import holdings
from parking_cloud.arrears import objections, service
from parking_cloud.arrears.schemas import AnswerIn, ObjectionIn
from parking_cloud.kernel.limits import Limiter
from parking_cloud.payments import mandates
from parking_cloud.payments.by_plate import OfferAsk, offer_by_plate
from parking_cloud.payments.charging import StayNotOver, assess_before_leaving, assess_stay, new_charge
from parking_cloud.payments.exits import ExitAsk, ask_to_leave
from parking_cloud.payments.facts import ChargeFacts
from parking_cloud.payments.mandate_models import Mandate
from parking_cloud.payments.policies import Policy, set_policy
from parking_cloud.payments.pricing import quote
from parking_cloud.payments.provider import Method
from parking_cloud.payments.rules import Why
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from parking_cloud.stays.service import stay_facts
from tests.arrears.parts import CHIEF, holder, now_of, policy, unpaid
from tests.payments.parts import HOUR, OWN, VAULT, minute, parked, priced_garage

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SAID = ObjectionIn(grounds="我只停了半小时，出场未被识别")
REJECTED = AnswerIn(outcome="rejected", reason="出入场照片与时间一致")
UPHELD = AnswerIn(outcome="upheld", reason="车不是这辆", lowered_to=0)


@pytest.fixture
async def charge(session: AsyncSession) -> ChargeFacts:
    """Two hours from minute 10, not paid."""
    garage = await priced_garage(session)
    await policy(session)
    return await unpaid(session, garage, at=10)


async def object_to(session: AsyncSession, charge_id: UUID, at: float) -> UUID:
    made = await objections.object_to(session, charge_id, SAID, CHIEF, "a secret", minute(at))
    await session.commit()
    return made.id


async def asked_by_plate(session: AsyncSession, redis: Redis, at: float) -> int:
    ask = OfferAsk(plate=OWN)
    offer = await offer_by_plate(
        session, redis, Limiter(redis), VAULT, ask, address="203.0.113.7", secret_key="k", now=minute(at)
    )
    return int(offer.amount)


async def test_by_plate_nothing_is_asked_until_it_is_answered(
    session: AsyncSession, redis: Redis, charge: ChargeFacts
) -> None:
    assert await asked_by_plate(session, redis, 199) == 2 * HOUR
    objection = await object_to(session, charge.id, 200)
    assert await asked_by_plate(session, redis, 201) == 0
    await service.answer(session, CHIEF, objection, REJECTED, minute(300))
    await session.commit()
    assert await asked_by_plate(session, redis, 301) == 2 * HOUR


async def test_a_payment_under_way_is_given_up_and_one_may_pay_all_the_same(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    order = NewPaymentOrder(provider="stripe", method=Method.ALIPAY, via=Via.PLATE)
    under_way = (await start_payment(session, {charge.id: 2 * HOUR}, order, minute(199))).payment.id
    await object_to(session, charge.id, 200)
    state = await session.scalar(text("select state from payment where id = :id"), {"id": under_way})
    assert state == "cancelled"
    again = await start_payment(session, {charge.id: 2 * HOUR}, order, minute(201))
    assert (again.joined, again.payment.amount) == (False, 2 * HOUR)


async def test_it_does_not_count_against_the_vehicles_standing(
    session: AsyncSession, redis: Redis, charge: ChargeFacts
) -> None:
    later = Policy(pay_later=True, pay_later_limit=HOUR, let_out_when_away=True)
    await set_policy(session, CHIEF, str(charge.facility_id), later, minute(0))
    await parked(session, charge.facility_id, at=200)
    staff = Identity(user_id=uuid4(), username="wu", role=Role.OPERATOR_STAFF, operator_id=charge.operator_id)
    ask = ExitAsk(facility=str(charge.facility_id), plate=OWN, reason="车主在出口询问")

    async def why(at: float) -> Why:
        answer = await ask_to_leave(
            session, redis, Limiter(redis), VAULT, staff, ask, public_url="http://x", now=minute(at)
        )
        return answer.why

    assert await why(230) is Why.DUE
    await object_to(session, charge.id, 231)
    assert await why(232) is Why.PAY_LATER


async def test_a_mandate_waits_for_the_answer(session: AsyncSession, charge: ChargeFacts) -> None:
    li = await holder(session)
    assert await holdings(session, li.user_id)
    mandate = Mandate(
        user_id=li.user_id,
        provider="stripe",
        method="card",
        state="active",
        saved_method="pm_1",
        ceiling_stay=20_000,
        ceiling_day=50_000,
        asked_at=minute(0),
        active_from=minute(0),
    )
    session.add(mandate)
    await session.commit()
    objection = await object_to(session, charge.id, 200)
    await mandates.consider(session, charge.id, minute(201))
    assert await session.scalar(text("select count(*) from payment")) == 0
    await service.answer(session, CHIEF, objection, REJECTED, minute(300))
    await session.commit()
    await mandates.consider(session, charge.id, minute(301))
    assert await session.scalar(text("select sum(amount) from payment where via = 'mandate'")) == 2 * HOUR


async def test_while_the_vehicle_is_there_only_the_whole_stay_is_taken_back(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    stay_id = await parked(session, charge.facility_id, at=200)
    stay = (await stay_facts(session, [stay_id]))[stay_id]
    made = await new_charge(session, stay, minute(230))
    await assess_before_leaving(
        session, stay, made, await quote(session, stay, made, minute(230)), minute(230)
    )
    objection = await object_to(session, made.id, 231)
    lowered = AnswerIn(outcome="upheld", reason="按实际时长", lowered_to=100)
    with pytest.raises(StayNotOver):
        await service.answer(session, CHIEF, objection, lowered, minute(240), VAULT)
    await session.rollback()
    await service.answer(session, CHIEF, objection, UPHELD, minute(241), VAULT)
    await assess_stay(session, stay_id, minute(242))
    facts = {facts.id: facts for facts in [await now_of(session, charge)]}
    assert facts[charge.id].state is ChargeState.DUE
    state = await session.scalar(text("select state from charge where id = :id"), {"id": made.id})
    assert state == "void"

"""While an objection is open nothing moves; unanswered it goes to the city; upheld, money goes back by
itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.arrears import objections, service
from parking_cloud.arrears.cases import advance
from parking_cloud.arrears.models import ArrearsCase
from parking_cloud.arrears.rules import Colour
from parking_cloud.arrears.schemas import AnswerIn, ObjectionIn
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import ChargeFacts, receipt_token, sealed_charge
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.payments.service import record_cash
from parking_cloud.stays.schemas import StayState
from parking_cloud.stays.service import stay_facts
from tests.arrears.parts import CHIEF, holder, now_of, policy, unpaid
from tests.notices.parts import driver
from tests.payments.parts import KEY, VAULT, minute, priced_garage
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
SECRET = "a secret only for tests, long enough"
SAID = ObjectionIn(grounds="我只停了半小时，出场未被识别")
REJECTED = AnswerIn(outcome="rejected", reason="出入场照片与时间一致")
UPHELD = AnswerIn(outcome="upheld", reason="出场漏拍，按实际时长更正", lowered_to=200)


def staff_of(charge: ChargeFacts) -> Identity:
    operator = charge.operator_id
    return Identity(user_id=uuid4(), username="wu", role=Role.OPERATOR_STAFF, operator_id=operator)


async def object_(
    session: AsyncSession, charge: ChargeFacts, who: Identity | None, now: datetime, **changes: str
) -> UUID:
    said = msgspec.structs.replace(SAID, **changes)
    named = sealed_charge(SECRET, charge.id) if said.receipt else charge.id
    return (await objections.object_to(session, named, said, who, SECRET, now)).id


@pytest.fixture
async def charge(session: AsyncSession) -> ChargeFacts:
    """An unpaid charge of a verified driver's vehicle, at noon of a Friday."""
    garage = await priced_garage(session)
    await policy(session)
    return await unpaid(session, garage, at=10)


async def test_nothing_moves_while_it_is_open(
    session: AsyncSession, sessions: Sessions, charge: ChargeFacts
) -> None:
    li = await holder(session)
    objection = await object_(session, charge, li, minute(200))
    await session.commit()
    for days in range(1, 100, 3):
        async with transaction(sessions) as running:
            await advance(running, minute(200) + timedelta(days=days))
    case = await session.get_one(ArrearsCase, charge.id, populate_existing=True)
    assert (case.stage, case.next_look_at) == ("payment_period", None)
    answered = minute(200) + timedelta(days=100)
    await service.answer(session, CHIEF, objection, REJECTED, answered)
    await session.commit()
    for days, stage in ((29, "payment_period"), (31, "make_up")):
        async with transaction(sessions) as running:
            await advance(running, answered + timedelta(days=days))
        await session.rollback()
        assert await session.scalar(select(ArrearsCase.stage)) == stage


async def test_upheld_lowers_the_charge_and_pays_back_by_itself(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    await record_cash(session, {charge.id: charge.amount}, charge.amount, uuid4(), minute(140))
    li = await holder(session)
    objection = await object_(session, charge, li, minute(200))
    await service.answer(session, staff_of(charge), objection, UPHELD, minute(300))
    after = await now_of(session, charge)
    assert (after.amount, after.paid, after.state) == (200, 200, ChargeState.SETTLED)
    with pytest.raises(objections.ObjectionAnswered):
        await service.answer(session, staff_of(charge), objection, UPHELD, minute(301))


async def test_upheld_whole_the_stay_is_taken_back_on_both_sides(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    await record_cash(session, {charge.id: charge.amount}, charge.amount, uuid4(), minute(140))
    objection = await object_(session, charge, CHIEF, minute(200))
    nothing = msgspec.structs.replace(UPHELD, lowered_to=0)
    await service.answer(session, staff_of(charge), objection, nothing, minute(300), VAULT)
    assert charge.stay_id is not None
    assert (await stay_facts(session, [charge.stay_id]))[charge.stay_id].state is StayState.VOID
    await assess_stay(session, charge.stay_id, minute(301))
    after = await now_of(session, charge)
    assert (after.amount, after.paid, after.state) == (0, 0, ChargeState.VOID)


async def test_upheld_must_lower(session: AsyncSession, charge: ChargeFacts) -> None:
    objection = await object_(session, charge, CHIEF, minute(200))
    same = msgspec.structs.replace(UPHELD, lowered_to=charge.amount)
    with pytest.raises(InvalidInput):
        await service.answer(session, staff_of(charge), objection, same, minute(300))


async def test_only_whose_charge_it_is_objects(session: AsyncSession, charge: ChargeFacts) -> None:
    stranger = await driver(session, "stranger")
    others = Identity(user_id=uuid4(), username="x", role=Role.OPERATOR_STAFF, operator_id=uuid4())
    for who in (None, stranger, others):
        with pytest.raises(objections.ChargeNotFound):
            await object_(session, charge, who, minute(200))
    with pytest.raises(objections.ChargeNotFound):
        await object_(session, charge, None, minute(200), receipt=receipt_token(SECRET, uuid4()))
    payment = await record_cash(session, {charge.id: 100}, 100, uuid4(), minute(150))
    assert await object_(session, charge, None, minute(200), receipt=receipt_token(SECRET, payment.id))


async def test_a_later_holder_cannot_object_to_what_was_before_their_time(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    buyer = await holder(session, "buyer", since=minute(30))
    with pytest.raises(objections.ChargeNotFound):
        await object_(session, charge, buyer, minute(200))


async def test_what_is_not_answered_in_time_is_the_citys(session: AsyncSession, charge: ChargeFacts) -> None:
    objection = await object_(session, charge, CHIEF, minute(0))
    # Friday 20 November: five working days on is Friday 27.
    (item,) = await objections.to_be_answered(session, charge.operator_id, minute(0), 10)
    assert (str(item.answer_by), item.colour) == ("2026-11-27", Colour.GREEN)
    assert await objections.escalate(session, minute(0) + timedelta(days=7)) == 0
    assert await objections.escalate(session, minute(0) + timedelta(days=8)) == 1
    late = minute(0) + timedelta(days=8)
    with pytest.raises(NotAllowed):
        await service.answer(session, staff_of(charge), objection, UPHELD, late)
    await service.answer(session, CHIEF, objection, UPHELD, late)


async def test_a_second_objection_is_the_citys_and_there_is_no_third(
    session: AsyncSession, charge: ChargeFacts
) -> None:
    first = await object_(session, charge, CHIEF, minute(200))
    with pytest.raises(objections.ObjectionOpen):
        await object_(session, charge, CHIEF, minute(201))
    await service.answer(session, staff_of(charge), first, REJECTED, minute(300))
    second = await object_(session, charge, CHIEF, minute(400))
    with pytest.raises(NotAllowed):
        await service.answer(session, staff_of(charge), second, REJECTED, minute(500))
    await service.answer(session, CHIEF, second, REJECTED, minute(500))
    with pytest.raises(objections.NoMoreObjections):
        await object_(session, charge, CHIEF, minute(600))


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[AsyncTestClient[Any]]:
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY)) as client:
        yield client


async def test_over_http_by_the_receipt(
    settings: Settings, session: AsyncSession, charge: ChargeFacts, client: AsyncTestClient[Any]
) -> None:
    payment = await record_cash(session, {charge.id: 300}, 300, uuid4(), minute(150))
    await session.commit()
    token = receipt_token(settings.secret_key, payment.id)
    named = sealed_charge(settings.secret_key, charge.id)
    assert named != charge.id
    address = f"/v1/charges/{named}/objections"
    said = {"grounds": SAID.grounds, "receipt": token}
    assert (await client.post(address, json=said | {"receipt": ""})).status_code == 404
    own = f"/v1/charges/{charge.id}/objections"
    assert (await client.post(own, json=said | {"receipt": ""})).status_code == 404
    made = await client.post(address, json=said)
    assert (made.status_code, made.json()["state"]) == (201, "open")
    assert (await client.post(address, json=said)).status_code == 409
    bearer = {"Authorization": f"Bearer {issue(staff_of(charge), settings.secret_key, datetime.now(UTC))}"}
    (waiting,) = (await client.get("/v1/arrears/objections", headers=bearer)).json()
    answer = {"outcome": "upheld", "reason": "按实际时长更正", "lowered_to": 0}
    where = f"/v1/arrears/objections/{waiting['id']}/answer"
    assert (await client.post(where, json=answer, headers=bearer)).status_code == 204
    (told,) = (await client.get(f"/v1/arrears{own[3:]}", headers=bearer)).json()
    assert (told["state"], told["answer"]) == ("upheld", "按实际时长更正")
    page = (await client.get("/v1/arrears/cases", headers=bearer)).json()
    assert [case["charge_id"] for case in page["items"]] == [str(charge.id)]

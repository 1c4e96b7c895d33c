"""Staff over HTTP: cash, waivers and refunds, each with its reason, its own operator, and done once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.offers import Offer, OfferPart, keep_offer
from parking_cloud.payments.schemas import Via
from tests.payments.parts import HOUR, minute
from tests.payments.scene import Scene
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

REASON = "the barrier was stuck"


class Office(NamedTuple):
    """The API as staff of the garage's operator use it, and a charge of two hours."""

    client: AsyncTestClient[Any]
    money: Scene
    charge: UUID
    token: str
    settings: Settings
    operator: UUID

    def signed(self, role: Role = Role.OPERATOR_STAFF, operator: UUID | None = None) -> dict[str, str]:
        own = operator or self.operator
        who = Identity(
            user_id=uuid4(),
            username="li",
            role=role,
            operator_id=own if role is Role.OPERATOR_STAFF else None,
        )
        return {"Authorization": f"Bearer {issue(who, self.settings.secret_key, minute(130))}"}

    async def post(self, address: str, body: dict[str, Any], who: dict[str, str]) -> Any:
        return await self.client.post(address, json=body, headers=who)

    async def cash(self, amount: int, who: dict[str, str]) -> Any:
        return await self.post("/v1/pay/cash", {"token": self.token, "amount": amount}, who)


@pytest.fixture
async def office(settings: Settings, money: Scene, redis: Redis) -> AsyncIterator[Office]:
    await money.ended(120)
    await money.works(130)
    charge = await money.charge()
    part = OfferPart(charge_id=charge.id, asked=charge.amount)
    token = await keep_offer(redis, Offer(parts=[part], via=Via.SCAN))
    async with client_of(settings, money.clock) as client:
        yield Office(client, money, charge.id, token, settings, charge.operator_id)


async def test_cash_counts_and_a_lost_answer_is_given_again(office: Office) -> None:
    who = office.signed() | {"Idempotency-Key": "till 1, receipt 7"}
    first = await office.cash(2 * HOUR, who)
    again = await office.cash(2 * HOUR, who)
    other = await office.cash(HOUR, who)
    assert (first.status_code, first.json()) == (201, again.json())
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "idempotency-key-reused")
    assert await office.money.stands() == ("settled", 2 * HOUR, 2 * HOUR)
    assert await office.money.ledger() == {"operator": -2 * HOUR, "cash": 2 * HOUR}
    twice = await office.cash(2 * HOUR, office.signed())
    assert (twice.status_code, twice.json()["type"].rpartition(":")[2]) == (409, "nothing-owed")


async def test_only_what_is_owed_is_taken_and_only_for_ones_own_operator(office: Office) -> None:
    differs = await office.cash(HOUR, office.signed())
    assert (differs.status_code, differs.json()["type"].rpartition(":")[2]) == (409, "cash-differs")
    others = await office.cash(2 * HOUR, office.signed(operator=uuid4()))
    assert others.status_code == 409
    assert (await office.cash(2 * HOUR, office.signed(Role.CITY_ADMINISTRATOR))).status_code == 403
    assert await office.money.stands() == ("due", 2 * HOUR, 0)


async def test_cash_takes_the_place_of_a_payment_under_way(office: Office) -> None:
    await office.money.begun(2 * HOUR, 130)
    assert (await office.cash(2 * HOUR, office.signed())).status_code == 201
    office.money.provider.payer_pays("pi_0")  # the driver paid by telephone all the same
    await office.money.works(150)
    assert await office.money.stands() == ("settled", 2 * HOUR, 2 * HOUR)
    (refund,) = await office.money.refunds()
    assert (refund.amount, refund.why, refund.state) == (2 * HOUR, "paid_twice", "done")


async def test_a_waiver_gives_back_what_was_paid_above_it_once(office: Office) -> None:
    await office.money.paid(2 * HOUR, 131)
    address = f"/v1/charges/{office.charge}/waiver"
    asked = {"amount": HOUR, "reason": REASON}
    others = await office.post(address, asked, office.signed(operator=uuid4()))
    assert others.status_code == 403
    who = office.signed(Role.CITY_ADMINISTRATOR) | {"Idempotency-Key": "w1"}
    answers = [await office.post(address, asked, who) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    seen = answers[0].json()
    assert (seen["state"], seen["amount"], seen["paid"]) == ("settled", HOUR, HOUR)
    assert [a["why"] for a in seen["assessments"]] == ["left", "waived"]
    await office.money.works(140)
    assert [r.amount for r in office.money.provider.refunds.values()] == [HOUR]
    entry = text("select reason from audit_entry where subject_type = 'charge'")
    assert (await office.money.session.scalars(entry)).all() == [REASON]


async def test_a_refund_is_no_more_than_was_paid_and_is_decided_once(office: Office) -> None:
    await office.money.paid(2 * HOUR, 131)
    address = f"/v1/charges/{office.charge}/refunds"
    too_much = {"amount": 3 * HOUR, "paid": 2 * HOUR, "reason": REASON}
    assert (await office.post(address, too_much, office.signed())).status_code == 422
    asked = {"amount": HOUR, "paid": 2 * HOUR, "reason": REASON}
    assert (await office.post(address, asked, office.signed())).status_code == 201
    again = await office.post(address, asked, office.signed())
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "charge-changed")
    await office.money.works(140)
    assert [r.amount for r in office.money.provider.refunds.values()] == [HOUR]


async def test_refunds_of_cash_wait_for_a_person(office: Office) -> None:
    await office.cash(2 * HOUR, office.signed())
    await office.post(f"/v1/charges/{office.charge}/waiver", {"amount": 0, "reason": REASON}, office.signed())
    await office.money.works(150)
    waiting = "/v1/refunds/waiting"
    assert (await office.client.get(waiting, headers=office.signed(operator=uuid4()))).json() == []
    (refund,) = (await office.client.get(waiting, headers=office.signed())).json()
    assert (refund["amount"], refund["state"]) == (2 * HOUR, "due")
    by_hand = f"/v1/refunds/{refund['id']}/by-hand"
    for _ in range(2):
        assert (await office.post(by_hand, {"reason": REASON}, office.signed())).status_code == 204
    assert await office.money.ledger() == {}
    assert (await office.client.get(waiting, headers=office.signed())).json() == []


async def test_a_refund_that_failed_is_tried_again_once_and_by_its_own_operator(office: Office) -> None:
    await office.money.paid(2 * HOUR, 131)
    office.money.provider.refuses_refunds = True
    await office.post(f"/v1/charges/{office.charge}/waiver", {"amount": 0, "reason": REASON}, office.signed())
    await office.money.works(150)
    (failed,) = (await office.client.get("/v1/refunds/waiting", headers=office.signed())).json()
    again = f"/v1/refunds/{failed['id']}/again"
    others = await office.post(again, {"reason": REASON}, office.signed(operator=uuid4()))
    assert others.status_code == 403
    office.money.provider.refuses_refunds = False
    for _ in range(2):
        assert (await office.post(again, {"reason": REASON}, office.signed())).status_code == 204
    by_hand = await office.post(f"/v1/refunds/{failed['id']}/by-hand", {"reason": REASON}, office.signed())
    assert (by_hand.status_code, by_hand.json()["type"].rpartition(":")[2]) == (409, "charge-changed")
    await office.money.works(160)
    assert [r.amount for r in office.money.provider.refunds.values()] == [2 * HOUR]
    assert await office.money.stands() == ("settled", 0, 0)
    assert await office.money.ledger() == {}

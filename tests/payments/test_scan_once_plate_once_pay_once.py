"""Paying by plate over HTTP: an amount and a token, a payment by the token, a receipt for who paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.places import ensure_places
from tests.payments.parts import (
    HOUR,
    KEY,
    NEIGHBOURS,
    OWN,
    TARIFF,
    ScriptedProvider,
    left,
    minute,
    parked,
    priced_garage,
)
from tests.serving import client_of
from tests.tariffs.parts import with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


class Counter(NamedTuple):
    """The API, its provider, its clock and its desk, at the garage."""

    client: AsyncTestClient[Any]
    provider: ScriptedProvider
    clock: FixedClock
    desk: Desk
    garage: UUID

    async def offer(self, plate: str = OWN, **more: str) -> dict[str, Any]:
        answer = await self.client.post("/v1/pay/offers", json={"plate": plate, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def pay(self, token: str, method: str = "alipay", **headers: str) -> Any:
        asked = {"token": token, "method": method}
        return await self.client.post("/v1/pay/payments", json=asked, headers=headers)

    async def look(self, payment: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/pay/payments/{payment}")).json()
        return found


@pytest.fixture
async def counter(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Counter]:
    provider, clock = ScriptedProvider(), FixedClock(minute(50))
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": provider})
    garage = await priced_garage(session)
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY), clock) as client:
        yield Counter(client, provider, clock, Desk(sessions, {"stripe": provider}, clock), garage)


async def test_a_plate_an_amount_a_payment_a_receipt(counter: Counter, session: AsyncSession) -> None:
    stay = await parked(session, counter.garage)
    offer = await counter.offer()
    assert offer == {"amount": HOUR, "token": offer["token"]}
    begun = (await counter.pay(offer["token"])).json()
    assert (begun["state"], begun["amount"], begun["action"]["kind"]) == ("pending", HOUR, "redirect")
    counter.provider.payer_pays("pi_0")
    counter.clock.moment = minute(52)
    await counter.desk.turn()
    paid = await counter.look(begun["payment"])
    assert (paid["state"], paid["action"]) == ("succeeded", None)
    assert len(paid["receipt"]) == 43
    assert (await counter.offer())["amount"] == 0
    await left(session, stay, 64)
    await assess_stay(session, stay, minute(64))
    charge = (await session.execute(text("select state, amount, paid from charge"))).one()
    assert tuple(charge) == ("settled", HOUR, HOUR)


async def test_a_double_click_is_one_payment(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    answers = await asyncio.gather(*(counter.pay(token) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["payment"] for answer in answers}) == 1
    assert len(counter.provider.payments) == 1


async def test_the_offered_price_is_honoured_though_time_goes_on(
    counter: Counter, session: AsyncSession
) -> None:
    await parked(session, counter.garage)
    counter.clock.moment = minute(59)
    first = await counter.offer()
    counter.clock.moment = minute(65)
    second = await counter.offer()
    assert (first["amount"], second["amount"]) == (HOUR, 2 * HOUR)
    assert (await counter.pay(second["token"])).json()["amount"] == 2 * HOUR
    assert (await counter.pay(first["token"])).json()["amount"] == HOUR


async def test_who_pays_as_he_has_just_left_pays_for_his_stay(
    counter: Counter, session: AsyncSession
) -> None:
    stay = await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    await left(session, stay, 51)
    counter.clock.moment = minute(51)
    paid = await counter.pay(token)
    assert (paid.status_code, paid.json()["amount"]) == (201, HOUR)
    charge = (await session.execute(text("select state, amount from charge"))).one()
    assert tuple(charge) == ("due", HOUR)


async def test_another_way_to_pay_takes_the_place_of_the_first(
    counter: Counter, session: AsyncSession
) -> None:
    await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    first = (await counter.pay(token)).json()["payment"]
    second = (await counter.pay(token, "card")).json()["payment"]
    assert first != second
    assert (await counter.look(first))["state"] == "cancelled"
    await counter.desk.turn()
    assert counter.provider.payments["pi_0"].state == "cancelled"
    counter.provider.payer_pays("pi_1")
    counter.clock.moment = minute(51)
    await counter.desk.turn()
    assert (await counter.look(second))["state"] == "succeeded"


async def test_who_joins_anothers_payment_gets_no_receipt(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    own = (await counter.pay((await counter.offer())["token"])).json()["payment"]
    others = (await counter.pay((await counter.offer())["token"])).json()["payment"]
    assert len(counter.provider.payments) == 1
    counter.provider.payer_pays("pi_0")
    counter.clock.moment = minute(51)
    await counter.desk.turn()
    assert (await counter.look(own))["receipt"] is not None
    seen = await counter.look(others)
    assert (seen["state"], seen["receipt"]) == ("succeeded", None)


async def test_a_failed_payment_may_be_tried_again(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    first = (await counter.pay(token)).json()["payment"]
    counter.provider.payer_fails("pi_0")
    counter.clock.moment = minute(51)
    await counter.desk.turn()
    assert (await counter.look(first)) | {"payment": ""} == {
        "payment": "",
        "state": "failed",
        "amount": HOUR,
        "failure": "card_declined",
        "action": None,
        "receipt": None,
    }
    again = (await counter.pay(token)).json()
    assert (again["state"], again["payment"] == first) == ("pending", False)


async def test_a_provider_that_is_away_loses_nothing(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    counter.provider.away = True
    begun = (await counter.pay((await counter.offer())["token"])).json()
    assert (begun["state"], begun["action"]) == ("created", None)
    counter.provider.away = False
    counter.clock.moment = minute(51)
    await counter.desk.turn()
    seen = await counter.look(begun["payment"])
    assert (seen["state"], seen["action"]["kind"]) == ("pending", "redirect")


async def test_a_payment_that_nobody_completes_is_given_up(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    begun = (await counter.pay((await counter.offer())["token"])).json()
    counter.clock.moment = minute(66)
    await counter.desk.turn()
    assert (await counter.look(begun["payment"]))["state"] == "cancelled"
    assert counter.provider.payments["pi_0"].state == "cancelled"


async def test_a_scanned_place_asks_the_same_as_any_other_or_none(
    counter: Counter, session: AsyncSession
) -> None:
    """Else a walk through the city's codes would tell where a vehicle is."""
    await parked(session, counter.garage)
    street = await session.scalar(text("select id from facility where code = 'street'"))
    assert isinstance(street, UUID)
    await ensure_places(session, [counter.garage, street])
    await session.commit()
    rows = await session.execute(text("select facility_id, code from pay_place"))
    codes = {row.facility_id: row.code for row in rows}
    scanned = [None, codes[counter.garage], codes[street]]
    offers = [await counter.offer(**({"place": code} if code else {})) for code in scanned]
    assert [offer["amount"] for offer in offers] == [HOUR] * 3
    unknown = await counter.client.post("/v1/pay/offers", json={"plate": OWN, "place": "no-such-code"})
    assert unknown.status_code == 404


async def test_a_stay_in_a_year_without_known_holidays_holds_up_nothing_else(
    counter: Counter, session: AsyncSession
) -> None:
    before = await parked(session, counter.garage)
    await left(session, before, 30)
    await assess_stay(session, before, minute(30))
    by_workday = TARIFF | {
        "schedules": [
            {"days": ["workday", "adjusted_workday"], "hours": [{"rate": "hour"}]},
            {"hours": [{"rate": "hour"}]},
        ]
    }
    await with_tariff(session, "street", by_workday)
    street = await session.scalar(text("select id from facility where code = 'street'"))
    assert isinstance(street, UUID)
    far = (datetime(2099, 1, 5, tzinfo=UTC) - minute(0)).total_seconds() / 60
    await parked(session, street, at=far)
    counter.clock.moment = minute(far + 30)
    assert (await counter.offer())["amount"] == HOUR


async def test_nothing_owed_is_refused_kindly(counter: Counter) -> None:
    refused = await counter.pay((await counter.offer(NEIGHBOURS))["token"])
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "nothing-owed")
    expired = await counter.pay("no such token")
    assert (expired.status_code, expired.json()["type"].rpartition(":")[2]) == (410, "offer-expired")


async def test_a_key_is_for_one_request(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    first = await counter.pay(token, **{"Idempotency-Key": "k1"})
    again = await counter.pay(token, **{"Idempotency-Key": "k1"})
    other = await counter.pay(token, "card", **{"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "idempotency-key-reused")


async def test_payments_lead_back_only_to_our_pages(counter: Counter, session: AsyncSession) -> None:
    await parked(session, counter.garage)
    token = (await counter.offer())["token"]
    asked = {"token": token, "method": "alipay", "return_url": "http://127.0.0.1:8000.evil.example/"}
    assert (await counter.client.post("/v1/pay/payments", json=asked)).status_code == 422

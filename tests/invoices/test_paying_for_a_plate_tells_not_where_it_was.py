"""Whoever types a neighbour's plate may pay for it: the receipt is of an amount, not of a place and times."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.following import deeds
from parking_cloud.invoices.rules import shows_the_stay
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.facts import opened_charge, sealed_charge
from parking_cloud.payments.schemas import Via
from tests.arrears.parts import policy
from tests.payments.parts import (
    HOUR,
    KEY,
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

Sessions = async_sessionmaker[AsyncSession]
NAME, STREET = "爱山广场停车库", "红旗路路段"
CODE, OTHER = "abcdefghjkmn", "bcdefghjkmnp"


class Counter(NamedTuple):
    """A vehicle stands in the garage since noon, and owes for an hour at the street of before."""

    client: AsyncTestClient[Any]
    provider: ScriptedProvider
    clock: FixedClock
    desk: Desk
    sessions: Sessions
    settings: Settings

    async def paid(self, offer: str) -> dict[str, Any]:
        """The receipt of who has paid an offer."""
        begun = await self.client.post("/v1/pay/payments", json={"token": offer, "method": "alipay"})
        assert begun.status_code == 201, begun.text
        self.provider.payer_pays("pi_0")
        self.clock.moment = minute(52)
        await self.desk.turn()
        async with transaction(self.sessions) as session:
            payment = await session.scalar(text("select id from payment"))
            await deeds(self.settings)["receipts"](session, payment, minute(51))
        found = (await self.client.get(f"/v1/pay/payments/{begun.json()['payment']}")).json()
        receipt = await self.client.get(f"/v1/receipts/{found['receipt']}")
        page = await self.client.get(f"/pay/receipt/{found['receipt']}")
        assert (receipt.status_code, page.status_code) == (200, 200)
        return {"token": found["receipt"], "page": page.text, **receipt.json()}

    async def by_plate(self, **more: str) -> dict[str, Any]:
        offer = (await self.client.post("/v1/pay/offers", json={"plate": OWN, **more})).json()
        assert offer["amount"] == 2 * HOUR
        return await self.paid(offer["token"])

    async def by_the_gate(self) -> dict[str, Any]:
        async with self.sessions() as session:
            operator = await session.scalar(text("select id from operator"))
        who = Identity(user_id=uuid4(), username="gate", role=Role.INTEGRATION, operator_id=operator)
        signed = {"Authorization": f"Bearer {issue(who, self.settings.secret_key, minute(50))}"}
        asked = {"facility": "garage", "plate": OWN}
        said = await self.client.post("/v1/exits", json=asked, headers=signed)
        return await self.paid(said.json()["pay_token"])


@pytest.fixture
async def counter(
    settings: Settings,
    session: AsyncSession,
    sessions: Sessions,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Counter]:
    provider, clock = ScriptedProvider(), FixedClock(minute(50))
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": provider})
    garage = await priced_garage(session)
    await policy(session)
    await with_tariff(session, "street", TARIFF, code="street")
    await session.commit()
    street = await session.scalar(text("select id from facility where code = 'street'"))
    for code, facility in ((CODE, garage), (OTHER, street)):
        values = {"code": code, "facility": facility}
        await session.execute(
            text("insert into pay_place (code, facility_id) values (:code, :facility)"), values
        )
    before = await parked(session, street, at=-300)
    await left(session, before, -240)
    await assess_stay(session, before, minute(-240))
    await session.commit()
    await parked(session, garage)
    settings = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(settings, clock) as client:
        desk = Desk(sessions, {"stripe": provider}, clock)
        yield Counter(client, provider, clock, desk, sessions, settings)


def parts_of(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for one in receipt["receipts"] for part in one["parts"]]


def tells(receipt: dict[str, Any], name: str) -> bool:
    return name in str(receipt)


@pytest.mark.stack
@pytest.mark.anyio
async def test_who_only_knew_the_plate_learns_amounts(counter: Counter, session: AsyncSession) -> None:
    receipt = await counter.by_plate()
    assert not tells(receipt, NAME)
    assert not tells(receipt, STREET)
    for part in parts_of(receipt):
        assert (part["amount"], part["charged"], part["facility"]) == (HOUR, HOUR, "")
        assert (part["entered_at"], part["left_at"], part["lines"]) == (None, None, [])
    (one,) = receipt["receipts"]
    assert (one["operator"], one["number"]) == ("湖州停车", "OP-2026-0000001")
    # An id of ours says when it was made: a charge's, when the vehicle left.
    for charge in await session.scalars(text("select id from charge")):
        assert str(charge) not in str(receipt)


@pytest.mark.stack
@pytest.mark.anyio
async def test_who_scanned_sees_the_stay_that_goes_on_there_and_no_other(counter: Counter) -> None:
    receipt = await counter.by_plate(place=CODE)
    assert tells(receipt, NAME)
    assert not tells(receipt, STREET)
    there, before = sorted(parts_of(receipt), key=lambda part: part["facility"], reverse=True)
    assert (there["entered_at"], there["left_at"]) == (minute(0).isoformat().replace("+00:00", "Z"), None)
    assert (before["entered_at"], before["left_at"], before["lines"]) == (None, None, [])


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_code_of_another_place_tells_of_neither(counter: Counter) -> None:
    """Not of the stay elsewhere, and not of what was owed from before at the code's own place."""
    receipt = await counter.by_plate(place=OTHER)
    assert not tells(receipt, NAME)
    assert not tells(receipt, STREET)


@pytest.mark.stack
@pytest.mark.anyio
async def test_who_pays_at_the_barrier_sees_their_stay(counter: Counter) -> None:
    receipt = await counter.by_the_gate()
    assert [part["facility"] for part in parts_of(receipt)] == [NAME]


@pytest.mark.stack
@pytest.mark.anyio
async def test_who_paid_can_still_object(counter: Counter) -> None:
    receipt = await counter.by_plate()
    for part in parts_of(receipt):
        said = {"grounds": "我没有停过车", "receipt": receipt["token"]}
        made = await counter.client.post(f"/v1/charges/{part['charge_id']}/objections", json=said)
        assert made.status_code == 201, made.text


@given(st.sampled_from(Via), st.booleans(), st.none() | st.integers(-500, 500))
def test_nobody_learns_of_a_stay_that_was_over_by_scanning(
    via: Via, scanned_there: bool, left_minute: int | None
) -> None:
    left_at = None if left_minute is None else minute(0) + timedelta(minutes=left_minute)
    shown = shows_the_stay(via, minute(0), scanned_there=scanned_there, left_at=left_at)
    if via is Via.PLATE:
        assert not shown
    if via is Via.SCAN:
        assert shown == (scanned_there and (left_minute is None or left_minute >= 0))


@given(st.uuids(), st.text(min_size=1))
def test_a_sealed_id_opens_with_its_key_alone(charge: UUID, secret: str) -> None:
    sealed = sealed_charge(secret, charge)
    assert opened_charge(secret, sealed) == charge
    assert opened_charge(f"{secret}!", sealed) != charge

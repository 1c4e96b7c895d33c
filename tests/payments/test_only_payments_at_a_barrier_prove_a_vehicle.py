"""Anybody can pay for anybody: only who paid at the barrier where the vehicle stood, and more than once, has
proved anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.proofs import COUNT_FOR, proved
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.accounts.vehicles import VehicleIn
from parking_cloud.kernel.clock import CITY_ZONE, FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.proving import follow_payment
from tests.notices.parts import driver
from tests.payments.parts import KEY, OWN, VAULT, ScriptedProvider, left, minute, parked, priced_garage
from tests.serving import client_of

A_DAY = 24 * 60


class Lane:
    """A barrier, drivers with phones, and a provider at which all is paid at once."""

    def __init__(self, client: AsyncTestClient[Any], session: AsyncSession, settings: Settings) -> None:
        self.client, self.session, self.settings = client, session, settings
        self.clock: FixedClock
        self.desk: Desk
        self.provider: ScriptedProvider
        self.garage: UUID
        self.operator: UUID

    def signed(self, who: Identity) -> dict[str, str]:
        token = issue(msgspec.structs.replace(who), self.settings.secret_key, self.clock.now())
        return {"Authorization": f"Bearer {token}"}

    async def claims(self, who: Identity, at: float = 0, plate: str = OWN) -> None:
        await vehicles.claim(self.session, who, VehicleIn(plate), VAULT, minute(at))
        await self.session.commit()

    async def leaves(self, at: float, payer: Identity | None, asked_by: Role = Role.INTEGRATION) -> None:
        """The vehicle came half an hour ago, asks to leave, is paid for by `payer`, and is gone."""
        stay = await parked(self.session, self.garage, at - 30)
        self.clock.moment = minute(at)
        gate = Identity(user_id=uuid4(), username="gate", role=asked_by, operator_id=self.operator)
        ask = {"facility": "garage", "lane": "1", "plate": OWN, "reason": "a queue at the lane"}
        told = (await self.client.post("/v1/exits", json=ask, headers=self.signed(gate))).json()
        await self.pays(told["pay_token"], payer)
        await left(self.session, stay, at + 1)

    async def pays(self, token: str, payer: Identity | None) -> None:
        headers = self.signed(payer) if payer else {}
        asked = {"token": token, "method": "alipay"}
        answer = await self.client.post("/v1/pay/payments", json=asked, headers=headers)
        assert answer.status_code == 201, answer.text
        self.provider.payer_pays(list(self.provider.payments)[-1])
        self.clock.moment += timedelta(seconds=30)
        while await self.desk.turn():
            pass
        for payment in await self.session.scalars(text("select id from payment where state = 'succeeded'")):
            await follow_payment(self.session, payment, self.clock.now())
        await self.session.commit()

    async def holds(self, who: Identity) -> bool:
        return bool(await vehicles.holdings(self.session, who.user_id))


@pytest.fixture
async def lane(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Lane]:
    provider, clock = ScriptedProvider(), FixedClock(minute(0))
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": provider})
    garage = await priced_garage(session)
    settings = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(settings, clock) as client:
        made = Lane(client, session, settings)
        made.clock, made.provider, made.garage = clock, provider, garage
        made.desk = Desk(sessions, {"stripe": provider}, clock)
        operator = await session.scalar(text("select id from operator"))
        assert isinstance(operator, UUID)
        made.operator = operator
        yield made


pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_two_payments_at_the_barrier_on_two_days_prove_a_claim(lane: Lane) -> None:
    li = await driver(lane.session, "li")
    await lane.claims(li)
    await lane.leaves(60, li)
    await lane.leaves(300, li)
    assert not await lane.holds(li)
    await lane.leaves(60 + A_DAY, li)
    (held,) = await vehicles.holdings(lane.session, li.user_id)
    assert held.since > minute(60 + A_DAY)
    (shown,) = await vehicles.vehicles_of(lane.session, li.user_id, VAULT)
    assert (shown.state, shown.proof) == ("verified", "payments")


async def test_what_was_paid_before_the_claim_counts_for_nothing(lane: Lane) -> None:
    li = await driver(lane.session, "li")
    await lane.leaves(60, li)
    await lane.claims(li, 120)
    await lane.leaves(A_DAY, li)
    assert not await lane.holds(li)
    kept = await lane.session.scalar(text("select count(*) from barrier_payment"))
    assert kept == 1


async def test_a_code_that_an_attendant_asked_for_proves_nothing(lane: Lane) -> None:
    li = await driver(lane.session, "li")
    await lane.claims(li)
    for day in range(3):
        await lane.leaves(60 + day * A_DAY, li, Role.OPERATOR_STAFF)
    assert not await lane.holds(li)
    assert await lane.session.scalar(text("select count(*) from payment where payer_id is not null")) == 0


async def test_paying_by_plate_proves_nothing_and_is_kept_of_nobody(lane: Lane) -> None:
    li = await driver(lane.session, "li")
    await lane.claims(li)
    for day in range(3):
        stay = await parked(lane.session, lane.garage, day * A_DAY)
        lane.clock.moment = minute(day * A_DAY + 60)
        offer = await lane.client.post("/v1/pay/offers", json={"plate": OWN}, headers=lane.signed(li))
        await lane.pays(offer.json()["token"], li)
        await left(lane.session, stay, day * A_DAY + 61)
    assert not await lane.holds(li)
    assert await lane.session.scalar(text("select count(*) from payment where payer_id is not null")) == 0


async def test_nobody_is_moved_by_payments(lane: Lane) -> None:
    li, other = await driver(lane.session, "li"), await driver(lane.session, "other")
    await lane.claims(li)
    for day in range(2):
        await lane.leaves(60 + day * A_DAY, li)
    await lane.claims(other, 2 * A_DAY)
    for day in range(3, 6):
        await lane.leaves(60 + day * A_DAY, other)
    assert await lane.holds(li)
    assert not await lane.holds(other)


async def test_where_two_claim_it_the_desk_decides(lane: Lane) -> None:
    li, other = await driver(lane.session, "li"), await driver(lane.session, "other")
    await lane.claims(li)
    await lane.claims(other)
    for day in range(3):
        await lane.leaves(60 + day * A_DAY, other)
    assert not await lane.holds(li)
    assert not await lane.holds(other)


NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
MOMENTS = st.integers(-5000, 200).map(lambda hours: NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("hours_ago", "enough"),
    [
        ([], False),
        ([1], False),
        ([1, 2, 3], False),
        ([1, 25], True),
        ([1, 24 * 91], False),
        ([-30, 1], False),
    ],
)
async def test_days_are_counted(hours_ago: list[float], enough: bool) -> None:
    assert proved([NOW - timedelta(hours=hours) for hours in hours_ago], NOW) is enough


@given(st.lists(MOMENTS), MOMENTS)
async def test_more_payments_never_prove_less_and_one_day_never_enough(
    paid: list[datetime], more: datetime
) -> None:
    assert proved(paid, NOW) <= proved([*paid, more], NOW)
    of_one_day = [at for at in paid if at.astimezone(CITY_ZONE).date() == more.astimezone(CITY_ZONE).date()]
    assert not proved([*of_one_day, more], NOW)
    assert not proved([at - COUNT_FOR - timedelta(days=100) for at in paid], NOW)

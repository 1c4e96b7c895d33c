"""Webhooks repeated, reordered, late or forged: a payment counts once, and only if the provider says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.ledger.service import balance
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.payments.provider import Method, ProviderEvent
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from tests.payments.parts import HOUR, KEY, ScriptedProvider, left, minute, parked, priced_garage
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

STRIPE = Account(AccountKind.PROVIDER, name="stripe")
SIGNED = {"signature": "good"}


class Scene(NamedTuple):
    client: AsyncTestClient[Any]
    provider: ScriptedProvider
    desk: Desk
    clock: FixedClock
    session: AsyncSession

    async def told(self, event: str, headers: dict[str, str] = SIGNED, **of: str) -> int:
        """A webhook's answer."""
        news = ProviderEvent(id=event, type=event, occurred_at=minute(61), **({"payment_id": "pi_0"} | of))
        body = msgspec.json.encode(news)
        return (await self.client.post("/v1/pay/webhooks/stripe", content=body, headers=headers)).status_code

    async def works(self, until: float) -> None:
        """The desk does what there is to do by then."""
        self.clock.moment = minute(until)
        while await self.desk.turn():
            pass

    async def payment(self) -> Any:
        await self.session.rollback()
        return (await self.session.execute(text("select * from payment"))).one()


@pytest.fixture
async def scene(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Scene]:
    """A stay of an hour, due, with a payment that is open at the provider."""
    provider, clock = ScriptedProvider(), FixedClock(minute(60))
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": provider})
    stay = await parked(session, await priced_garage(session))
    await left(session, stay, 60)
    await assess_stay(session, stay, minute(60))
    charge: UUID = (await charges_of_stays(session, [stay]))[stay].id
    order = NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.APP)
    await start_payment(session, {charge: HOUR}, order, minute(60))
    await session.commit()
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY), clock) as client:
        scene = Scene(client, provider, Desk(sessions, {"stripe": provider}, clock), clock, session)
        await scene.works(60)
        yield scene


async def test_told_twice_it_pays_once(scene: Scene) -> None:
    scene.provider.payer_pays("pi_0")
    assert [await scene.told("e1") for _ in range(3)] == [200, 200, 200]
    await scene.works(60)
    assert [await scene.told("e1"), await scene.told("e2")] == [200, 200]
    await scene.works(61)
    assert (await scene.payment()).state == "succeeded"
    assert await balance(scene.session, STRIPE) == HOUR
    charge = (await scene.session.execute(text("select state, paid from charge"))).one()
    assert tuple(charge) == ("settled", HOUR)
    movements = text("select count(*) from ledger_movement where kind = 'payment'")
    assert await scene.session.scalar(movements) == 1


async def test_news_says_only_where_to_look(scene: Scene) -> None:
    assert await scene.told("payment_intent.succeeded") == 200
    await scene.works(60)
    assert (await scene.payment()).state == "pending"


async def test_an_old_failure_that_comes_late_undoes_nothing(scene: Scene) -> None:
    scene.provider.payer_pays("pi_0")
    await scene.told("payment_intent.succeeded")
    await scene.works(61)
    await scene.told("payment_intent.payment_failed")
    await scene.told("payment_intent.canceled")
    await scene.works(62)
    assert (await scene.payment()).state == "succeeded"


async def test_money_that_comes_after_we_gave_up_still_counts(scene: Scene) -> None:
    scene.provider.away = True
    await scene.works(80)  # long past its time, and the provider cannot be told
    scene.provider.away = False
    scene.provider.payer_pays("pi_0")
    await scene.told("payment_intent.succeeded")
    await scene.works(200)
    assert (await scene.payment()).state == "succeeded"
    assert await balance(scene.session, STRIPE) == HOUR


async def test_a_forged_or_foreign_webhook_does_nothing(scene: Scene) -> None:
    scene.provider.payer_pays("pi_0")
    assert await scene.told("e1", {"signature": "forged"}) == 400
    assert await scene.told("e1", {}) == 400
    nobody = await scene.client.post("/v1/pay/webhooks/nobody", content=b"{}", headers=SIGNED)
    assert nobody.status_code == 404
    assert await scene.told("e2", payment_id="pi_of_somebody_else") == 200
    assert await scene.told("e3", payment_id="", refund_id="re_of_somebody_else") == 200
    await scene.works(60)
    assert (await scene.payment()).state == "pending"
    waiting = text("select count(*) from provider_news where look_again_at is not null")
    assert await scene.session.scalar(waiting) == 0

"""A small world of stays, payers, banks and a desk, in which anything may happen, and crash at any step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import make_sessions, transaction
from parking_cloud.kernel.problems import Problem
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import charging, refund_news, refunds, service
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.offers import charges_for, keep_offer, offer_for
from parking_cloud.payments.paying import Cashier, PayIn
from parking_cloud.payments.provider import Method, ProviderAway, ProviderDispute, ProviderEvent
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.payments.webhooks import take_news
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import FacilityIn, OperatorIn, RegistryBatch
from parking_cloud.stays.schemas import Ended, StayState
from parking_cloud.stays.service import open_stays
from tests.payments.parts import (
    TARIFF,
    ScriptedProvider,
    forget_payments,
    hashed,
    minute,
    parked,
    priced_garage,
    restate,
)
from tests.tariffs.parts import with_tariff

PLATES = ["浙E00001", "浙E00002", "浙E00003"]
MISREAD_AS = ["浙E0000I", "浙E0000Z", "浙E0000B"]
MOST_TURNS = 300
T = TypeVar("T")


class Crash(BaseException):
    """The process dies here."""


class CrashingProvider(ScriptedProvider):
    """Crashes, or loses an answer, where the world says so."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def before(self) -> None:
        super().before()
        self._world.step()

    def after(self) -> None:
        self._world.step()
        if self._world.lost_answers > 0:
            self._world.lost_answers -= 1
            raise ProviderAway("the answer was lost")


async def two_operators(session: AsyncSession) -> list[UUID]:
    """Two operators' facilities with tariffs: three places to park; committed."""
    garage = await priced_garage(session)
    other = FacilityIn(
        code="other",
        name="南街停车场",
        kind="public_offstreet",
        counting="counter",
        capacity=10,
        operator_code="op2",
    )
    await import_batch(
        session, RegistryBatch(operators=[OperatorIn(code="op2", name="南街")], facilities=[other])
    )
    await with_tariff(session, "other", TARIFF, code="other")
    await session.commit()
    found = await session.scalar(text("select id from facility where code = 'other'"))
    assert isinstance(found, UUID)
    return [garage, found, garage]


class World:
    """Everything that can happen to three vehicles. What a person may not do is refused, and that is fine."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, redis: Redis, facilities: Sequence[UUID]
    ) -> None:
        self.engine = engine
        self.sessions: async_sessionmaker[AsyncSession] = make_sessions(engine)
        self.redis = redis
        self.facilities = facilities
        self.clock = FixedClock(minute(0))
        self.provider = CrashingProvider(self)
        providers = {"stripe": self.provider}
        self.desk = Desk(self.sessions, providers, self.clock, at_once=1)
        self.cashier = Cashier(settings, self.sessions, self.sessions, redis, providers, self.clock)
        self.stays: dict[int, UUID] = {}
        self.plates = list(PLATES)
        self.tokens: list[str] = []
        self.lost_answers = 0
        self.steps_left: int | None = None

    def step(self) -> None:
        """Between any two steps the process may die."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                self.steps_left = None
                raise Crash()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        async with self.sessions() as session:
            await forget_payments(session)

        def before_commit(_: Any) -> None:
            self.step()

        event.listen(self.engine.sync_engine, "commit", before_commit)
        try:
            yield self
        finally:
            event.remove(self.engine.sync_engine, "commit", before_commit)

    async def crashing(self, deed: Awaitable[T], after: int | None) -> T | None:
        """Do it; it dies after so many steps, if it has so many."""
        self.steps_left = after
        try:
            return await deed
        except Crash:
            return None
        except Problem:
            return None
        finally:
            self.steps_left = None

    # stays, as their slice would have them

    async def enter(self, which: int) -> None:
        if which not in self.stays:
            at = (self.clock.now() - minute(0)) / timedelta(minutes=1)
            async with self.sessions() as session:
                self.stays[which] = await parked(session, self.facilities[which], at, PLATES[which])

    async def becomes(self, which: int, state: StayState, minutes: int) -> None:
        """A stay is restated; closed ones ended so many minutes after they began."""
        stay = self.stays.get(which)
        if stay is None:
            return
        changes: dict[str, Any] = {"state": state, "exited_at": None, "ended_by": None}
        async with self.sessions() as session:
            if state is StayState.CLOSED:
                entry = text("select entered_at from stay where id = :id")
                entered = await session.scalar(entry, {"id": stay})
                changes |= {"exited_at": entered + timedelta(minutes=minutes), "ended_by": Ended.GATE}
            await self._restate(session, stay, **changes)

    async def _restate(self, session: AsyncSession, stay: UUID, **changes: Any) -> None:
        await restate(session, stay, **changes)
        await session.execute(
            text(
                "insert into stay_to_assess (stay_id, try_again_at) values (:id, :now)"
                " on conflict (stay_id) do update set try_again_at = :now, attempts = 0"
            ),
            {"id": stay, "now": self.clock.now()},
        )
        await session.commit()

    async def read_again(self, which: int) -> None:
        """The plate turns out to have been misread, or to have been right after all."""
        now = self.plates[which]
        self.plates[which] = MISREAD_AS[which] if now == PLATES[which] else PLATES[which]
        async with self.sessions() as session:
            await self._restate(session, self.stays[which], plate_hash=hashed(self.plates[which]))

    async def news_of_stays(self) -> None:
        """All stays are told of once more, though nothing about them has changed."""
        async with self.sessions() as session:
            for stay in self.stays.values():
                await self._restate(session, stay)

    # payers, attendants and staff

    async def pay(self, which: int, method: Method) -> None:
        """Somebody asks what a vehicle owes, and pays it by the token."""
        async with self.sessions() as session:
            plate = hashed(self.plates[which])
            stays = await open_stays(session, plate)
            charges = await charges_for(session, plate, [stay.id for stay in stays])
            offer = await offer_for(session, stays, charges, Via.PLATE, self.clock.now())
        token = await keep_offer(self.redis, offer)
        self.tokens.append(token)
        await self.cashier.pay(PayIn(token=token, method=method))

    async def click_again(self, which: int, method: Method) -> None:
        if self.tokens:
            await self.cashier.pay(PayIn(token=self.tokens[which % len(self.tokens)], method=method))

    async def pay_all(self) -> None:
        """One payment for all charges there are, of two operators."""
        async with transaction(self.sessions) as session:
            rows = await session.execute(
                text("select id, amount - paid as owed from charge where state = 'due'")
            )
            wanted = {row.id: row.owed for row in rows}
            order = service.NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.APP)
            await service.start_payment(session, wanted, order, self.clock.now())

    async def charge_id(self, session: AsyncSession, which: int) -> UUID | None:
        found = await session.scalar(
            text("select id from charge where stay_id = :id"), {"id": self.stays.get(which)}
        )
        return found if isinstance(found, UUID) else None

    async def cash(self, which: int, amount: int) -> None:
        async with transaction(self.sessions) as session:
            charge = await self.charge_id(session, which)
            if charge is not None:
                await service.record_cash(session, {charge: amount}, amount, uuid4(), self.clock.now())

    async def waive(self, which: int, amount: int) -> None:
        async with transaction(self.sessions) as session:
            charge_id = await self.charge_id(session, which)
            if charge_id is None:
                return
            (charge,) = await charging.lock_charges(session, ids=[charge_id])
            if charge.amount > amount and charge.state != ChargeState.OPEN:
                await charging.waive(session, charge, amount, self.clock.now())

    async def pay_back_by_hand(self) -> None:
        async with transaction(self.sessions) as session:
            for refund in await refunds.due_by_hand(session, None, 100):
                await refunds.paid_by_hand(session, refund.id, self.clock.now())

    async def try_refunds_again(self) -> None:
        async with transaction(self.sessions) as session:
            for refund in await refunds.due_by_hand(session, None, 100):
                await refund_news.try_again(session, refund.id, self.clock.now())

    # the provider's side

    def payment(self, which: int) -> str | None:
        ids = list(self.provider.payments)
        return ids[which % len(ids)] if ids else None

    async def webhook(self, number: int, **of: Any) -> None:
        """News, which may have been told before."""
        moment = self.clock.now()
        said = ProviderEvent(id=f"e{number}", type="news", occurred_at=moment, **of)
        body = msgspec.json.encode(said)
        async with transaction(self.sessions) as session:
            await take_news(session, {"stripe": self.provider}, "stripe", body, {"signature": "good"}, moment)

    async def payer_decides(self, which: int, pays: bool, told: int | None) -> None:
        payment = self.payment(which)
        if payment is None:
            return
        (self.provider.payer_pays if pays else self.provider.payer_fails)(payment)
        if told is not None:
            await self.webhook(told, payment_id=payment)

    async def bank(self, which: int, decides: str, told: int) -> None:
        payment = self.payment(which)
        if payment is None:
            return
        dispute = self.provider.bank_takes_back(payment)
        if decides != "open":
            self.provider.bank_decides(dispute, decides)
        if dispute in self.provider.disputes:
            old = ProviderDispute(id=dispute, payment_id=payment, amount=1, state="open")
            await self.webhook(1000 + told, payment_id=payment, dispute=old)

    # time

    async def settles_down(self) -> None:
        """Everybody answers again, nothing new happens, and the desk has hours for what is left."""
        self.provider.away = self.provider.refuses_refunds = self.provider.lacks_balance = False
        self.lost_answers = 0
        for number, dispute in enumerate(self.provider.disputes.values()):
            await self.webhook(2000 + number, payment_id=dispute.payment_id, dispute=dispute)
        quiet = turns = 0
        while quiet < 5:
            self.clock.moment += timedelta(minutes=21)
            quiet = 0 if await self.desk.turn() else quiet + 1
            turns += 1
            assert turns < MOST_TURNS, "the desk never comes to rest"
        await self.pay_back_by_hand()

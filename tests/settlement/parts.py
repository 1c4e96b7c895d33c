"""A garage whose drivers pay in every way, and a provider whose books can be put wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.money import Fen
from parking_cloud.payments.charging import assess_stay, lock_charges, waive
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.payments.policies import Policy, set_policy
from parking_cloud.payments.provider import (
    BookLine,
    Method,
    ProviderAway,
    ProviderRefund,
    ProviderState,
)
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, record_cash, start_payment
from tests.payments.parts import ScriptedProvider, left, minute, parked

Sessions = async_sessionmaker[AsyncSession]
DAY = date(2026, 11, 20)
CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
TREASURER = Identity(user_id=uuid4(), username="treasurer", role=Role.CITY_ADMINISTRATOR)


class BookkeepingProvider(ScriptedProvider):
    """Its books hold what it did, at `at`, with a fee of 2 % on payments; `lines` may be put wrong by a
    test."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, BookLine] = {}
        self._loses_answers = self._refunds_wait = False

    def keep_books(self, at: datetime) -> None:
        """Write down what has been done since."""
        for payment in self.payments.values():
            if payment.state is ProviderState.SUCCEEDED:
                self._line(f"txn_{payment.id}", "payment", payment.amount, at, payment_id=payment.id)
        for refund in self.refunds.values():
            of = {"refund_id": refund.id, "payment_id": refund.payment_id}
            self._line(f"txn_{refund.id}", "refund", -refund.amount, at, **of)
        for dispute in self.disputes.values():
            of = {"dispute_id": dispute.id, "payment_id": dispute.payment_id}
            self._line(f"txn_{dispute.id}", "dispute", -dispute.amount, at, **of)

    def _line(self, id_: str, kind: str, amount: int, at: datetime, **of: str) -> None:
        fee = amount * 2 // 100 if kind == "payment" else 0
        line: Any = BookLine(id=id_, kind=kind, amount=amount, fee=fee, at=at, **of)  # type: ignore[arg-type]
        self.lines.setdefault(id_, line)

    def after(self) -> None:
        if self._loses_answers:
            raise ProviderAway("scripted")

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        """What it is asked is done, and nobody hears of it."""
        self._loses_answers = True
        yield
        self._loses_answers = False

    async def refund(self, *, payment_id: str, amount: Fen, key: str, refusals: int = 0) -> ProviderRefund:
        refund = await super().refund(payment_id=payment_id, amount=amount, key=key, refusals=refusals)
        if self._refunds_wait:
            refund = msgspec.structs.replace(refund, state=ProviderState.PENDING)
            self.refunds[refund.id] = refund
        return refund

    @contextmanager
    def keeping_refunds_pending(self) -> Iterator[None]:
        self._refunds_wait = True
        yield
        self._refunds_wait = False

    async def books(self, since: datetime, until: datetime) -> AsyncIterator[BookLine]:
        self.before()
        for line in sorted(self.lines.values(), key=lambda line: line.at):
            if since <= line.at < until:
                yield line


class Town:
    """Stays at a garage (¥6 an hour), paid as the test says."""

    def __init__(self, sessions: Sessions, garage: UUID) -> None:
        self.sessions = sessions
        self.garage = garage
        self.provider = BookkeepingProvider()
        self._next = 0.0

    async def stay(self, hours: int) -> UUID:
        """A stay that has ended; its charge."""
        self._next += 24 * 60
        at = self._next - 24 * 60
        async with self.sessions() as session:
            stay = await parked(session, self.garage, at=at - 60 * hours * 3 - 100_000)
            await left(session, stay, at=at - 60 * hours * 2 - 100_000)
            await assess_stay(session, stay, minute(0))
            (charge,) = (await charges_of_stays(session, [stay])).values()
            await session.commit()
            return charge.id

    async def pay(self, charge: UUID, method: Method, now: datetime) -> None:
        """In cash, or at the provider."""
        async with self.sessions() as session:
            (locked,) = await lock_charges(session, ids=[charge])
            owed = locked.amount - locked.paid
            if method is Method.CASH:
                await record_cash(session, {charge: owed}, owed, uuid4(), now)
            else:
                order = NewPaymentOrder(provider="stripe", method=method, via=Via.PLATE)
                await start_payment(session, {charge: owed}, order, now)
            await session.commit()
        await self.turn(now)
        for payment in list(self.provider.payments):
            self.provider.payer_pays(payment)
        await self.turn(now + timedelta(minutes=3))

    async def lower(self, charge: UUID, amount: int, now: datetime) -> None:
        async with self.sessions() as session:
            (locked,) = await lock_charges(session, ids=[charge])
            await waive(session, locked, amount, now)
            await session.commit()
        await self.turn(now)

    async def turn(self, now: datetime) -> None:
        desk = Desk(self.sessions, {"stripe": self.provider}, FixedClock(now))
        while await desk.turn():
            pass

    async def commission(self, bp: int, since: datetime) -> None:
        async with self.sessions() as session:
            await set_policy(session, CHIEF, str(self.garage), Policy(commission_bp=bp), since)
            await session.commit()

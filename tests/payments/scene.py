"""The desk and a scripted provider at the priced garage: one stay of a vehicle, and what is paid for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.ledger.schemas import AccountKind
from parking_cloud.ledger.service import balances
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.facts import ChargeFacts, charges_of_stays
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from tests.payments.parts import ScriptedProvider, left, minute, parked, priced_garage


class Scene:
    """Times are minutes from noon."""

    def __init__(self, session: AsyncSession, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.session = session
        self.sessions = sessions
        self.provider = ScriptedProvider()
        self.clock = FixedClock(minute(0))
        self.desk = Desk(sessions, {"stripe": self.provider}, self.clock)
        self.stay = UUID(int=0)

    async def ended(self, minutes: float) -> None:
        """A vehicle stayed so long, and its charge is due."""
        self.stay = await parked(self.session, await priced_garage(self.session))
        await left(self.session, self.stay, minutes)
        await self.assessed(minutes)

    async def assessed(self, at: float) -> None:
        await assess_stay(self.session, self.stay, minute(at))
        await self.session.commit()

    async def charge(self) -> ChargeFacts:
        await self.session.rollback()
        return (await charges_of_stays(self.session, [self.stay]))[self.stay]

    async def stands(self) -> tuple[str, int, int]:
        """The charge's state, amount, and what is paid of it."""
        self.session.expire_all()
        charge = await self.charge()
        return charge.state, charge.amount, charge.paid

    async def begun(self, amount: int, at: float, method: Method = Method.CARD) -> UUID:
        """A payment that is open at the provider."""
        order = NewPaymentOrder(provider="stripe", method=method, via=Via.APP)
        charge = (await self.charge()).id
        started = await start_payment(self.session, {charge: amount}, order, minute(at))
        await self.session.commit()
        await self.works(at)
        return started.payment.id

    async def paid(self, amount: int, at: float, method: Method = Method.CARD) -> str:
        """A payment that has succeeded; its id at the provider."""
        await self.begun(amount, at, method)
        newest = list(self.provider.payments)[-1]
        self.provider.payer_pays(newest)
        await self.works(at + 1)
        return newest

    async def works(self, until: float) -> None:
        """The desk does what there is to do by then."""
        self.clock.moment = max(self.clock.moment, minute(until))
        while await self.desk.turn():
            pass

    async def refunds(self) -> list[Any]:
        await self.session.rollback()
        rows = await self.session.execute(text("select * from refund order by created_at, id"))
        return list(rows)

    async def ledger(self) -> dict[str, int]:
        """What is on the accounts, of all operators, without those on which nothing is."""
        await self.session.rollback()
        sums = {kind: sum((await balances(self.session, kind)).values()) for kind in AccountKind}
        return {str(kind): amount for kind, amount in sums.items() if amount}

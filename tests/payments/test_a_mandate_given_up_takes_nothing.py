"""What a driver stopped, or a bill that is no more, is not taken at the provider: whatever answers were lost,
and whatever happens at the same time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.payments import mandates
from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.payments.mandate_desk import MandateDesk
from parking_cloud.payments.models import Payment
from parking_cloud.payments.provider import Method, ProviderAway, ProviderDispute
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from parking_cloud.stays.service import stay_facts
from tests.arrears.parts import holder
from tests.payments.parts import HOUR, left, minute, parked, priced_garage, restate
from tests.payments.test_a_mandate_takes_what_its_driver_allowed import (
    KeepingProvider,
    consider,
    give,
    settle,
    state_of,
    stayed,
    told,
    with_mandate,
)

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def provider() -> KeepingProvider:
    return KeepingProvider()


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


async def stop(sessions: Sessions, user_id: UUID, now: datetime) -> None:
    async with transaction(sessions) as session:
        await mandates.stop(session, user_id, now)


async def payments(session: AsyncSession) -> list[tuple[str, str]]:
    await session.rollback()
    rows = await session.execute(select(Payment.state, Payment.failure).order_by(Payment.id))
    return [(state, failure) for state, failure in rows]


@pytest.mark.parametrize("change", ["pause", "stop"])
async def test_given_up_before_its_request_arrived_it_is_never_opened(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID, change: str
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 1)
    await consider(sessions, charge, minute(71))
    provider.away = True
    await settle(sessions, provider, minute(71))
    async with transaction(sessions) as changing:
        if change == "stop":
            await mandates.stop(changing, who.user_id, minute(72))
        else:
            await mandates.pause(changing, who.user_id, paused=True, now=minute(72))
    provider.away = False
    for at in (72, 73, 80, 90):
        await settle(sessions, provider, minute(at))
    assert (provider.payments, await payments(session)) == ({}, [("cancelled", "")])
    assert await session.scalar(text("select count(*) from payment where look_again_at is not null")) == 0


async def test_taken_before_it_was_stopped_it_is_found_and_counts(
    session: AsyncSession,
    sessions: Sessions,
    provider: KeepingProvider,
    garage: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 1)
    await consider(sessions, charge, minute(71))

    def lost() -> None:
        raise ProviderAway("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(provider, "after", lost)
        await settle(sessions, provider, minute(71))
    await stop(sessions, who.user_id, minute(72))
    await settle(sessions, provider, minute(73))
    assert await state_of(session, charge) is ChargeState.SETTLED
    assert (len(provider.payments), await payments(session)) == (1, [("succeeded", "")])


async def test_one_that_expires_is_told_as_failed(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 1)
    await consider(sessions, charge, minute(71))
    provider.away = True
    await settle(sessions, provider, minute(71))
    provider.away = False
    for later in (minute(71) + timedelta(days=1, minutes=1), minute(71) + timedelta(days=1, minutes=30)):
        await settle(sessions, provider, later)
    assert (provider.payments, await payments(session)) == ({}, [("failed", "expired")])
    payment_id = await session.scalar(select(Payment.id))
    assert payment_id is not None
    await mandates.tell_of_failure(session, payment_id, minute(2000))
    await session.commit()
    assert await told(session, who) == ["mandate_failed"]


async def test_a_stay_from_before_the_mandate_is_not_taken_when_it_is_corrected(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await holder(session, since=minute(-300))
    stay = await parked(session, garage, at=-120)
    await left(session, stay, at=-60)
    await assess_stay(session, stay, minute(-60))
    await give(session, who)
    desk = MandateDesk(sessions, {"stripe": provider})
    await desk.do_some(minute(0))
    provider.driver_fills_in_the_form()
    await desk.do_some(minute(1))
    await restate(session, stay, exited_at=minute(-10))
    await assess_stay(session, stay, minute(200))
    await session.commit()
    charge = (await charges_of_stays(session, [stay]))[stay]
    await consider(sessions, charge, minute(201))
    await settle(sessions, provider, minute(202))
    assert (charge.amount, provider.payments) == (2 * HOUR, {})


async def test_what_the_drivers_bank_took_back_is_not_taken_by_the_mandate(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 1)
    assert charge.stay_id is not None
    by_hand = NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.APP)
    await start_payment(session, {charge.id: HOUR}, by_hand, minute(80))
    await session.commit()
    await settle(sessions, provider, minute(80))
    (paid,) = provider.payments
    provider.payer_pays(paid)
    await settle(sessions, provider, minute(85))
    dispute = ProviderDispute(id="dp", payment_id=paid, amount=HOUR, state="open")
    await dispute_seen(session, "stripe", dispute, minute(200))
    await session.commit()
    await consider(sessions, charge, minute(201))
    await settle(sessions, provider, minute(202))
    assert (list(provider.payments), await told(session, who)) == ([paid], ["mandate_not_taken"])
    stay = (await stay_facts(session, [charge.stay_id]))[charge.stay_id]
    assert not await mandates.covers(session, stay, HOUR, HOUR, minute(203))


async def test_stopped_while_something_is_taken_neither_waits_for_the_other(
    session: AsyncSession,
    sessions: Sessions,
    provider: KeepingProvider,
    garage: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 1)
    await consider(sessions, charge)
    holds, others_wait = asyncio.Event(), asyncio.Event()
    lock_charges = mandates.lock_charges

    async def slowly(session: AsyncSession, *, ids: list[UUID]) -> object:
        """The one that stops it holds the mandate by now, and goes on once the other has come."""
        if asyncio.current_task() is stopping:
            holds.set()
            await others_wait.wait()
        return await lock_charges(session, ids=ids)

    monkeypatch.setattr(mandates, "lock_charges", slowly)
    stopping = asyncio.create_task(stop(sessions, who.user_id, minute(2001)))
    await holds.wait()
    considering = asyncio.create_task(consider(sessions, charge, minute(2001)))
    waiting = text("select count(*) from pg_locks where not granted")
    while not await session.scalar(waiting):
        await session.rollback()
    await session.rollback()
    others_wait.set()
    await asyncio.gather(stopping, considering)
    assert await payments(session) == [("cancelled", "")]

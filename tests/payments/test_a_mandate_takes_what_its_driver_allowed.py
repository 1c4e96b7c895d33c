"""From the provider's form to a stay that is paid by itself; and every time that nothing is taken, it is
said."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.follow_ups import NotYet
from parking_cloud.notices import service as notices
from parking_cloud.payments import mandates
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.payments.facts import ChargeFacts, charges_of_stays
from parking_cloud.payments.mandate_desk import MandateDesk
from parking_cloud.payments.mandate_models import Mandate
from parking_cloud.payments.mandate_rules import MandateState
from parking_cloud.payments.mandates import CeilingsIn, MandateIn
from parking_cloud.payments.models import Payment
from parking_cloud.payments.provider import (
    Method,
    NewPayment,
    NewSaving,
    ProviderAway,
    ProviderPayment,
    ProviderSaving,
    ProviderState,
)
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.payments.service import NewPaymentOrder, start_payment
from parking_cloud.stays.service import stay_facts
from tests.arrears.parts import holder
from tests.payments.parts import ScriptedProvider, left, minute, parked, priced_garage, restate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
LATER = minute(2000)


class KeepingProvider(ScriptedProvider):
    """One whose payers also let it keep a method, or have it forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.savings: dict[str, ProviderSaving] = {}
        self.forgotten: list[str] = []
        self.declines = False

    async def open_saving(self, new: NewSaving) -> ProviderSaving:
        self.before()
        saving = self.savings.setdefault(
            new.key, ProviderSaving(id=f"seti_{new.key}", state=ProviderState.PENDING, key=new.key)
        )
        self.after()
        return saving

    async def look_at_saving(self, saving_id: str) -> ProviderSaving:
        self.before()
        return next(saving for saving in self.savings.values() if saving.id == saving_id)

    async def forget_method(self, saved_method: str) -> None:
        self.before()
        self.forgotten.append(saved_method)

    def driver_fills_in_the_form(self) -> None:
        for key, saving in self.savings.items():
            self.savings[key] = ProviderSaving(
                id=saving.id, state=ProviderState.SUCCEEDED, key=key, saved_method="cus_1/pm_1"
            )

    async def open_payment(self, new: NewPayment) -> ProviderPayment:
        opened = await super().open_payment(new)
        if self.declines and new.saved_method:
            self._payment(opened.id, ProviderState.FAILED, failure="card_declined")
        return self.payments[opened.id]


@pytest.fixture
def provider() -> KeepingProvider:
    return KeepingProvider()


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


async def give(session: AsyncSession, who: Identity, stay: int = 3_000, day: int = 5_000) -> None:
    asked = MandateIn(method=Method.CARD, ceiling_stay=stay, ceiling_day=day)
    await mandates.give(session, who.user_id, asked, "stripe", minute(0))
    await session.commit()


async def with_mandate(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, **ceilings: int
) -> Identity:
    """A driver with a verified vehicle and an active mandate, from noon on."""
    who = await holder(session)
    await give(session, who, **ceilings)
    desk = MandateDesk(sessions, {"stripe": provider})
    await desk.do_some(minute(0))
    provider.driver_fills_in_the_form()
    await desk.do_some(minute(1))
    return who


async def stayed(session: AsyncSession, facility: UUID, hours: float, at: float = 10) -> ChargeFacts:
    """A stay of so many hours (¥6 each) that has ended, with its charge; committed."""
    stay = await parked(session, facility, at=at)
    await left(session, stay, at=at + 60 * hours)
    await assess_stay(session, stay, minute(at + 60 * hours))
    await session.commit()
    return (await charges_of_stays(session, [stay]))[stay]


async def consider(sessions: Sessions, charge: ChargeFacts, now: datetime = LATER) -> None:
    async with transaction(sessions) as session:
        await mandates.consider(session, charge.id, now)


async def settle(sessions: Sessions, provider: KeepingProvider, now: datetime = LATER) -> None:
    desk = Desk(sessions, {"stripe": provider}, FixedClock(now))
    while await desk.turn():
        pass


async def state_of(session: AsyncSession, charge: ChargeFacts) -> ChargeState:
    await session.rollback()
    assert charge.stay_id is not None
    return (await charges_of_stays(session, [charge.stay_id]))[charge.stay_id].state


async def told(session: AsyncSession, who: Identity) -> list[str]:
    page = await notices.notices_of(session, who.user_id, language="en", before=None, limit=50)
    return [n.kind for n in page.items if n.kind.startswith("mandate")]


async def test_a_stay_is_paid_by_itself_once(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 2)
    for _ in range(3):
        await consider(sessions, charge)
        await settle(sessions, provider)
    assert await state_of(session, charge) is ChargeState.SETTLED
    (payment,) = await session.scalars(select(Payment))
    assert (payment.via, payment.amount, payment.payer_id) == (Via.MANDATE, 1_200, who.user_id)
    assert provider.balance() == 1_200


async def test_307_yuan_for_half_an_hour_is_told_not_taken(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    """The exit was missed, and the stay closed by a later one: 51 hours and more for half of one."""
    who = await with_mandate(session, sessions, provider, stay=20_000, day=50_000)
    charge = await stayed(session, garage, 51.2)
    assert charge.amount > 30_700
    await consider(sessions, charge, minute(5000))
    await settle(sessions, provider, minute(5000))
    assert await state_of(session, charge) is ChargeState.DUE
    assert (provider.payments, await told(session, who)) == ({}, ["mandate_not_taken"])


async def test_a_stay_that_was_out_of_the_ordinary_is_not_taken_even_once_confirmed(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 2)
    assert charge.stay_id is not None
    await restate(session, charge.stay_id, situations=["missed_exit"])
    await consider(sessions, charge)
    await settle(sessions, provider)
    assert (provider.payments, await told(session, who)) == ({}, ["mandate_not_taken"])


async def test_the_days_ceiling_holds_over_stays(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider, stay=1_300, day=2_500)
    charges = [await stayed(session, garage, 2, at=10 + 150 * n) for n in range(3)]
    for charge in charges:
        await consider(sessions, charge, minute(600))
        await settle(sessions, provider, minute(600))
    states = [await state_of(session, charge) for charge in charges]
    assert states == [ChargeState.SETTLED, ChargeState.SETTLED, ChargeState.DUE]
    assert await told(session, who) == ["mandate_not_taken"]
    shown = await mandates.look(session, who.user_id, minute(601))
    assert shown.taken_today == 2_400
    tomorrow = await mandates.look(session, who.user_id, minute(601) + timedelta(days=1))
    assert tomorrow.taken_today == 0


async def test_what_was_corrected_is_told_and_not_taken(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 2)
    await consider(sessions, charge)
    await settle(sessions, provider)
    assert charge.stay_id is not None
    await left(session, charge.stay_id, at=10 + 60 * 3)
    await assess_stay(session, charge.stay_id, minute(900))
    await session.commit()
    await consider(sessions, charge)
    await settle(sessions, provider)
    assert await state_of(session, charge) is ChargeState.DUE
    assert (provider.balance(), await told(session, who)) == (1_200, ["mandate_not_taken"])


async def test_what_fails_is_told_and_not_tried_again_by_itself(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    provider.declines = True
    charge = await stayed(session, garage, 2)
    for _ in range(3):
        await consider(sessions, charge)
        await settle(sessions, provider)
    (payment,) = await session.scalars(select(Payment.id))
    for _ in range(2):
        async with transaction(sessions) as telling:
            await mandates.tell_of_failure(telling, payment, minute(2001))
    assert await told(session, who) == ["mandate_failed"]
    assert await state_of(session, charge) is ChargeState.DUE


async def test_who_is_paying_by_hand_is_not_interrupted(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 2)
    by_hand = NewPaymentOrder(provider="stripe", method=Method.ALIPAY, via=Via.SCAN)
    await start_payment(session, {charge.id: charge.owed}, by_hand, minute(200))
    await session.commit()
    with pytest.raises(NotYet):
        await consider(sessions, charge)


@pytest.mark.parametrize("change", ["pause", "stop"])
async def test_paused_or_stopped_nothing_is_taken(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID, change: str
) -> None:
    who = await with_mandate(session, sessions, provider)
    if change == "pause":
        await mandates.pause(session, who.user_id, paused=True, now=minute(5))
    else:
        await mandates.stop(session, who.user_id, minute(5))
    charge = await stayed(session, garage, 2)
    await consider(sessions, charge)
    if change == "pause":
        await mandates.pause(session, who.user_id, paused=False, now=minute(500))
        await session.commit()
        await consider(sessions, charge)  # it became due while nothing was to be taken
    await settle(sessions, provider)
    assert provider.payments == {}


async def test_stopping_has_the_provider_forget_the_method_and_gives_up_what_is_on_its_way(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    who = await with_mandate(session, sessions, provider)
    charge = await stayed(session, garage, 2)
    await consider(sessions, charge)
    await mandates.stop(session, who.user_id, minute(300))
    await session.commit()
    await settle(sessions, provider)
    provider.away = True
    desk = MandateDesk(sessions, {"stripe": provider})
    await desk.do_some(minute(2000))
    provider.away = False
    await desk.do_some(minute(2010))
    await session.rollback()
    assert (provider.forgotten, provider.balance()) == (["cus_1/pm_1"], 0)
    assert await session.scalar(select(Mandate.saved_method)) == ""


async def test_a_mandate_comes_about_though_answers_are_lost(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider
) -> None:
    who = await holder(session)
    await give(session, who)
    desk = MandateDesk(sessions, {"stripe": provider})
    lost = [True, True]

    def after() -> None:
        if lost:
            lost.pop()
            raise ProviderAway("the answer is lost")

    provider.after = after  # type: ignore[method-assign]
    for at in (0, 1, 2):
        await desk.do_some(minute(at))
    assert len(provider.savings) == 1
    provider.driver_fills_in_the_form()
    await session.execute(
        text(
            "insert into provider_news"
            " (provider, event_id, type, concerns, reference, occurred_at, look_again_at)"
            " select 'stripe', 'evt_1', 'setup_intent.succeeded', 'saving', saving_id, :at, :at from mandate"
        ),
        {"at": minute(2)},
    )
    await session.commit()
    await desk.do_some(minute(2.01))
    assert (await mandates.look(session, who.user_id, minute(3))).state is MandateState.ACTIVE


async def test_a_form_that_nobody_fills_in_is_given_up(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider
) -> None:
    who = await holder(session)
    await give(session, who)
    desk = MandateDesk(sessions, {"stripe": provider})
    for at in (0, 30, 70):
        await desk.do_some(minute(at))
    with pytest.raises(mandates.NoMandate):
        await mandates.look(session, who.user_id, minute(71))
    await give(session, who)


async def test_a_gate_may_open_for_what_a_mandate_will_pay(
    session: AsyncSession, sessions: Sessions, provider: KeepingProvider, garage: UUID
) -> None:
    await with_mandate(session, sessions, provider, stay=1_300)
    stay_id = await parked(session, garage, at=10)
    stay = (await stay_facts(session, [stay_id]))[stay_id]
    assert await mandates.covers(session, stay, 1_200, 1_200, minute(130))
    assert not await mandates.covers(session, stay, 1_800, 1_800, minute(190))


@pytest.mark.parametrize(("stay", "day"), [(20_001, 50_000), (3_000, 2_000), (3_000, 50_001)])
async def test_ceilings_have_a_ceiling(session: AsyncSession, stay: int, day: int) -> None:
    who = await holder(session)
    with pytest.raises(mandates.CeilingTooHigh):
        await give(session, who, stay, day)
    await give(session, who)
    with pytest.raises(mandates.CeilingTooHigh):
        await mandates.set_ceilings(
            session, who.user_id, CeilingsIn(ceiling_stay=stay, ceiling_day=day), minute(1)
        )
    with pytest.raises(mandates.MandateStands):
        await give(session, who)

"""Nobody is overdue whom nothing has reached; each stage is told once; what is paid ends it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import give_up, holdings
from parking_cloud.arrears import service
from parking_cloud.arrears.cases import advance, follow_charges
from parking_cloud.arrears.models import ArrearsCase, ArrearsReminder
from parking_cloud.arrears.rules import PolicyStatus, Stage
from parking_cloud.arrears.schemas import ByHandIn
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.money import Fen
from parking_cloud.notices import service as notices
from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import ChargeFacts
from parking_cloud.payments.provider import Method, ProviderDispute, ProviderPayment, ProviderState
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, payment_seen, record_cash, start_payment
from tests.arrears.parts import CHIEF, holder, policy, unpaid
from tests.payments.parts import OWN, minute, priced_garage, restate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]


def day(charge: ChargeFacts, days: float) -> datetime:
    assert charge.final_at is not None
    return charge.final_at + timedelta(days=days)


async def run(sessions: Sessions, charge: ChargeFacts, until: int, since: int = 0) -> None:
    """The worker's job, once a day."""
    for number in range(since, until + 1):
        async with transaction(sessions) as session:
            await advance(session, day(charge, number))


async def stage_of(session: AsyncSession, charge: ChargeFacts) -> Stage:
    stage = await session.scalar(select(ArrearsCase.stage).where(ArrearsCase.charge_id == charge.id))
    assert stage is not None
    return Stage(stage)


async def told(session: AsyncSession, who: Identity) -> list[str]:
    page = await notices.notices_of(session, who.user_id, language="en", before=None, limit=50)
    return [n.kind for n in reversed(page.items) if n.kind.startswith("arrears")]


async def test_a_verified_driver_is_told_of_each_stage_once(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    li = await holder(session)
    charge = await unpaid(session, garage, at=10)
    await run(sessions, charge, 90)
    assert await told(session, li) == [
        "arrears_payment_period",
        "arrears_reminder",
        "arrears_reminder",
        "arrears_overdue",
    ]
    assert await stage_of(session, charge) is Stage.OVERDUE


async def test_a_vehicle_that_nobody_has_is_never_overdue(session: AsyncSession, sessions: Sessions) -> None:
    garage = await priced_garage(session)
    await policy(session)
    charge = await unpaid(session, garage)
    await run(sessions, charge, 200)
    assert await stage_of(session, charge) is Stage.NEARLY_OVERDUE
    (reminder,) = await session.scalars(select(ArrearsReminder))
    assert (reminder.number, reminder.given_at) == (1, None)


async def test_reminders_given_by_hand_count_from_when_they_were_given(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    charge = await unpaid(session, garage)
    await run(sessions, charge, 65)
    for number in (66, 82):
        letter = ByHandIn(note="挂号信送达，签收人本人", given_at=day(charge, number))
        async with transaction(sessions) as writing:
            await service.reminded_by_hand(writing, CHIEF, charge.id, letter, day(charge, number))
    await run(sessions, charge, 96, since=82)
    assert await stage_of(session, charge) is Stage.NEARLY_OVERDUE
    await run(sessions, charge, 98, since=97)
    await session.commit()
    assert await stage_of(session, charge) is Stage.OVERDUE


async def test_a_worker_that_was_away_reminds_once_not_twice_in_a_day(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    li = await holder(session)
    charge = await unpaid(session, garage, at=10)
    for hours in (0, 1, 7, 25):
        async with transaction(sessions) as writing:
            await advance(writing, day(charge, 100) + timedelta(hours=hours))
    assert await told(session, li) == ["arrears_payment_period", "arrears_reminder"]
    await run(sessions, charge, 114, since=101)
    assert await stage_of(session, charge) is Stage.NEARLY_OVERDUE


async def test_what_is_paid_ends_it_and_what_is_due_anew_begins_anew(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    await holder(session)
    charge = await unpaid(session, garage, at=10)
    await run(sessions, charge, 40)
    assert charge.stay_id is not None
    await restate(session, charge.stay_id, state="review")
    await follow(sessions, charge, day(charge, 41))
    assert await closed(session, charge) == "held"
    await restate(session, charge.stay_id, state="closed")
    await follow(sessions, charge, day(charge, 50))
    await session.commit()
    case = await session.get_one(ArrearsCase, charge.id, populate_existing=True)
    assert (case.round, case.stage, case.final_at) == (2, "payment_period", day(charge, 50))
    await record_cash(session, {charge.id: charge.amount}, charge.amount, uuid4(), day(charge, 51))
    await follow_charges(session, [charge.id], day(charge, 51))
    await session.commit()
    assert await closed(session, charge) == "settled"
    await run(sessions, charge, 200, since=52)
    assert await session.scalar(text("select count(*) from notice where kind = 'arrears_overdue'")) == 0


async def follow(sessions: Sessions, charge: ChargeFacts, now: datetime) -> None:
    async with transaction(sessions) as session:
        assert charge.stay_id is not None
        await assess_stay(session, charge.stay_id, now)
        await follow_charges(session, [charge.id], now)


async def closed(session: AsyncSession, charge: ChargeFacts) -> str:
    await session.commit()
    why = await session.scalar(select(ArrearsCase.closed_why).where(ArrearsCase.charge_id == charge.id))
    return str(why)


async def test_what_a_bank_took_back_is_not_old_for_having_been_paid(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    await holder(session)
    charge = await unpaid(session, garage, at=10)
    order = NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.APP)
    started = await start_payment(session, {charge.id: charge.owed}, order, day(charge, 1))
    paid = ProviderPayment(id="pi_1", state=ProviderState.SUCCEEDED, amount=Fen(1_200))
    await payment_seen(session, started.payment.id, paid, day(charge, 1))
    await follow_charges(session, [charge.id], day(charge, 1))
    await session.commit()
    assert await closed(session, charge) == "settled"
    taken = ProviderDispute(id="dp_1", payment_id="pi_1", amount=Fen(1_200), state="open")
    assert await dispute_seen(session, "stripe", taken, day(charge, 100))
    await follow_charges(session, [charge.id], day(charge, 100))
    await session.commit()
    await run(sessions, charge, 129, since=100)
    assert await stage_of(session, charge) is Stage.PAYMENT_PERIOD
    await run(sessions, charge, 130, since=130)
    await session.rollback()
    assert await stage_of(session, charge) is Stage.MAKE_UP


async def test_the_next_owner_is_not_told_of_the_last_ones_debt(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    charge = await unpaid(session, garage)
    buyer = await holder(session, "buyer", since=minute(300))
    await run(sessions, charge, 80)
    assert await told(session, buyer) == []
    assert await service.owed_by(session, buyer.user_id) == []
    assert await stage_of(session, charge) is Stage.NEARLY_OVERDUE


async def test_who_gave_the_vehicle_up_sees_none_of_its_debts(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    li = await holder(session)
    await unpaid(session, garage, at=10)
    assert [owed.owed for owed in await service.owed_by(session, li.user_id)] == [1_200]
    (held,) = await holdings(session, li.user_id)
    await give_up(session, li, held.binding_id, minute(200))
    assert await service.owed_by(session, li.user_id) == []


async def test_an_unconfirmed_policy_says_that_it_only_informs(
    session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    await policy(session, PolicyStatus.UNCONFIRMED)
    li = await holder(session)
    await unpaid(session, garage, at=10)
    (owed,) = await service.owed_by(session, li.user_id)
    assert owed.only_informs
    page = await notices.notices_of(session, li.user_id, language="en", before=None, limit=9)
    assert "nothing follows from it" in page.items[0].body


async def test_no_notice_holds_a_plate_or_a_place(session: AsyncSession, sessions: Sessions) -> None:
    garage = await priced_garage(session)
    await policy(session)
    await holder(session)
    charge = await unpaid(session, garage, at=10)
    await run(sessions, charge, 90)
    said = "".join(await session.scalars(text("select texts::text from notice")))
    assert said
    assert not any(secret in said for secret in (OWN, OWN[2:], "爱山", "garage"))


async def test_without_a_policy_no_clock_runs(session: AsyncSession, sessions: Sessions) -> None:
    charge = await unpaid(session, await priced_garage(session))
    await run(sessions, charge, 90)
    assert await session.scalar(select(ArrearsCase.charge_id)) is None

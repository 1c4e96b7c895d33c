"""A stay that is void, corrected or looked into: its charge follows; what was paid too much comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.payments.events import note_stays
from parking_cloud.payments.provider import ProviderState
from parking_cloud.stays.events import STAY_CHANGED
from parking_cloud.stays.schemas import StayState
from tests.payments.parts import HOUR, left, minute, parked, priced_garage, restate, voided
from tests.payments.scene import Scene

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_a_void_stay_gives_all_back_and_asks_nothing(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    assert await money.stands() == ("settled", HOUR, HOUR)
    await voided(money.session, money.stay)
    for at in (70, 71, 72):  # told again, nothing more happens
        await money.assessed(at)
        await money.works(at)
    assert await money.stands() == ("void", 0, 0)
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    assert await money.ledger() == {}


async def test_news_of_a_stay_reaches_its_charge(money: Scene, redis: Redis) -> None:
    money.stay = await parked(money.session, await priced_garage(money.session))
    await left(money.session, money.stay, 60)
    told = [OutboxMessage(number, STAY_CHANGED, str(money.stay), {}) for number in (1, 2)]
    money.clock.moment = datetime.now(UTC) + timedelta(hours=1)
    for _ in range(2):
        await note_stays(money.session, redis, told)
        await money.session.commit()
        await money.works(60)
    assert await money.stands() == ("due", HOUR, 0)
    assert await money.session.scalar(text("select count(*) from stay_to_assess")) == 0
    assert await money.session.scalar(text("select count(*) from charge_assessment")) == 1


async def test_a_payment_under_way_is_given_up_and_one_that_comes_late_goes_back(money: Scene) -> None:
    await money.ended(60)
    await money.begun(HOUR, 60)
    money.provider.payer_pays("pi_0")  # and we have not heard of it
    await voided(money.session, money.stay)
    await money.assessed(60.1)
    await money.works(70)
    assert await money.stands() == ("void", 0, 0)
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    assert await money.ledger() == {}


async def test_corrected_down_the_rest_comes_back_corrected_up_it_is_due_again(money: Scene) -> None:
    await money.ended(90)
    await money.paid(2 * HOUR, 90)
    await restate(money.session, money.stay, exited_at=minute(50))
    await money.assessed(100)
    await money.works(100)
    assert await money.stands() == ("settled", HOUR, HOUR)
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    await restate(money.session, money.stay, exited_at=minute(170))
    await money.assessed(110)
    await money.works(110)
    assert await money.stands() == ("due", 3 * HOUR, HOUR)
    assert len(money.provider.payments) == 1  # nothing was taken by itself


async def test_under_review_nothing_is_asked_and_nothing_taken(money: Scene) -> None:
    await money.ended(60)
    await money.begun(HOUR, 60)
    await restate(money.session, money.stay, state=StayState.REVIEW)
    await money.assessed(61)
    await money.works(62)
    charge = await money.charge()
    assert (charge.state, charge.final_at) == ("held", None)
    assert money.provider.payments["pi_0"].state is ProviderState.CANCELLED
    await restate(money.session, money.stay, state=StayState.CLOSED)
    await money.assessed(500)
    charge = await money.charge()
    assert (charge.state, charge.final_at) == ("due", minute(500))  # the clock of arrears starts anew


async def test_a_stay_that_is_no_longer_void_is_due_anew(money: Scene) -> None:
    await money.ended(60)
    await voided(money.session, money.stay)
    await money.assessed(70)
    assert await money.stands() == ("void", 0, 0)
    await restate(money.session, money.stay, state=StayState.CLOSED)
    await money.assessed(80)
    assert await money.stands() == ("due", HOUR, 0)
    assert await money.ledger() == {"driver": HOUR, "operator": -HOUR}


async def test_without_a_tariff_nothing_is_charged_and_others_go_on(money: Scene, redis: Redis) -> None:
    garage = await priced_garage(money.session)
    street = await money.session.scalar(text("select id from facility where code = 'street'"))
    assert street is not None
    unpriced = await parked(money.session, street, plate="浙E99999")
    money.stay = await parked(money.session, garage)
    for stay in (unpriced, money.stay):
        await left(money.session, stay, 60)
    told = [OutboxMessage(1, STAY_CHANGED, str(stay), {}) for stay in (unpriced, money.stay)]
    await note_stays(money.session, redis, told)
    await money.session.commit()
    money.clock.moment = datetime.now(UTC) + timedelta(hours=1)
    await money.works(60)
    assert await money.stands() == ("due", HOUR, 0)
    assert await money.session.scalar(text("select count(*) from charge")) == 1
    assert await money.session.scalar(text("select count(*) from stay_to_assess")) == 0

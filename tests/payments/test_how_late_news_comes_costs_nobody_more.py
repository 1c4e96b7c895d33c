"""Acts are what counts, not when we hear of them: whatever the order of the news, the same is owed."""

from __future__ import annotations

from itertools import permutations

import pytest
from sqlalchemy import text

from parking_cloud.payments.offers import offer_for, redeem
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, payment_succeeded, record_cash, start_payment
from parking_cloud.stays.service import stay_facts
from tests.payments.parts import HOUR, forget_payments, left, minute, parked, priced_garage, restate
from tests.payments.scene import Scene

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def enters(money: Scene) -> None:
    await forget_payments(money.session)
    money.provider.payments.clear()
    money.stay = await parked(money.session, await priced_garage(money.session))


async def begins_to_pay(money: Scene, asked: float, at: float) -> str:
    """What is owed at `asked` is begun to be paid at `at`; the payment's id at the provider."""
    stays = list((await stay_facts(money.session, [money.stay])).values())
    offer = await offer_for(money.session, stays, [], Via.PLATE, minute(asked))
    wanted = await redeem(money.session, offer, minute(at))
    order = NewPaymentOrder(provider="stripe", method=Method.ALIPAY, via=Via.PLATE)
    await start_payment(money.session, wanted, order, minute(at))
    await money.session.commit()
    await money.works(at)
    return list(money.provider.payments)[-1]


async def test_who_paid_in_time_owes_no_more_though_we_hear_of_it_after_he_left(money: Scene) -> None:
    ends = []
    for heard_at in (57, 75):
        await enters(money)
        payment = await begins_to_pay(money, 55, 55)
        money.provider.payer_pays(payment)
        if heard_at < 62:
            await money.works(heard_at)
        await left(money.session, money.stay, 62)
        await money.assessed(62)
        await money.works(75)
        ends.append(await money.stands())
        assert await money.refunds() == []
        money.clock.moment = minute(0)
    assert ends == [("settled", HOUR, HOUR)] * 2


async def test_what_is_paid_after_leaving_pays_for_all_of_the_stay(money: Scene) -> None:
    ends = []
    for exit_known_first in (True, False):
        await enters(money)
        stays = list((await stay_facts(money.session, [money.stay])).values())
        offer = await offer_for(money.session, stays, [], Via.PLATE, minute(58))
        if exit_known_first:
            await left(money.session, money.stay, 62)
            await money.assessed(62)
        wanted = await redeem(money.session, offer, minute(64))
        await record_cash(money.session, wanted, HOUR, money.stay, minute(64))
        await money.session.commit()
        if not exit_known_first:
            await left(money.session, money.stay, 62)
            await money.assessed(65)
        ends.append(await money.stands())
    assert ends == [("due", 2 * HOUR, HOUR)] * 2


@pytest.mark.parametrize("order", list(permutations(("exit", "payment", "entry", "second payment"))))
async def test_news_in_any_order_ends_the_same(money: Scene, order: tuple[str, ...]) -> None:
    """Entered at -10, told and paid for an hour at 45, and a second time by another way at 49; left at 52."""
    await enters(money)
    first = await begins_to_pay(money, 45, 45)
    second = NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.PLATE)
    await start_payment(money.session, {(await money.charge()).id: HOUR}, second, minute(49))
    seen_by_none = "update payment set look_again_at = null, provider_id = coalesce(provider_id, 'pi_second')"
    await money.session.execute(text(seen_by_none))
    await money.session.commit()
    for news in order:
        match news:
            case "exit":
                await left(money.session, money.stay, 52)
            case "entry":
                await restate(money.session, money.stay, entered_at=minute(-10))
            case "payment":
                await hears_of(money, first)
            case _:
                await hears_of(money, "pi_second")
        await money.assessed(60)
    await money.works(90)
    assert await money.stands() == ("settled", HOUR, HOUR)
    assert sum(refund.amount for refund in await money.refunds()) == HOUR
    assert await money.ledger() == {"operator": -HOUR, "provider": HOUR}


async def hears_of(money: Scene, provider_id: str) -> None:
    """A payment's success becomes known."""
    query = text("select id from payment where provider_id = :id")
    payment = await money.session.scalar(query, {"id": provider_id})
    await payment_succeeded(money.session, payment, minute(60))
    await money.session.commit()

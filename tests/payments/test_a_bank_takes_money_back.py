"""Chargebacks: the driver owes it again, unless the bank decides for us; the order of news does not
matter."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import text

from parking_cloud.payments import refund_news, refunds
from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.provider import ProviderDispute
from tests.payments.parts import HOUR, NEIGHBOURS, hashed, minute, restate, voided
from tests.payments.scene import Scene

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def said(money: Scene, state: str, of: str = "pi_0", amount: int = HOUR) -> bool:
    dispute = ProviderDispute(id="dp", payment_id=of, amount=amount, state=state)
    known = await dispute_seen(money.session, "stripe", dispute, minute(100))
    await money.session.commit()
    return known


async def test_taken_back_it_is_due_again_and_won_it_is_settled(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    assert await said(money, "open")
    assert await money.stands() == ("due", HOUR, 0)
    assert await money.ledger() == {"driver": HOUR, "operator": -HOUR}
    assert await said(money, "won")
    assert await money.stands() == ("settled", HOUR, HOUR)
    assert await money.ledger() == {"provider": HOUR, "operator": -HOUR}


@pytest.mark.parametrize("order", sorted(set(itertools.permutations(["open", "won", "won"]))))
async def test_the_order_of_news_does_not_matter(money: Scene, order: tuple[str, ...]) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    for state in order:
        await said(money, state)
    assert await money.stands() == ("settled", HOUR, HOUR)


async def test_paid_again_and_then_won_the_newer_payment_goes_back(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await said(money, "open")
    second = await money.paid(HOUR, 110)
    await said(money, "won")
    await money.works(120)
    assert [(r.payment_id, r.amount) for r in money.provider.refunds.values()] == [(second, HOUR)]
    assert await money.stands() == ("settled", HOUR, HOUR)


async def test_taken_back_after_it_was_refunded_the_books_say_so(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    await said(money, "lost")
    assert await money.stands() == ("void", 0, -HOUR)
    assert await money.ledger() == {"driver": HOUR, "provider": -HOUR}


@pytest.mark.parametrize("first", ["refusal", "dispute"])
async def test_what_a_bank_took_back_is_not_paid_back_by_hand_as_well(money: Scene, first: str) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    if first == "dispute":
        # The refund is on its way to the provider when the bank takes the money.
        await money.session.execute(text("update refund set state = 'sent'"))
        await money.session.commit()
    else:
        await money.works(70)
    await said(money, "open")
    await money.works(80)
    assert await refunds.due_by_hand(money.session, None, 10) == []
    assert [r.state for r in await money.refunds()] == ["replaced"]
    assert (await money.stands(), await money.ledger()) == (("void", 0, 0), {})


async def test_once_the_bank_gives_it_back_the_refund_is_owed_again(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    await said(money, "open")
    money.provider.refuses_refunds = False
    await said(money, "won")
    await money.works(110)
    assert [r.state for r in await money.refunds()] == ["replaced", "done"]
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    assert (await money.stands(), await money.ledger()) == (("void", 0, 0), {})


async def test_a_bank_that_took_less_leaves_the_rest_to_be_paid_back(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    await said(money, "lost", amount=200)
    await money.works(110)
    assert [(r.state, r.amount) for r in await money.refunds()] == [
        ("replaced", HOUR),
        ("failed", HOUR - 200),
    ]
    assert await money.ledger() == {"refunds": 200 - HOUR, "provider": HOUR - 200}


async def test_a_dispute_of_an_unknown_payment_waits(money: Scene) -> None:
    await money.ended(60)
    await money.begun(HOUR, 60)
    assert not await said(money, "open")
    assert not await said(money, "open", of="pi_other")


async def test_a_strangers_refund_tried_again_still_goes_to_the_stranger(money: Scene) -> None:
    """He had paid a misread plate's charge: what he gets back never pays for the vehicle that was there."""
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await restate(money.session, money.stay, plate_hash=hashed(NEIGHBOURS))
    await money.assessed(70)
    await money.works(70)
    (failed,) = await money.refunds()
    money.provider.refuses_refunds = False
    await refund_news.try_again(money.session, failed.id, minute(80))
    await money.session.commit()
    await money.works(90)
    assert [(r.state, r.amount) for r in await money.refunds()] == [("replaced", HOUR), ("done", HOUR)]
    assert await money.stands() == ("due", HOUR, 0)

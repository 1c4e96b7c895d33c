"""Chargebacks: the driver owes it again, unless the bank decides for us; the order of news does not
matter."""

from __future__ import annotations

import itertools

import pytest

from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.provider import ProviderDispute
from tests.payments.parts import HOUR, minute, voided
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


async def test_a_dispute_of_an_unknown_payment_waits(money: Scene) -> None:
    await money.ended(60)
    await money.begun(HOUR, 60)
    assert not await said(money, "open")
    assert not await said(money, "open", of="pi_other")

"""Refunds: decided once, asked with one key however often, from the newest payment; none is lost."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from parking_cloud.payments import refund_news, refunds
from parking_cloud.payments.provider import ProviderAway, ProviderState
from tests.payments.parts import HOUR, minute, restate, voided
from tests.payments.scene import Scene

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_a_lost_answer_is_asked_for_again_and_paid_back_once(
    money: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await voided(money.session, money.stay)
    await money.assessed(70)
    lost = 3

    def lose_three() -> None:
        nonlocal lost
        lost -= 1
        if lost >= 0:
            raise ProviderAway("the answer was lost")

    monkeypatch.setattr(money.provider, "after", lose_three)
    for at in (70, 71, 72, 73, 74):
        await money.works(at)
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    (refund,) = await money.refunds()
    assert (refund.state, refund.attempts, refund.why) == ("done", 4, "void")
    assert await money.ledger() == {}


async def test_while_the_provider_is_away_a_refund_waits(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await voided(money.session, money.stay)
    await money.assessed(70)
    money.provider.away = True
    for at in range(70, 200, 10):
        await money.works(at)
    (refund,) = await money.refunds()
    assert (refund.state, refund.attempts > 5) == ("sent", True)
    assert await money.ledger() == {"refunds": -HOUR, "provider": HOUR}
    money.provider.away = False
    await money.works(300)
    assert await money.ledger() == {}


async def test_the_newest_payment_goes_back_first(money: Scene) -> None:
    await money.ended(150)
    first = await money.paid(HOUR, 150)
    second = await money.paid(2 * HOUR, 155)
    await restate(money.session, money.stay, exited_at=minute(20))
    await money.assessed(160)
    await money.works(160)
    back = {r.payment_id: r.amount for r in money.provider.refunds.values()}
    assert back == {second: 2 * HOUR}
    await voided(money.session, money.stay)
    await money.assessed(170)
    await money.works(170)
    back = {r.payment_id: r.amount for r in money.provider.refunds.values()}
    assert back == {second: 2 * HOUR, first: HOUR}
    assert await money.stands() == ("void", 0, 0)


async def test_what_the_provider_will_not_pay_back_a_person_does(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    (refund,) = await money.refunds()
    assert (refund.state, refund.failure) == ("failed", "charge_disputed")
    (waiting,) = await refunds.due_by_hand(money.session, None, 10)
    for _ in range(2):
        await refunds.paid_by_hand(money.session, waiting.id, minute(80))
        await money.session.commit()
    assert await refunds.due_by_hand(money.session, None, 10) == []
    assert await money.ledger() == {"cash": -HOUR, "provider": HOUR}


async def test_what_is_refused_for_now_is_paid_back_once_it_can_be(money: Scene) -> None:
    """As while the balance does not reach; the provider repeats its refusal of a key."""
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.lacks_balance = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    for at in range(70, 200, 10):
        await money.works(at)
    (refund,) = await money.refunds()
    assert (refund.state, refund.failure, refund.refusals > 5) == ("sent", "", True)
    money.provider.lacks_balance = False
    await money.works(300)
    (refund,) = await money.refunds()
    assert (refund.state, [r.amount for r in money.provider.refunds.values()]) == ("done", [HOUR])
    assert await money.ledger() == {}


async def test_what_is_refused_for_days_is_a_persons(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.lacks_balance = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    await money.works(70 + 3 * 24 * 60)
    (refund,) = await money.refunds()
    assert (refund.state, refund.failure) == ("failed", "balance_insufficient")


async def test_tried_again_by_a_person_another_refund_takes_its_place(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    money.provider.refuses_refunds = True
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    (failed,) = await money.refunds()
    money.provider.refuses_refunds = False
    for _ in range(2):
        await refund_news.try_again(money.session, failed.id, minute(80))
        await money.session.commit()
    await money.works(90)
    assert [(r.state, r.amount) for r in await money.refunds()] == [("replaced", HOUR), ("done", HOUR)]
    assert [r.amount for r in money.provider.refunds.values()] == [HOUR]
    assert (await money.ledger(), await money.stands()) == ({}, ("void", 0, 0))


async def test_one_that_comes_back_from_the_bank_is_owed_again(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await voided(money.session, money.stay)
    await money.assessed(70)
    await money.works(70)
    (refund,) = await money.refunds()
    failed = msgspec.structs.replace(
        money.provider.refunds["re_0"], state=ProviderState.FAILED, failure="lost_or_stolen_card"
    )
    for _ in range(2):
        assert await refund_news.refund_heard(money.session, "stripe", failed, minute(90))
        await money.session.commit()
    assert await money.ledger() == {"refunds": -HOUR, "provider": HOUR}
    await refunds.paid_by_hand(money.session, refund.id, minute(95))
    await money.session.commit()
    # Old news that it failed must not undo what a person has paid.
    await refund_news.refund_heard(money.session, "stripe", failed, minute(99))
    await money.session.commit()
    assert await money.ledger() == {"cash": -HOUR, "provider": HOUR}


async def test_the_database_lets_no_more_go_back_than_came(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    with pytest.raises(DBAPIError, match="more than was paid"):
        await money.session.execute(
            text(
                "insert into refund (id, payment_id, charge_id, amount, why, state, created_at)"
                " select gen_random_uuid(), payment_id, charge_id, amount + 1, 'void', 'due', now()"
                " from payment_part"
            )
        )
    await money.session.rollback()
    with pytest.raises(DBAPIError, match="amounts are not changed"):
        await money.session.execute(text("update payment set amount = amount + 1"))

"""A plate was misread and a stranger asked to pay: corrected, he owes nothing, and gets all back."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from parking_cloud.arrears.cases import follow_charges
from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.offers import charges_for, offer_for, redeem
from parking_cloud.payments.provider import Method, ProviderDispute
from parking_cloud.payments.schemas import Via
from parking_cloud.payments.service import NewPaymentOrder, NothingOwed, start_payment
from parking_cloud.stays.service import stay_facts
from tests.arrears.parts import policy
from tests.factories import load_small_city
from tests.payments.parts import HOUR, NEIGHBOURS, OWN, hashed, left, minute, parked, priced_garage, restate
from tests.payments.scene import Scene
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, corrected, passed, plate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

STRANGERS, TRUE = OWN, NEIGHBOURS


async def reads_again(money: Scene, at: float, number: str = TRUE) -> None:
    await restate(money.session, money.stay, plate_hash=hashed(number))
    await money.assessed(at)


async def owed_by(money: Scene, number: str) -> int:
    charges = await charges_for(money.session, hashed(number), [])
    return (await offer_for(money.session, [], charges, Via.PLATE, minute(100))).amount


async def test_the_debt_goes_to_the_vehicle_that_was_there(money: Scene) -> None:
    await money.ended(60)
    await reads_again(money, 90)
    assert (await owed_by(money, STRANGERS), await owed_by(money, TRUE)) == (0, HOUR)
    charge = await money.charge()
    assert (charge.plate_hash, charge.final_at) == (hashed(TRUE), minute(90))
    assert await money.ledger() == {"driver": HOUR, "operator": -HOUR}


async def test_what_the_stranger_paid_goes_back_and_what_is_on_its_way_too(money: Scene) -> None:
    await money.ended(120)
    await money.paid(HOUR, 120)
    late = await money.begun(HOUR, 122)
    money.provider.payer_pays("pi_1")  # and we have not heard of it
    await reads_again(money, 122.1)
    await money.works(200)
    assert await money.stands() == ("due", 2 * HOUR, 0)
    assert sorted(refund.payment_id for refund in money.provider.refunds.values()) == ["pi_0", "pi_1"]
    assert late in {refund.payment_id for refund in await money.refunds()}
    assert await money.ledger() == {"driver": 2 * HOUR, "operator": -2 * HOUR}


async def test_what_comes_late_from_the_stranger_is_not_taken_from_who_has_paid_since(money: Scene) -> None:
    await money.ended(60)
    stranger = await money.begun(HOUR, 60)
    money.provider.payer_pays("pi_0")
    await reads_again(money, 60.1)
    await money.session.execute(text("update payment set look_again_at = :at"), {"at": minute(100)})
    await money.paid(HOUR, 61)
    assert await money.stands() == ("settled", HOUR, HOUR)
    await money.works(200)
    assert await money.stands() == ("settled", HOUR, HOUR)
    assert [refund.payment_id for refund in await money.refunds()] == [stranger]


async def test_what_the_strangers_bank_gives_back_goes_to_the_stranger(money: Scene) -> None:
    await money.ended(60)
    paid = await money.paid(HOUR, 60)
    for state, at in (("open", 70), ("won", 100)):
        said = ProviderDispute(id="dp", payment_id=paid, amount=HOUR, state=state)
        await dispute_seen(money.session, "stripe", said, minute(at))
        await reads_again(money, at + 1)
    await money.works(110)
    assert await money.stands() == ("due", HOUR, 0)
    assert [refund.payment_id for refund in money.provider.refunds.values()] == [paid]


async def test_an_offer_made_to_the_stranger_can_no_longer_be_paid(money: Scene) -> None:
    money.stay = await parked(money.session, await priced_garage(money.session))
    stays = list((await stay_facts(money.session, [money.stay])).values())
    there = await offer_for(money.session, stays, [], Via.PLATE, minute(50))
    await left(money.session, money.stay, 55)
    await money.assessed(55)
    charges = await charges_for(money.session, hashed(STRANGERS), [])
    gone = await offer_for(money.session, [], charges, Via.PLATE, minute(56))
    await restate(money.session, money.stay, plate_hash=hashed(TRUE))
    for followed in (False, True):
        if followed:
            await money.assessed(57)
            wanted = await redeem(money.session, gone, minute(57))
        else:
            wanted = await redeem(money.session, there, minute(57))
        order = NewPaymentOrder(provider="stripe", method=Method.CARD, via=Via.PLATE)
        with pytest.raises(NothingOwed):
            await start_payment(money.session, wanted, order, minute(57))
        await money.session.rollback()


async def test_read_back_to_what_it_was_the_first_vehicle_owes_it_again(money: Scene) -> None:
    await money.ended(60)
    await money.paid(HOUR, 60)
    await reads_again(money, 70)
    await reads_again(money, 80, STRANGERS)
    await money.works(90)
    assert await money.stands() == ("due", HOUR, 0)
    assert (await owed_by(money, STRANGERS), await owed_by(money, TRUE)) == (HOUR, 0)
    assert len(money.provider.refunds) == 1


async def test_arrears_and_their_notices_begin_anew_for_the_other_vehicle(money: Scene) -> None:
    await policy(money.session)
    await money.ended(60)
    charge = await money.charge()
    await follow_charges(money.session, [charge.id], minute(60))
    await reads_again(money, 90)
    for _ in range(2):
        await follow_charges(money.session, [charge.id], minute(91))
        await money.session.commit()
    cases = text("select plate_hash, round, counts_from, closed_at from arrears_case")
    (case,) = (await money.session.execute(cases)).all()
    assert tuple(case) == (hashed(TRUE), 2, minute(90), None)


async def test_a_gates_second_reading_takes_the_charge_with_it(money: Scene, redis: Redis) -> None:
    session = money.session
    await priced_garage(session)
    gate = (await load_small_city(session))["garage-counter"]
    for record, direction, at in (("in", ENTRY, 0), ("out", EXIT, 60)):
        await arrive(session, redis, [passed(gate, record, direction, at, "浙E77777")])
    (stay,) = await all_stays(session)
    await assess_stay(session, stay.id, minute(61))
    await session.commit()
    again = plate("浙E99999")
    await arrive(session, redis, [corrected(f"c {r}", r, 70, plate=again) for r in ("in", "out")])
    for stay in await all_stays(session, void=True):
        await assess_stay(session, stay.id, minute(71))
    owed = await session.execute(text("select plate_hash, amount from charge where state = 'due'"))
    assert [tuple(row) for row in owed] == [(again.hash, HOUR)]

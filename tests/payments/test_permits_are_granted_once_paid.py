"""A permit is granted when its charge is settled, once; given back by its product's rule; lapsed if not
paid."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicle_problems import ClaimNotFound
from parking_cloud.accounts.vehicles import held_vehicle, holdings
from parking_cloud.payments import permit_sales
from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.mandate_models import PermitPurchase
from parking_cloud.payments.permit_sales import (
    NotGivenBack,
    ProductIn,
    PurchaseIn,
    Vehicle,
    given_back,
    months_on,
)
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.payments.service import record_cash
from parking_cloud.tariffs.permits import permits_of
from parking_cloud.tariffs.schemas import VehicleClass
from tests.arrears.parts import CHIEF, holder
from tests.notices.parts import driver
from tests.payments.parts import OWN, hashed, minute, priced_garage

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

TODAY = date(2026, 11, 20)
NAME = {"zh-CN": "月卡", "en": "Monthly permit"}


async def product(session: AsyncSession, refund: str = "by_day") -> UUID:
    garage = await priced_garage(session)
    stated = ProductIn(
        facility_id=garage,
        name=NAME,  # type: ignore[arg-type]
        vehicle_class=VehicleClass.SMALL,
        months=1,
        price=30_000,
        refund=refund,  # type: ignore[arg-type]
    )
    return await permit_sales.add_product(session, CHIEF, stated)


async def bought(session: AsyncSession, who: Identity, product_id: UUID) -> UUID:
    """A purchase that begins today; its charge."""
    (held,) = await holdings(session, who.user_id)
    vehicle = await held_vehicle(session, who.user_id, held.binding_id)
    asked = PurchaseIn(product_id=product_id, vehicle_id=held.binding_id, starts_on=TODAY)
    sealed = Vehicle(vehicle.plate_hash, vehicle.plate_sealed)
    purchase, offer = await permit_sales.buy(session, who.user_id, asked, sealed, minute(0))
    assert (purchase.state, offer.amount) == ("unpaid", 30_000)
    charge = await session.scalar(select(PermitPurchase.charge_id).where(PermitPurchase.id == purchase.id))
    assert charge is not None
    return charge


async def pay(session: AsyncSession, charge: UUID) -> None:
    await record_cash(session, {charge: 30_000}, 30_000, uuid4(), minute(5))
    for _ in range(2):
        await permit_sales.follow_charge(session, charge, minute(5))


async def test_it_is_granted_when_it_is_paid_and_once(session: AsyncSession) -> None:
    product_id = await product(session)
    who = await holder(session)
    charge = await bought(session, who, product_id)
    await permit_sales.follow_charge(session, charge, minute(1))
    assert await permits_of(session, hashed(OWN)) == []
    await pay(session, charge)
    (permit,) = await permits_of(session, hashed(OWN))
    assert (permit.valid_from.isoformat(), str(permit.valid_until)) == (
        "2026-11-19T16:00:00+00:00",
        "2026-12-19 16:00:00+00:00",
    )


async def test_it_is_given_back_by_the_days_left(session: AsyncSession) -> None:
    product_id = await product(session)
    who = await holder(session)
    charge = await bought(session, who, product_id)
    await pay(session, charge)
    (purchase,) = await permit_sales.purchases_of(session, who.user_id)
    later = minute(0) + timedelta(days=9)
    assert await permit_sales.give_back(session, who.user_id, purchase.id, later) == 20_000
    with pytest.raises(NotGivenBack):
        await permit_sales.give_back(session, who.user_id, purchase.id, later)
    after = (await charge_facts(session, [charge]))[charge]
    assert (after.amount, after.paid, after.state) == (10_000, 10_000, ChargeState.SETTLED)
    (permit,) = await permits_of(session, hashed(OWN))
    assert permit.revoked_at == later


async def test_one_sold_without_return_is_not_given_back(session: AsyncSession) -> None:
    product_id = await product(session, refund="none")
    who = await holder(session)
    await pay(session, await bought(session, who, product_id))
    (purchase,) = await permit_sales.purchases_of(session, who.user_id)
    with pytest.raises(NotGivenBack):
        await permit_sales.give_back(session, who.user_id, purchase.id, minute(60))
    with pytest.raises(permit_sales.PurchaseNotFound):
        await permit_sales.give_back(session, CHIEF.user_id, purchase.id, minute(60))


async def test_what_is_not_paid_lapses_and_owes_nothing(session: AsyncSession) -> None:
    product_id = await product(session)
    who = await holder(session)
    charge = await bought(session, who, product_id)
    await permit_sales.lapse_unpaid(session, minute(29))
    assert (await charge_facts(session, [charge]))[charge].state is ChargeState.DUE
    await permit_sales.lapse_unpaid(session, minute(31))
    assert (await charge_facts(session, [charge]))[charge].state is ChargeState.VOID
    assert [p.state for p in await permit_sales.purchases_of(session, who.user_id)] == ["lapsed"]


async def test_only_for_ones_own_verified_vehicle(session: AsyncSession) -> None:
    await product(session)
    who = await holder(session)
    stranger = await driver(session, "stranger")
    (held,) = await holdings(session, who.user_id)
    with pytest.raises(ClaimNotFound):
        await held_vehicle(session, stranger.user_id, held.binding_id)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 11, 20), 3, date(2027, 2, 20)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
    ],
)
def test_months_end_on_the_same_day(start: date, months: int, end: date) -> None:
    assert months_on(start, months) == end


@given(st.integers(1, 1_000_000), st.integers(1, 24), st.integers(-60, 800))
def test_no_more_comes_back_than_was_paid_and_less_each_day(price: int, months: int, day: int) -> None:
    end = months_on(TODAY, months)
    today = TODAY + timedelta(days=day)
    back = given_back(price, TODAY, end, today)
    assert 0 <= given_back(price, TODAY, end, today + timedelta(days=1)) <= back <= price
    if today < TODAY:
        assert back == price
    if today >= end:
        assert back == 0

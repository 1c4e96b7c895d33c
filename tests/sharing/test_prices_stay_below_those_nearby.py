"""What is shared may not be dearer than every facility with government prices nearby."""

from __future__ import annotations

from typing import Literal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.permit_sales import ProductIn, add_product
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import FacilityIn, OperatorIn, RegistryBatch
from parking_cloud.sharing import ceiling, managing
from parking_cloud.sharing.planning import plan_of, save_plan
from parking_cloud.sharing.problems import TooDear
from parking_cloud.sharing.rule import ensure_rule
from parking_cloud.tariffs.schemas import VehicleClass
from tests.payments.parts import TARIFF
from tests.sharing.parts import CHIEF, FRIDAY_NOON, hall, plan
from tests.tariffs.parts import city, with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def neighbour(session: AsyncSession, code: str, lat: float) -> None:
    """A car park at ¥6 an hour, by government price."""
    lot = FacilityIn(
        code=code,
        name=f"{code}停车场",
        kind="public_offstreet",
        counting="counter",
        capacity=10,
        lat=lat,
        lon=120.1,
        operator_code="op",
    )
    operators = [OperatorIn(code="op", name="湖州停车")]
    await import_batch(session, RegistryBatch(operators=operators, facilities=[lot]))
    await with_tariff(session, code, TARIFF, code=f"tariff-{code}")
    await session.commit()


async def test_dearer_than_all_of_them_is_refused_with_the_comparison(session: AsyncSession) -> None:
    facility = await hall(session)
    await neighbour(session, "near", 30.875)
    await neighbour(session, "far", 30.9)
    await save_plan(session, CHIEF, facility, plan(price_hour=600), FRIDAY_NOON)
    dear = plan(price_hour=700, price_evening=None)
    with pytest.raises(TooDear) as refused:
        await save_plan(session, CHIEF, facility, dear, FRIDAY_NOON)
    assert refused.value.errors is not None
    assert len(refused.value.errors) == 8
    assert refused.value.errors[0]["message"] == "1 h from 11-21 10:00: ¥7.00; near停车场 ¥6.00"
    await save_plan(session, CHIEF, facility, plan(price_hour=700, published=False), FRIDAY_NOON)
    state = await session.scalar(text("select state from sharing_plan"))
    assert state == "draft"


async def test_neither_is_a_window_or_a_month(session: AsyncSession) -> None:
    facility = await hall(session)
    await neighbour(session, "near", 30.875)
    # A workday's window, 18:30 to 8:00, is ¥84 there.
    fits = plan(price_hour=None, price_evening=8_400, price_month=200_000)
    await save_plan(session, CHIEF, facility, fits, FRIDAY_NOON)
    for field, dear in (
        ("price_evening", plan(price_hour=None, price_evening=8_500)),
        ("price_evening", plan(price_hour=600, price_evening=99_900)),
        ("price_month", plan(price_hour=None, price_evening=None, price_month=1_000_000)),
    ):
        with pytest.raises(TooDear) as refused:
            await save_plan(session, CHIEF, facility, dear, FRIDAY_NOON)
        assert {each["field"] for each in refused.value.errors or []} == {field}
    near = await session.scalar(text("select id from facility where code = 'near'"))
    names: dict[Literal["zh-CN", "en"], str] = {"zh-CN": "月卡", "en": "a month"}
    sold = ProductIn(
        facility_id=near, name=names, vehicle_class=VehicleClass.SMALL, months=2, price=60_000, refund="none"
    )
    await add_product(session, CHIEF, sold)
    with pytest.raises(TooDear):
        await save_plan(session, CHIEF, facility, plan(price_month=30_100), FRIDAY_NOON)
    await save_plan(session, CHIEF, facility, plan(price_month=30_000), FRIDAY_NOON)


async def test_the_hours_that_are_compared(session: AsyncSession) -> None:
    facility = await hall(session)
    await neighbour(session, "near", 30.875)
    found = await ceiling.compare(session, facility, plan_of(plan()), FRIDAY_NOON)
    evening = [each for each in found if each.starts_at == city("2026-11-23 19:00")]
    assert [(each.hours, each.ours, each.theirs[0].amount) for each in evening] == [
        (1, 400, 600),
        (2, 800, 1200),
        (4, 1000, 2400),
        (12, 1000, 7200),
    ]
    assert not any(each.too_dear for each in found)


async def test_a_preview_says_what_a_plan_comes_to(session: AsyncSession) -> None:
    facility = await hall(session, spaces=10)
    await ensure_rule(session)
    seen = await managing.preview(session, CHIEF, facility, plan(), FRIDAY_NOON)
    assert (seen.spaces, seen.shortfalls, seen.none_near, seen.too_dear) == (10, [], True, False)
    assert seen.hours_a_week == 115.5
    assert seen.open[0].starts_at == city("2026-11-20 18:30")
    few = plan(windows=plan().windows[:1])
    short = await managing.preview(session, CHIEF, facility, few, FRIDAY_NOON)
    assert [(each.what, each.given) for each in short.shortfalls] == [("hours", 48)]

"""Who needs a charger, or height, is told what is not known of it, and promised no more than that bears."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.rules import MOST_SURE, Hoped, of_a_kind
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.projector import project
from tests.factories import NOON, load_small_city, observed
from tests.guidance.test_answers_follow_what_happens import by_code, places
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SURE = Hoped(*(np.array([value]) for value in (1.0, 40.0, 34.0, 46.0)))


def chance_of(number: int, capacity: int = 100, hoped: Hoped = SURE) -> float:
    share = np.array([number / capacity])
    return float(of_a_kind(hoped, share, share * capacity).chance[0])


def test_the_chance_of_a_charger_follows_how_many_there_are() -> None:
    assert chance_of(1) == pytest.approx(0.33, abs=0.01)
    assert 0.8 < chance_of(5) < 0.9
    assert chance_of(100) == MOST_SURE, "not even where all have one"
    nobody_left = Hoped(*(np.array([value]) for value in (0.1, 0.1, 0.0, 1.0)))
    assert chance_of(5, hoped=nobody_left) == pytest.approx(0.005, abs=0.002)


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1), st.data())
def test_a_kind_is_never_likelier_or_more_than_all(
    capacity: int, chance: float, part: float, data: st.DataObject
) -> None:
    low, free, high = sorted(data.draw(st.floats(0, capacity)) for _ in range(3))
    number = round(part * capacity)
    hoped = Hoped(*(np.array([value]) for value in (chance, free, low, high)))
    share = np.array([number / capacity])
    kind = of_a_kind(hoped, share, share * capacity)
    assert 0 <= kind.chance[0] <= min(chance, MOST_SURE)
    assert 0 <= kind.low[0] <= kind.free[0] <= kind.high[0] <= number + 1e-9
    assert kind.free[0] <= free + 1e-9
    if number < capacity:
        more = np.array([(number + 1) / capacity])
        assert of_a_kind(hoped, more, more * capacity).chance[0] >= kind.chance[0] - 1e-9


async def test_it_says_what_is_not_known_of_chargers(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=40, at=NOON - timedelta(minutes=1))])
    await session.execute(text("update facility set charging_spaces = 2 where code = 'garage'"))
    await session.commit()
    async with client_of(settings, FixedClock(NOON)) as client:
        anyone = by_code(await places(client))["garage"]
        charging = by_code(await places(client, needs="charger"))["garage"]
        again = by_code(await places(client))["garage"]
    assert again == anyone, "what is said to one is not said to the other"
    assert charging.free == 40
    assert charging.chance < 0.6 < 0.95 < anyone.chance
    assert charging.free_on_arrival < 1.0
    assert [line.code for line in charging.why[:3]] == ["free_now", "of_all_charger", "chance"]
    assert charging.why[1].en == "of all spaces; 2 have chargers, their state is not known"


async def test_a_clearance_that_is_not_registered_is_said_and_comes_later(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    await load_small_city(session)
    async with client_of(settings, FixedClock(NOON)) as client:
        anyone = await places(client, lat=30.87, lon=120.1)
        tall = await places(client, lat=30.87, lon=120.1, height_cm=210)
    assert [place.facility.code for place in anyone.items] == ["garage", "street"]
    assert [place.facility.code for place in tall.items] == ["street", "garage"]
    assert tall.items[1].why[0].zh == "限高未登记"
    assert "clearance_unknown" not in [line.code for line in tall.items[0].why], "a street has no roof"

"""A stay that is void while its vehicle was there: its plate's later stays cost what they cost, and stand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.stays.decisions import lapse
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.facts import windows
from parking_cloud.stays.rules import SUPERSEDED
from tests.factories import NOON, load_small_city
from tests.stays.parts import (
    ENTRY,
    EXIT,
    VAULT,
    all_stays,
    arrive,
    corrected,
    minute,
    passed,
    plate,
    restate_long,
)

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

DAY = 1440
PLATE = plate("浙E12345").hash


@pytest.fixture
async def gate(session: AsyncSession) -> Any:
    return (await load_small_city(session))["garage-counter"]


async def begins(session: AsyncSession, days: float) -> datetime:
    """From when on the plate is looked at again for something so many days after noon."""
    return (await windows(session, {PLATE: NOON + timedelta(days=days)}))[PLATE]


async def voided(session: AsyncSession, redis: Redis, gate: Any) -> None:
    """It entered and never left by any gate; nobody proved it, and on the fortieth day it became void."""
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    await restate_long(session, redis, 4 * DAY)
    (stay,) = await all_stays(session)
    await lapse(session, VAULT, stay.id, NOON + timedelta(days=40))
    await session.commit()


async def test_one_that_nobody_proved(session: AsyncSession, redis: Redis, gate: Any) -> None:
    await voided(session, redis, gate)
    assert await begins(session, 365) == NOON + timedelta(days=365) - SUPERSEDED
    assert await begins(session, 41) == NOON


async def test_one_whose_record_was_taken_back(session: AsyncSession, redis: Redis, gate: Any) -> None:
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    await arrive(session, redis, [corrected("c", "in", void=True)])
    assert [stay.state for stay in await all_stays(session, void=True)] == ["void"]
    assert await begins(session, 365) == NOON + timedelta(days=365) - SUPERSEDED


async def test_its_late_exit_begins_nothing_and_a_new_visit_does(
    session: AsyncSession, redis: Redis, gate: Any
) -> None:
    await voided(session, redis, gate)
    await arrive(session, redis, [passed(gate, "out", EXIT, 42 * DAY)], at=42 * DAY)
    assert await all_stays(session) == []
    again = [passed(gate, "in2", ENTRY, 50 * DAY), passed(gate, "out2", EXIT, 50 * DAY + 60)]
    await arrive(session, redis, again, at=51 * DAY)
    (stay,) = await all_stays(session)
    assert (stay.state, minute(stay.entered_at), stay.situations) == ("closed", 50 * DAY, [])


async def test_seen_at_the_place_long_after_it_is_a_new_visit_whatever_is_looked_at_first(
    session: AsyncSession, redis: Redis, gate: Any
) -> None:
    await voided(session, redis, gate)
    await arrive(session, redis, [passed(gate, "out", EXIT, 60 * DAY)], at=60 * DAY)
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("review", ["missed_entry"])
    await restate(session, VAULT, {PLATE: NOON}, Why(NOON + timedelta(days=60)))
    assert await all_stays(session) == [stay]

"""Wuhan: a five-minute pass whose exit was missed was billed as 38 days; the driver was to prove he left."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories import load_small_city
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, minute, passed, restate_long

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

DAY = 1440


async def test_the_next_entry_ends_it_at_the_last_proof(session: AsyncSession, redis: Redis) -> None:
    """The vehicle comes again after 38 days: it had left at some time before; proved is a moment."""
    gate = (await load_small_city(session))["garage-counter"]
    again = 38 * DAY + 780
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)], at=5)
    await arrive(session, redis, [passed(gate, "again", ENTRY, again)], at=again)
    first, second = await all_stays(session)
    assert (first.state, first.ended_by, first.situations) == ("review", "next_entry", ["missed_exit"])
    assert (minute(first.exited_at), minute(first.not_after)) == (0, again)
    assert second.state == "open"


async def test_an_exit_after_38_days_waits_for_the_operators_proof(
    session: AsyncSession, redis: Redis
) -> None:
    """The second pass's entry was missed, and its exit looks like that of the first."""
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)], at=5)
    await arrive(session, redis, [passed(gate, "out", EXIT, 38 * DAY)], at=38 * DAY)
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("review", ["too_long"])


async def test_seen_elsewhere_it_had_left(session: AsyncSession, redis: Redis) -> None:
    devices = await load_small_city(session)
    here, elsewhere = devices["garage-counter"], devices["sensor-1"]
    await arrive(session, redis, [passed(here, "in", ENTRY, 0)], at=5)
    await arrive(session, redis, [passed(elsewhere, "in2", ENTRY, 60), passed(elsewhere, "out2", EXIT, 90)])
    first, second = await all_stays(session)
    assert (first.state, minute(first.exited_at)) == ("review", 0)
    assert first.situations == ["missed_exit", "two_at_once"]
    assert second.state == "closed"


async def test_without_any_word_it_is_looked_at_after_three_days(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)], at=5)
    await restate_long(session, redis, at=71 * 60)
    (stay,) = await all_stays(session)
    assert stay.state == "open"
    await restate_long(session, redis, at=73 * 60)
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations, stay.exited_at) == ("review", ["too_long"], None)
    await arrive(session, redis, [passed(gate, "again", ENTRY, 38 * DAY)], at=38 * DAY)
    first, _ = await all_stays(session)
    assert (first.state, minute(first.exited_at)) == ("review", 0)

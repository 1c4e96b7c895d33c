"""A full count that finds nobody ends what no gate has ended, and a person looks at it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.projector import project
from parking_cloud.stays.spaces import end_counted_out
from tests.factories import NOON, load_small_city, observed
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, follow, minute, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


@pytest.mark.parametrize(("free", "state"), [(99, "open"), (100, "review")])
async def test_only_an_empty_place_tells(session: AsyncSession, redis: Redis, free: int, state: str) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    await project(session, [observed(gate, at=NOON + timedelta(hours=10), free=free, frame=None)])
    for _ in range(2):
        await end_counted_out(session, NOON + timedelta(hours=11))
        await follow(session, redis, at=660)
    (stay,) = await all_stays(session)
    assert stay.state == state


async def test_its_end_is_its_last_proof_until_a_gate_tells_better(
    session: AsyncSession, redis: Redis
) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    await project(session, [observed(gate, at=NOON + timedelta(hours=10), free=100, frame=None)])
    await end_counted_out(session, NOON + timedelta(hours=11))
    await follow(session, redis, at=660)
    (stay,) = await all_stays(session)
    assert (stay.ended_by, minute(stay.exited_at), minute(stay.not_after)) == ("count", 0, 600)
    assert stay.situations == ["count_says_left"]
    await arrive(session, redis, [passed(gate, "out", EXIT, 40)], at=700)
    (stay,) = await all_stays(session)
    assert (stay.state, stay.ended_by, minute(stay.exited_at)) == ("closed", "gate", 40)

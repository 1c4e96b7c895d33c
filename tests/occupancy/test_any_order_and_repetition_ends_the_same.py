"""Any permutation and duplication of a set of uplinks leaves the same tables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.gates.events import recount
from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import make_sessions
from parking_cloud.occupancy.counting import FACILITY_COUNTED
from parking_cloud.occupancy.projector import project, settle_spaces
from sensor_gateway.observation import Observation, Quality
from tests.factories import NOON, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

AFTER = NOON + timedelta(hours=2)
SHIFTS = st.integers(-40, 40) | st.sampled_from([-115, -100, 0, 100, 115])
"""Seconds by which copies of a frame are apart: some within two minutes of each other, some beyond, and some
that make one statement of two."""


@pytest.fixture
async def devices(engine: AsyncEngine) -> dict[str, Any]:
    """The small city, committed; the examples roll back what they do in it."""
    async with make_sessions(engine)() as session:
        return await load_small_city(session, spaces=2)


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Frames of two sensors and counts of a counter, each with the ways it reached us."""
    frames = []
    for number in range(draw(st.integers(1, 12))):
        second = draw(st.integers(0, 90) | st.sampled_from([0, 30]))  # often at the same moment
        copies = draw(st.lists(st.tuples(SHIFTS, st.integers(0, 60)), min_size=1, max_size=3))
        frames.append(
            {
                "device": draw(st.sampled_from(["sensor-1", "sensor-2", "garage-counter"])),
                "says": draw(st.booleans()),
                "frame": draw(st.integers(0, 3)) if draw(st.booleans()) else 10 + number,
                "battery": draw(st.sampled_from([None, 3.1, 3.6])),
                "degrees": draw(st.sampled_from([None, -4.0, 21.0])),
                "passed": draw(st.sampled_from([None, (2, 0), (1, 3)])),
                "times": [(second + shift, delay) for shift, delay in copies],
            }
        )
    return frames


def heard(devices: dict[str, Any], frames: list[dict[str, Any]]) -> list[Observation]:
    """Each delivery as an observation; some come through a second network server, some are dated ahead."""
    observations = []
    for frame in frames:
        counter = frame["device"] == "garage-counter"
        for number, (second, delay) in enumerate(frame["times"]):
            at = NOON + timedelta(seconds=second)
            passed = frame["passed"] if counter else None
            said = observed(
                devices[frame["device"]],
                at=at,
                occupied=None if counter else frame["says"],
                free=int(frame["says"]) + 7 if counter and passed is None else None,
                frame=frame["frame"],
                battery_v=frame["battery"],
                temperature_c=frame["degrees"],
                entered=passed and passed[0],
                left=passed and passed[1],
            )
            ahead = delay > 55
            observations.append(
                msgspec.structs.replace(
                    said,
                    observed_at=at - timedelta(seconds=delay) if ahead else at,
                    received_at=at - timedelta(seconds=delay) if ahead else at + timedelta(seconds=delay),
                    sent_at=at if ahead else None,
                    quality=Quality.FUTURE if ahead else Quality.GOOD,
                    source=("chirpstack", "the-things-stack")[number % 2],
                )
            )
    return observations


async def tables_after(
    sessions: async_sessionmaker[AsyncSession], redis: Redis, batches: Sequence[Sequence[Observation]]
) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the tables after the batches, rolled back afterwards."""
    async with sessions() as session:
        for batch in batches:
            await project(session, batch)
            await outbox.relay(session, redis, {FACILITY_COUNTED: recount})
        await settle_spaces(session, AFTER)
        return await tables(session)


async def tables(session: AsyncSession) -> dict[str, list[tuple[Any, ...]]]:
    keys = {"observation": "id", "space_state": "space_id", "facility_state": "facility_id"}
    keys["device_state"] = "device_id"
    found = {}
    for name, key in keys.items():
        rows = await session.execute(text(f"select * from {name} order by {key}, 2"))
        found[name] = [tuple(row) for row in rows]
    return found


@given(frames=deliveries(), seed=st.integers(0, 2**32), size=st.integers(1, 8))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_order_and_repetition_ends_the_same(
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    devices: dict[str, Any],
    frames: list[dict[str, Any]],
    seed: int,
    size: int,
) -> None:
    once = heard(devices, frames)
    chance = random.Random(seed)
    shuffled = once + chance.choices(once, k=chance.randint(0, 6))
    chance.shuffle(shuffled)
    batches = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    assert await tables_after(sessions, redis, batches) == await tables_after(sessions, redis, [once])

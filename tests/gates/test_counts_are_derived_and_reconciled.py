"""Between full counts, what passed moves the number on; at the next one, the drift is measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates import events
from parking_cloud.gates.projector import project_records
from parking_cloud.gates.reconciliation import reconcile_all, reconciliations
from parking_cloud.kernel import outbox
from parking_cloud.occupancy import service
from parking_cloud.occupancy.counting import FACILITY_COUNTED
from parking_cloud.occupancy.projector import project
from parking_cloud.registry.schemas import DeviceIn, RegistryBatch
from parking_cloud.registry.service import import_batch
from sensor_gateway.records import Direction
from tests.factories import NOON, load_small_city, observed
from tests.gates.test_corrections_in_any_order_end_the_same import passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

HOUR = timedelta(hours=1)


async def with_lane_counters(session: AsyncSession) -> dict[str, Any]:
    """The small city, and a running counter in each lane of its garage."""
    await load_small_city(session)
    lanes = [
        DeviceIn(
            external_id=f"lane-{direction}",
            vendor="nwave",
            model="ncc405",
            source="chirpstack",
            facility_code="garage",
            direction=direction,
        )
        for direction in ("entry", "exit")
    ]
    await import_batch(session, RegistryBatch(devices=lanes))
    rows = await session.execute(text("select external_id, id, facility_id, space_id from device"))
    return {row.external_id: row for row in rows}


async def relayed(session: AsyncSession, redis: Redis) -> None:
    """What the worker does after each batch."""
    await outbox.relay(session, redis, {FACILITY_COUNTED: events.recount})


async def free(session: AsyncSession) -> int | None:
    return (await service.get_facility(session, "garage", now=NOON + HOUR, stale_after=2 * HOUR)).free


async def test_entered_and_left_move_a_count_on(session: AsyncSession, redis: Redis) -> None:
    counter = (await load_small_city(session))["garage-counter"]
    await project(session, [observed(counter, free=50, frame=None)])
    later = observed(counter, at=NOON + timedelta(minutes=5), frame=2, entered=4, left=1)
    await project(session, [later, later])
    await relayed(session, redis)
    assert await free(session) == 47


async def test_running_counts_of_lanes_move_a_count_on(session: AsyncSession, redis: Redis) -> None:
    devices = await with_lane_counters(session)
    said = [observed(devices["garage-counter"], free=50, frame=None)]
    for minute, entry, exit_ in ((-5, 65_530, 100), (5, 65_535, 101), (10, 4, 101), (15, 6, 3)):
        at = NOON + timedelta(minutes=minute)
        said.append(observed(devices["lane-entry"], at=at, frame=minute + 10, running_count=entry))
        said.append(observed(devices["lane-exit"], at=at, frame=minute + 10, running_count=exit_))
    await project(session, said[::-1])
    await relayed(session, redis)
    # In: 65530 → 65535 → 4 (wrapped) → 6 is 12. Out: 100 → 101, then the counter started again: 3 is 4.
    assert await free(session) == 50 - 12 + 4


async def test_a_new_full_count_starts_over(session: AsyncSession, redis: Redis) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=50, frame=None)])
    await project_records(session, [passed(devices, 1, Direction.ENTRY, minute=1)])
    await project_records(session, [passed(devices, 2, Direction.ENTRY, minute=30)])
    assert await free(session) == 48
    at = NOON + timedelta(minutes=20)
    await project(session, [observed(devices["garage-counter"], at=at, free=49, frame=None)])
    await relayed(session, redis)
    assert await free(session) == 48  # 49 at the count, one in since


async def test_drift_is_derived_less_counted(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    await project(session, [observed(counter, free=50, frame=None)])
    await project_records(session, [passed(devices, 1, Direction.ENTRY)])
    assert await reconcile_all(session, NOON + timedelta(minutes=5)) == 0  # not settled yet
    assert await reconcile_all(session, NOON + timedelta(minutes=11)) == 1
    await project_records(session, [passed(devices, n, Direction.ENTRY, minute=70) for n in (2, 3, 4)])
    await project(session, [observed(counter, at=NOON + 2 * HOUR, free=48, frame=None)])
    await reconcile_all(session, NOON + 3 * HOUR)
    found = await reconciliations(session, counter.facility_id, before=NOON + 9 * HOUR, limit=9)
    assert [(r.counted_occupied, r.derived_occupied, r.drift) for r in found] == [
        (52, 54, 2),  # four vehicles came in by the gates, two by the count
        (50, None, None),
    ]

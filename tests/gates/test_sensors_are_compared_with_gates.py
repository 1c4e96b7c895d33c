"""Where a sensor watches every space, what they say together is reconciled with who passed the gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.projector import project_records
from parking_cloud.gates.reconciliation import newest_drifts, reconcile_all, reconciliations
from parking_cloud.occupancy.projector import project
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, RegistryBatch
from sensor_gateway.records import Direction, GateEvent
from tests.factories import NOON, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

HOUR = timedelta(hours=1)


async def gated_street(session: AsyncSession) -> dict[str, Any]:
    """The street of three spaces, with a barrier of its own."""
    await load_small_city(session, spaces=3)
    barrier = DeviceIn(
        external_id="street-gate", vendor="generic", model="barrier", source="gates", facility_code="street"
    )
    await import_batch(session, RegistryBatch(devices=[barrier]))
    rows = await session.execute(text("select external_id, id, facility_id, space_id from device"))
    return {row.external_id: row for row in rows}


def entry(gate: Any, number: int, minute: float) -> GateEvent:
    at = NOON + timedelta(minutes=minute)
    return GateEvent("gates", f"r{number}", gate.id, gate.facility_id, Direction.ENTRY, at, at)


async def say(session: AsyncSession, devices: dict[str, Any], frame: int, **occupied: bool) -> None:
    """What some sensors say, an hour after each frame before."""
    await project(
        session,
        [
            observed(devices[name.replace("_", "-")], at=NOON + frame * HOUR, occupied=taken, frame=frame)
            for name, taken in occupied.items()
        ],
    )


async def test_sensors_that_missed_a_vehicle_have_drifted(session: AsyncSession) -> None:
    devices = await gated_street(session)
    gate = devices["street-gate"]
    await say(session, devices, 0, sensor_1=False, sensor_2=False)
    await project_records(session, [entry(gate, 0, minute=-30)])
    await reconcile_all(session, NOON)
    assert (
        await reconciliations(session, gate.facility_id, before=NOON + 9 * HOUR, limit=9) == []
    )  # one silent

    await say(session, devices, 0, sensor_3=False)
    await reconcile_all(session, NOON + timedelta(minutes=1))
    await project_records(session, [entry(gate, 1, minute=20), entry(gate, 2, minute=30)])
    await say(session, devices, 1, sensor_1=True)
    counted_at = NOON + timedelta(minutes=61)
    await reconcile_all(session, counted_at)
    assert await newest_drifts(session) == {}  # what was delayed may still come
    await project_records(session, [entry(gate, 3, minute=60.9)])
    await reconcile_all(session, NOON + timedelta(minutes=71))
    newest, first = await reconciliations(session, gate.facility_id, before=NOON + 9 * HOUR, limit=9)
    assert (first.counted_occupied, first.derived_occupied) == (0, None)
    assert (newest.counted_at, newest.counted_occupied, newest.drift) == (counted_at, 1, 2)
    assert await newest_drifts(session) == {gate.facility_id: 2}


async def test_a_street_without_a_gate_has_nothing_to_compare(session: AsyncSession) -> None:
    devices = await load_small_city(session, spaces=1)
    await project(session, [observed(devices["sensor-1"], occupied=True)])
    await reconcile_all(session, NOON)
    street = devices["sensor-1"].facility_id
    assert await reconciliations(session, street, before=NOON + HOUR, limit=9) == []

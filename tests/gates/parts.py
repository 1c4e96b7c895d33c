"""Facilities for the tests of gates and counters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, RegistryBatch
from tests.factories import load_small_city


async def with_lane_counters(session: AsyncSession) -> dict[str, Any]:
    """The small city, and a running counter in each lane of its garage; committed."""
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
    await session.commit()
    rows = await session.execute(text("select external_id, id, facility_id, space_id from device"))
    return {row.external_id: row for row in rows}

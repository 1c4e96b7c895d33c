"""Small registries and observations for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, FacilityIn, OperatorIn, RegistryBatch, SpaceIn
from sensor_gateway.observation import Kind, Observation, frame_id, statement_id

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def small_city(spaces: int = 4) -> RegistryBatch:
    """One on-street section with a sensor in each space (S1, S2, …), and one garage with a counter."""
    street = FacilityIn(
        code="street",
        name="红旗路路段",
        kind="on_street",
        counting="spaces",
        capacity=spaces,
        lat=30.8693,
        lon=120.0965,
        operator_code="op",
    )
    garage = FacilityIn(
        code="garage",
        name="爱山广场停车库",
        kind="public_offstreet",
        counting="counter",
        capacity=100,
        lat=30.8700,
        lon=120.1000,
        operator_code="op",
    )
    return RegistryBatch(
        operators=[OperatorIn(code="op", name="湖州停车")],
        facilities=[street, garage],
        spaces=[SpaceIn(facility_code="street", number=f"S{i}") for i in range(1, spaces + 1)],
        devices=[
            *(
                DeviceIn(
                    external_id=f"sensor-{i}",
                    vendor="bosch",
                    model="tps110",
                    source="chirpstack",
                    dev_eui=f"{i:016x}",
                    facility_code="street",
                    space_number=f"S{i}",
                )
                for i in range(1, spaces + 1)
            ),
            DeviceIn(
                external_id="garage-counter",
                vendor="generic",
                model="counter",
                source="observations",
                facility_code="garage",
            ),
        ],
    )


async def load_small_city(session: AsyncSession, spaces: int = 4) -> dict[str, Any]:
    """Import it and commit; external id → row (id, facility_id, space_id)."""
    await import_batch(session, small_city(spaces))
    await session.commit()
    rows = await session.execute(text("select external_id, id, facility_id, space_id from device"))
    return {row.external_id: row for row in rows}


def observed(
    device: Any,
    *,
    at: datetime = NOON,
    occupied: bool | None = None,
    free: int | None = None,
    frame: int | None = 1,
    **more: Any,
) -> Observation:
    """An observation of a device row."""
    body = f"{occupied} {free} {sorted(more.items())}".encode()
    id_ = statement_id(device.id, at, body) if frame is None else frame_id(device.id, "", frame, 1, body)
    return Observation(
        id=id_,
        device_id=device.id,
        facility_id=device.facility_id,
        space_id=device.space_id,
        kind=Kind.STATUS if device.space_id else Kind.COUNT,
        observed_at=at,
        received_at=at,
        source="test",
        occupied=occupied,
        free=free,
        frame_counter=frame,
        **more,
    )


def facility_id_of(devices: dict[str, Any], name: str) -> UUID:
    """The facility that a device of `load_small_city` watches."""
    return UUID(str(devices[name].facility_id))


def statement_of(device_id: UUID, *, at: datetime = NOON) -> Observation:
    """A count of a device that stands in no registry."""
    return Observation(
        id=statement_id(device_id, at, b"free=1"),
        device_id=device_id,
        facility_id=UUID(int=0),
        kind=Kind.COUNT,
        observed_at=at,
        received_at=at,
        source="test",
        free=1,
    )

"""The registry's events: devices that were added or changed become known to the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.registry.models import Device, Facility
from sensor_gateway.directory import CHANGES_STREAM, DEVICES_HASH, DeviceEntry, device_field, encode_entry

DEVICES_CHANGED = "directory.devices"
"""Outbox topic; payload {"ids": [device id, …]}."""
_CHANGES_KEPT = 100_000
_CHUNK = 2_000

_ENTRY = select(
    Device.id,
    Device.external_id,
    Device.dev_eui,
    Device.vendor,
    Device.model,
    Device.firmware_line,
    Device.source,
    Device.facility_id,
    Device.space_id,
    Facility.capacity,
).join(Facility, Facility.id == Device.facility_id)


async def publish_devices(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler: write the named devices into the directory and tell running gateways."""
    ids = [UUID(value) for message in messages for value in message.payload["ids"]]
    rows = (await session.execute(_ENTRY.where(Device.id.in_(ids)))).all()
    await _write(redis, rows, announce=True)


async def rebuild_directory(session: AsyncSession, redis: Redis) -> int:
    """Write every device anew, for a Redis that has lost its directory; the number of devices."""
    rows = (await session.execute(_ENTRY)).all()
    await _write(redis, rows, announce=False)
    await redis.xadd(CHANGES_STREAM, {"h": DEVICES_HASH, "f": "*"}, maxlen=_CHANGES_KEPT, approximate=True)
    return len(rows)


async def _write(redis: Redis, rows: Sequence[Any], *, announce: bool) -> None:
    for start in range(0, len(rows), _CHUNK):
        entries: dict[str, bytes] = {}
        for row in rows[start : start + _CHUNK]:
            body = encode_entry(_entry(row))
            entries.update(dict.fromkeys(_names(row), body))
        # On a cluster they live on different nodes: who hears of a change must find it written.
        await redis.hset(DEVICES_HASH, mapping=entries)  # type: ignore[arg-type]
        pipeline = redis.pipeline(transaction=False)
        for field in entries if announce else ():
            pipeline.xadd(
                CHANGES_STREAM, {"h": DEVICES_HASH, "f": field}, maxlen=_CHANGES_KEPT, approximate=True
            )
        await pipeline.execute()


def _names(row: Any) -> Iterable[str]:
    names = (str(row.id), row.external_id, row.dev_eui)
    return (device_field(name) for name in names if name)


def _entry(row: Any) -> DeviceEntry:
    return DeviceEntry(
        device_id=row.id,
        facility_id=row.facility_id,
        vendor=row.vendor,
        model=row.model,
        source=row.source,
        space_id=row.space_id,
        firmware_line=row.firmware_line,
        capacity=row.capacity if row.space_id is None else None,
    )

"""Occupancy's events: after a batch has committed, each facility's new numbers go onto a Redis stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import alone
from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.occupancy import service

FACILITY_CHANGED = "occupancy.facility_changed"
"""Outbox topic; the key is the facility's id. The numbers are read when it is relayed."""
EVENTS_STREAM = "parking:occupancy:events"
EVENTS_KEPT = 50_000
RELAYED_KEY = "parking:occupancy:relayed"
"""Until when the worker has passed on all that had been reported: it says so even when that was nothing."""


class FacilityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A facility's numbers, as sent to pages."""

    id: UUID
    code: str
    free: int | None
    occupied: int | None
    unknown: int
    capacity: int
    observed_at: datetime | None
    quality: str


async def publish_changes(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler: one event per facility, however often it changed meanwhile."""
    # One relay at a time from reading to commit, or an older number could come last.
    await alone(session, "facility events")
    ids = {UUID(message.key) for message in messages}
    facilities = await service.get_facilities(
        session, list(ids), now=datetime.now(UTC), stale_after=timedelta.max
    )
    pipeline = redis.pipeline(transaction=False)
    for facility in facilities:
        event = FacilityEvent(
            id=facility.id,
            code=facility.code,
            free=facility.free,
            occupied=facility.occupied,
            unknown=facility.unknown,
            capacity=facility.capacity,
            observed_at=facility.observed_at,
            quality=facility.quality,
        )
        pipeline.xadd(EVENTS_STREAM, {"e": msgspec.json.encode(event)}, maxlen=EVENTS_KEPT, approximate=True)
    await pipeline.execute()


async def tell_relayed(redis: Redis, at: datetime) -> None:
    """Say that all that stood in the database at that moment is on the stream."""
    await redis.set(RELAYED_KEY, at.isoformat())


async def relayed_at(redis: Redis) -> datetime | None:
    """Until when all that was reported is on the stream; None where that was never said."""
    said = cast("bytes | None", await redis.get(RELAYED_KEY))
    return None if said is None else datetime.fromisoformat(said.decode())

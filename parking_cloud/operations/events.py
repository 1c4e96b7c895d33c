"""Operations' events: a fault of a device was opened or closed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.outbox import OutboxMessage

DEVICE_FAULT = "operations.device_fault"
"""Outbox topic; the key is the device's id, the payload {"fault", "condition", "state", "at"}."""
EVENTS_STREAM = "parking:operations:events"
_EVENTS_KEPT = 50_000


async def publish_faults(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler: each opening and closing, in order, onto one stream."""
    pipeline = redis.pipeline(transaction=False)
    for message in messages:
        event = msgspec.json.encode({"device_id": message.key, **message.payload})
        pipeline.xadd(EVENTS_STREAM, {"e": event}, maxlen=_EVENTS_KEPT, approximate=True)
    await pipeline.execute()

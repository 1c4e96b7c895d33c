"""Operations' events: a fault of a device or board was opened or closed, a source fell late or is back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.outbox import OutboxMessage

DEVICE_FAULT = "operations.device_fault"
"""Outbox topic; the key is the device's id, the payload {"fault", "condition", "state", "at"}."""
SOURCE_HEALTH = "operations.source_health"
"""Outbox topic; the key is the source, the payload {"state": "late" or "back", "at"}."""
SIGN_FAULT = "operations.sign_fault"
"""Outbox topic; the key is the board's id, the payload as of a device's fault."""
EVENTS_STREAM = "parking:operations:events"
_EVENTS_KEPT = 50_000


async def _publish(key: str, _: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    pipeline = redis.pipeline(transaction=False)
    for message in messages:
        event = msgspec.json.encode({key: message.key, **message.payload})
        pipeline.xadd(EVENTS_STREAM, {"e": event}, maxlen=_EVENTS_KEPT, approximate=True)
    await pipeline.execute()


publish_faults = partial(_publish, "device_id")
"""Outbox handler: each opening and closing, in order, onto one stream."""
publish_source_health = partial(_publish, "source")
"""Outbox handler: each lateness and its end, in order, onto the same stream."""
publish_sign_faults = partial(_publish, "sign_id")
"""Outbox handler: each opening and closing of a board's fault, in order, onto the same stream."""

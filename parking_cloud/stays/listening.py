"""What stays listen to: passages that came or changed, and plates to be worked out again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.events import PASSAGES_CHANGED, SIGHTINGS_CHANGED
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.outbox import Handler, OutboxMessage
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.events import EVENTS_KEPT, EVENTS_STREAM, PLATES_TOUCHED, SECOND_READING
from parking_cloud.stays.spaces import follow_sightings
from sensor_gateway.sealing import PlateVault


def handlers(vault: PlateVault | None, clock: Clock) -> dict[str, Handler]:
    """The outbox handlers of stays."""

    async def passages_changed(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
        plates: dict[bytes, datetime] = {}
        unread: set[UUID] = set()
        for message in messages:
            for event, before, now, since in message.payload["changed"]:
                _touch(plates, [plate for plate in (before, now) if plate], since)
                if before is None or now is None:
                    unread.add(UUID(event))
        await restate(session, vault, plates, Why(clock.now()), unread)

    async def plates_touched(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
        plates: dict[bytes, datetime] = {}
        for message in messages:
            for plate, since in message.payload["plates"]:
                _touch(plates, [plate], since)
        await restate(session, vault, plates, Why(clock.now()))

    async def sightings_changed(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
        seen = {UUID(key) for message in messages for key in message.payload["sightings"]}
        await follow_sightings(session, seen)

    async def readings_asked(_: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
        pipeline = redis.pipeline(transaction=False)
        for message in messages:
            event = msgspec.json.encode({"reading": message.key, **message.payload})
            pipeline.xadd(EVENTS_STREAM, {"e": event}, maxlen=EVENTS_KEPT, approximate=True)
        await pipeline.execute()

    return {
        SECOND_READING: readings_asked,
        PASSAGES_CHANGED: passages_changed,
        SIGHTINGS_CHANGED: sightings_changed,
        PLATES_TOUCHED: plates_touched,
    }


def _touch(plates: dict[bytes, datetime], hashes: Sequence[str], since: str) -> None:
    at = datetime.fromisoformat(since)
    for plate in map(bytes.fromhex, hashes):
        plates[plate] = min(plates.get(plate, at), at)

"""Accounts' events: a source's key becomes known to the gateway; a vehicle was claimed or verified."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.models import ApiKey
from parking_cloud.kernel.outbox import OutboxMessage
from sensor_gateway.directory import CHANGES_STREAM, SOURCES_HASH, SourceEntry, encode_entry

SOURCE_CHANGED = "directory.source"
"""Outbox topic; the key is the source, payload {"gone": [hashes that no longer hold]}."""
VEHICLE_CHANGED = "accounts.vehicle"
"""Outbox topic; key: the binding's id; payload {"what": "claimed", "verified", "refused" or "ended"}."""
_CHANGES_KEPT = 100_000


async def publish_sources(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler: bring the directory's keys in line with the table."""
    gone = {field for message in messages for field in message.payload.get("gone", ())}
    query = select(ApiKey).where(ApiKey.source.in_({message.key for message in messages}))
    await _write(redis, (await session.scalars(query)).all(), gone)


async def publish_all_sources(session: AsyncSession, redis: Redis) -> None:
    """Write every key anew, for a Redis that has lost its directory."""
    await _write(redis, (await session.scalars(select(ApiKey))).all(), set())


async def _write(redis: Redis, keys: Sequence[ApiKey], gone: set[str]) -> None:
    pipeline = redis.pipeline(transaction=False)
    for key in keys:
        if key.revoked_at is not None:
            gone.add(key.key_hash)
            continue
        gone.discard(key.key_hash)
        entry = SourceEntry(source=key.source, scopes=tuple(key.scopes), any_device=key.any_device)
        pipeline.hset(SOURCES_HASH, key.key_hash, encode_entry(entry))
    for field in gone:
        pipeline.hdel(SOURCES_HASH, field)
    # On a cluster they live on different nodes: who hears of a change must find it written.
    await pipeline.execute()
    pipeline = redis.pipeline(transaction=False)
    for field in {key.key_hash for key in keys} | gone:
        fields = {"h": SOURCES_HASH, "f": field}
        pipeline.xadd(CHANGES_STREAM, fields, maxlen=_CHANGES_KEPT, approximate=True)  # type: ignore[arg-type]
    await pipeline.execute()

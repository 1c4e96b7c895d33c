"""The events of gates, and what they do when a facility was counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.reconciliation import note_late
from parking_cloud.gates.telling import told_by_gates
from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.projector import announce

PASSAGES_CHANGED = "gates.passages_changed"
"""Outbox topic, key: the facility's id. Payload {"changed": [[event id, plate before, plate now, since]]}:
passages that are new or stand otherwise than before. Plates are hashes as hex, null where there is none;
`since` is the earliest time concerned."""

SIGHTINGS_CHANGED = "gates.sightings_changed"
"""Outbox topic. Payload {"sightings": [ids]}: those that are new or stand otherwise than before."""

_EVER = datetime.min.replace(tzinfo=UTC)


async def recount(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler of FACILITY_COUNTED: the count is moved on by who passed since."""
    since: dict[UUID, datetime] = {}
    for message in messages:
        facility = UUID(message.key)
        said = message.payload.get("since")
        at = datetime.fromisoformat(said) if said else _EVER
        since[facility] = min(since.get(facility, at), at)
    changed = {facility: None if at == _EVER else at for facility, at in since.items()}
    await counting.recount(session, changed, told_by_gates)
    await note_late(session, {facility: at for facility, at in changed.items() if at})
    await announce(session, set(changed))

"""The events of gates, and what they do when a facility was counted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.projector import passages_since
from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.projector import announce


async def recount(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler of FACILITY_COUNTED: the count is moved on by who passed the gates since."""
    facilities = {UUID(message.key) for message in messages}
    await counting.recount(session, facilities, await passages_since(session, facilities))
    await announce(session, facilities)

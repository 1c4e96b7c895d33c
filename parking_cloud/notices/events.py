"""What notices follow from by themselves: a driver's vehicle was claimed, verified, refused or ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.vehicles import BindingFacts, binding_facts, holders
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import stable_id
from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.notices import service
from parking_cloud.notices.schemas import Reader
from parking_cloud.notices.vehicle_texts import CLAIMED_BY_ANOTHER, ENDED, REFUSED, VERIFIED


async def tell_of_vehicles(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler: each driver learns what became of their vehicle, and a holder of another's claim."""
    now = datetime.now(UTC)
    facts = await binding_facts(session, {UUID(message.key) for message in messages})
    for message in messages:
        binding = facts[UUID(message.key)]
        await _tell(session, message.payload["what"], message.key, binding, now)


async def _tell(session: AsyncSession, what: str, key: str, binding: BindingFacts, now: datetime) -> None:
    dedupe_key = f"vehicle {what} {key}"
    if what == "claimed":
        holder = (await holders(session, [binding.plate_hash])).get(binding.plate_hash)
        if holder is None or holder.user_id == binding.user_id:
            return
        reader, texts = holder.user_id, CLAIMED_BY_ANOTHER
        # Claimed again and again by one user, it is told once a day.
        which = stable_id("claimed", str(binding.user_id), str(reader), binding.plate_hash.hex())
        dedupe_key = f"vehicle claimed {which} {city_time(now):%Y-%m-%d}"
    elif what == "ended" and not binding.reason:
        return  # the driver did it themselves
    else:
        reader, texts = binding.user_id, {"verified": VERIFIED, "refused": REFUSED, "ended": ENDED}[what]
    await service.tell(
        session,
        reader=Reader(user_id=reader),
        kind=f"vehicle_{what}",
        dedupe_key=dedupe_key,
        texts=texts,
        now=now,
    )
    if what == "verified" and binding.since is not None:
        await service.vehicle_found_its_holder(
            session, binding.user_id, binding.plate_hash, binding.since, now
        )

"""The projector: turns a batch of observations into history and state, in the caller's transaction.

Each observation counts once, whatever is repeated, delayed or reordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.occupancy import space_states, states
from parking_cloud.occupancy.battery_flags import note_batteries
from parking_cloud.occupancy.counting import announce_counts
from parking_cloud.occupancy.events import FACILITY_CHANGED
from parking_cloud.occupancy.history import ensure_partitions, record
from parking_cloud.registry.service import device_places
from sensor_gateway.observation import Observation

_SHARD_LOCK = 7_306
"""Advisory lock (with the shard): one process at a time writes a shard's devices."""


class Projected(msgspec.Struct, frozen=True):
    """What a batch did."""

    recorded: int
    """Observations that were new."""
    repeated: int
    """Observations already in the history."""
    orphans: list[Observation]
    """Observations whose device is not (or no longer) at that place in the registry; not recorded."""
    facilities: set[UUID]
    """Facilities whose shown numbers or time may have changed."""
    fresh: list[Observation] = []


async def project(session: AsyncSession, observations: Sequence[Observation], shard: int = 0) -> Projected:
    """Write a batch: history, device, space and facility state, and an event per facility touched.

    All observations are of one shard, which is locked until the caller commits: so two workers never judge
    the same frame at once.
    """
    # Before anything else: making a partition locks the whole history, so nothing of it may be held yet.
    await ensure_partitions(session, {o.observed_at.astimezone(UTC).date() for o in observations})
    await session.execute(
        text("select pg_advisory_xact_lock(:space, :shard)"), {"space": _SHARD_LOCK, "shard": shard}
    )
    places = await device_places(session, {o.device_id for o in observations})
    known: list[Observation] = []
    orphans: list[Observation] = []
    for o in observations:
        place = places.get(o.device_id)
        here = place is not None and (place.facility_id, place.space_id) == (o.facility_id, o.space_id)
        (known if here else orphans).append(o)
    if not known:
        return Projected(recorded=0, repeated=0, orphans=orphans, facilities=set())
    done = await record(session, known)
    await note_batteries(session, known)
    facilities: set[UUID] = set()
    if done.fresh or done.moved:
        facilities = await states.move(session, done.fresh, done.moved, places)
    await announce(session, facilities)
    await announce_counts(session, done.fresh + done.moved)
    return Projected(
        recorded=len(done.fresh),
        repeated=done.repeated,
        orphans=orphans,
        facilities=facilities,
        fresh=done.fresh,
    )


async def settle_spaces(session: AsyncSession, now: datetime) -> set[UUID]:
    """Show the changes that have lasted their hold-off; the facilities that changed."""
    facilities = await space_states.settle_spaces(session, now)
    await announce(session, facilities)
    return facilities


async def forget_silent_spaces(session: AsyncSession, now: datetime) -> set[UUID]:
    """Count spaces as unknown whose sensors fell silent; the facilities that changed."""
    facilities = await space_states.forget_silent_spaces(session, now)
    await announce(session, facilities)
    return facilities


async def announce(session: AsyncSession, facilities: set[UUID]) -> None:
    """An event for each facility whose numbers or time may have changed."""
    if facilities:
        await outbox.add_many(session, FACILITY_CHANGED, [(str(f), {}) for f in sorted(facilities)])

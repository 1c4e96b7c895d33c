"""The projector of gates: records → what was sent, what stands, and the facilities' counts."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.keeping import keep_corrections, keep_events, keep_sightings
from parking_cloud.gates.reconciliation import note_late
from parking_cloud.gates.standing import restate_passages, restate_sightings
from parking_cloud.gates.telling import told_by_gates
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.heard import heard
from parking_cloud.occupancy.projector import announce
from parking_cloud.registry.service import device_places
from sensor_gateway.records import Correction, Corrects, GateEvent, Record, Sighting

_SHARD_LOCK = 7_307
"""Advisory lock (with the shard): one process at a time writes a source's records."""


class RecordsProjected(msgspec.Struct, frozen=True):
    """What a batch did."""

    recorded: int
    repeated: int
    orphans: list[Record]
    """Records that contradict an earlier one of the same id, or whose device is not registered so."""
    facilities: set[UUID]


async def project_records(
    session: AsyncSession, records: Sequence[Record], shard: int = 0
) -> RecordsProjected:
    """Write a batch; the caller commits. The same records in any order and number leave the same tables."""
    await session.execute(
        text("select pg_advisory_xact_lock(:space, :shard)"), {"space": _SHARD_LOCK, "shard": shard}
    )
    here, homeless = await _at_home(session, [r for r in records if isinstance(r, GateEvent)])
    events = await keep_events(session, here)
    changes = await keep_corrections(session, [r for r in records if isinstance(r, Correction)])
    seen = [r for r in records if isinstance(r, Sighting)]
    sightings = await keep_sightings(session, seen)
    await heard(
        session,
        passages=[(e.device_id, e.occurred_at) for e in here],
        sightings=[(s.device_id, s.seen_at) for s in seen if s.device_id],
    )
    touched = {of: {(c.source, c.corrects) for c in changes.touched if c.of is of} for of in Corrects}
    touched[Corrects.GATE_EVENT] |= {(e.source, e.record_id) for e in events.touched}
    touched[Corrects.SIGHTING] |= {(s.source, s.record_id) for s in sightings.touched}
    await restate_sightings(session, touched[Corrects.SIGHTING])
    facilities = await restate_passages(session, touched[Corrects.GATE_EVENT])
    if facilities:
        await counting.recount(session, facilities, told_by_gates)
        await note_late(session, facilities)
    await announce(session, set(facilities))
    orphans: list[Record] = [
        *homeless,
        *events.contradictions,
        *changes.contradictions,
        *sightings.contradictions,
    ]
    recorded = len(events.new) + len(changes.new) + len(sightings.new)
    return RecordsProjected(
        recorded=recorded,
        repeated=len(records) - recorded - len(orphans),
        orphans=orphans,
        facilities=set(facilities),
    )


async def _at_home(session: AsyncSession, events: list[GateEvent]) -> tuple[list[GateEvent], list[GateEvent]]:
    """Events whose device is where they say, and the others."""
    places = await device_places(session, {e.device_id for e in events}) if events else {}
    here: list[GateEvent] = []
    elsewhere: list[GateEvent] = []
    for event in events:
        place = places.get(event.device_id)
        (here if place and place.facility_id == event.facility_id else elsewhere).append(event)
    return here, elsewhere

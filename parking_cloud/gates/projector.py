"""The projector of gates: records → what was sent, what stands, and the facilities' counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.models import GateCorrection, GateEventRow, SightingRow
from parking_cloud.gates.rules import Change, Passage, corrected
from parking_cloud.kernel.coordinates import Crs, Position, to_wgs84
from parking_cloud.kernel.ids import stable_id
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.heard import heard
from parking_cloud.occupancy.projector import announce
from parking_cloud.registry.service import device_places
from sensor_gateway.records import Correction, GateEvent, Record, Sighting, content_of

R = TypeVar("R", GateEvent, Correction, Sighting)
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
    events, homeless = await _at_home(session, [r for r in records if isinstance(r, GateEvent)])
    new_events, odd_events = await _keep(session, GateEventRow, events, _event_values)
    changes = [r for r in records if isinstance(r, Correction)]
    new_changes, odd_changes = await _keep(session, GateCorrection, changes, _correction_values)
    seen = [r for r in records if isinstance(r, Sighting)]
    new_seen, odd_seen = await _keep(session, SightingRow, seen, _sighting_values)
    await heard(
        session,
        passages=[(e.device_id, e.occurred_at) for e in events],
        sightings=[(s.device_id, s.seen_at) for s in seen if s.device_id],
    )
    touched = {(e.source, e.record_id) for e in new_events} | {(c.source, c.corrects) for c in new_changes}
    facilities = await _restate(session, sorted(touched))
    await counting.recount(session, facilities, await passages_since(session, facilities))
    await announce(session, facilities)
    orphans: list[Record] = [*homeless, *odd_events, *odd_changes, *odd_seen]
    recorded = len(new_events) + len(new_changes) + len(new_seen)
    return RecordsProjected(
        recorded=recorded,
        repeated=len(records) - recorded - len(orphans),
        orphans=orphans,
        facilities=facilities,
    )


async def passages_since(session: AsyncSession, facilities: Iterable[UUID]) -> dict[UUID, counting.Net]:
    """Entries less exits of facilities since their newest full count, and the newest passage's time."""
    bases = await counting.bases(session, list(facilities))
    rows = await session.execute(
        text(
            "select b.facility_id, count(*) filter (where p.direction = 'entry')"
            "   - count(*) filter (where p.direction = 'exit'), max(p.occurred_at)"
            " from unnest(cast(:ids as uuid[]), cast(:times as timestamptz[])) as b(facility_id, at)"
            " join gate_passage p on p.facility_id = b.facility_id and p.occurred_at > b.at"
            " where not p.voided group by b.facility_id"
        ),
        {"ids": list(bases), "times": list(bases.values())},
    )
    return {facility: counting.Net(net, newest) for facility, net, newest in rows}


async def _at_home(session: AsyncSession, events: list[GateEvent]) -> tuple[list[GateEvent], list[GateEvent]]:
    """Events whose device is where they say, and the others."""
    places = await device_places(session, {e.device_id for e in events}) if events else {}
    here: list[GateEvent] = []
    elsewhere: list[GateEvent] = []
    for event in events:
        place = places.get(event.device_id)
        (here if place and place.facility_id == event.facility_id else elsewhere).append(event)
    return here, elsewhere


async def _keep(session: AsyncSession, table: Any, records: list[R], values: Any) -> tuple[list[R], list[R]]:
    """Insert what is new; the new ones, and those that contradict what an earlier one of their id said.

    Of several with one id in a batch the first one counts.
    """
    if not records:
        return [], []
    first: dict[tuple[str, str], R] = {}
    for record in records:
        first.setdefault((record.source, record.record_id), record)
    rows = [
        {
            "id": stable_id(table.__tablename__, source, record_id),
            "source": source,
            "record_id": record_id,
            "content": content_of(record),
            "received_at": record.received_at,
            **values(record),
        }
        for (source, record_id), record in first.items()
    ]
    statement = insert(table).on_conflict_do_nothing(index_elements=["source", "record_id"])
    fresh = set((await session.scalars(statement.returning(table.id), rows)).all())
    kept = await session.execute(
        text(f"select source, record_id, content from {table.__tablename__} where id = any(:ids)"),
        {"ids": [row["id"] for row in rows]},
    )
    contents = {(source, record_id): bytes(content) for source, record_id, content in kept}
    contradictions = [r for r in records if contents[r.source, r.record_id] != content_of(r)]
    new = [r for key, r in first.items() if stable_id(table.__tablename__, *key) in fresh]
    return new, contradictions


def _event_values(event: GateEvent) -> dict[str, Any]:
    return {
        "facility_id": event.facility_id,
        "device_id": event.device_id,
        "lane": event.lane,
        "direction": event.direction.value,
        "occurred_at": event.occurred_at,
        "plate_hash": event.plate.hash if event.plate else None,
        "plate_sealed": event.plate.sealed if event.plate else None,
        "plate_color": event.plate_color and event.plate_color.value,
        "confidence": event.confidence,
        "picture": event.picture,
        "confirmed": event.confirmed,
    }


def _correction_values(correction: Correction) -> dict[str, Any]:
    return {
        "corrects": correction.corrects,
        "stated_at": correction.stated_at,
        "void": correction.void,
        "direction": correction.direction and correction.direction.value,
        "occurred_at": correction.occurred_at,
        "plate_hash": correction.plate.hash if correction.plate else None,
        "plate_sealed": correction.plate.sealed if correction.plate else None,
        "plate_color": correction.plate_color and correction.plate_color.value,
        "reason": correction.reason,
    }


def _sighting_values(sighting: Sighting) -> dict[str, Any]:
    place = to_wgs84(Position(sighting.lat, sighting.lon), Crs(sighting.crs))
    return {
        "seen_by": sighting.seen_by,
        "seen_at": sighting.seen_at,
        "position": f"SRID=4326;POINT({place.lon!r} {place.lat!r})",
        "plate_hash": sighting.plate_hash,
        "plate_sealed": sighting.plate_sealed,
        "plate_color": sighting.plate_color and sighting.plate_color.value,
        "confidence": sighting.confidence,
        "picture": sighting.picture,
        "device_id": sighting.device_id,
    }


async def _restate(session: AsyncSession, touched: list[tuple[str, str]]) -> set[UUID]:
    """Work out the passages of these events anew; the facilities they belong to."""
    if not touched:
        return set()
    names = {"sources": [source for source, _ in touched], "records": [record for _, record in touched]}
    named = "unnest(cast(:sources as text[]), cast(:records as text[])) as n(source, record_id)"
    events = await session.execute(
        text(f"select e.* from {named} join gate_event e using (source, record_id)"), names
    )
    changes = await session.execute(
        text(
            f"select c.* from {named} join gate_correction c"
            " on c.source = n.source and c.corrects = n.record_id"
        ),
        names,
    )
    by_event: dict[tuple[str, str], list[Change]] = {}
    for c in changes:
        by_event.setdefault((c.source, c.corrects), []).append(
            Change(
                c.stated_at,
                c.record_id,
                c.void,
                c.direction,
                c.occurred_at,
                _plate(c),
                c.plate_color,
            )
        )
    rows = []
    for e in events:
        passage = corrected(
            Passage(e.direction, e.occurred_at, _plate(e), e.plate_color),
            by_event.get((e.source, e.record_id), []),
        )
        rows.append((e.id, e.facility_id, passage))
    await _write_passages(session, rows)
    return {facility for _, facility, _ in rows}


def _plate(row: Any) -> tuple[bytes, bytes] | None:
    return None if row.plate_hash is None else (bytes(row.plate_hash), bytes(row.plate_sealed))


async def _write_passages(session: AsyncSession, rows: list[tuple[UUID, UUID, Passage]]) -> None:
    if not rows:
        return
    columns = "direction, occurred_at, plate_hash, plate_sealed, plate_color, voided, corrections"
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    await session.execute(
        text(
            f"insert into gate_passage (event_id, facility_id, {columns}) values (:event_id, :facility_id,"
            " :direction, :occurred_at, :plate_hash, :plate_sealed, :plate_color, :voided, :corrections)"
            f" on conflict (event_id) do update set {updates}"
        ),
        [
            {
                "event_id": event,
                "facility_id": facility,
                "direction": p.direction,
                "occurred_at": p.occurred_at,
                "plate_hash": p.plate[0] if p.plate else None,
                "plate_sealed": p.plate[1] if p.plate else None,
                "plate_color": p.plate_color,
                "voided": p.voided,
                "corrections": p.corrections,
            }
            for event, facility, p in rows
        ],
    )

"""What stands: gate events and sightings with all their corrections applied, worked out anew when touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.events import PASSAGES_CHANGED, SIGHTINGS_CHANGED
from parking_cloud.gates.models import GatePassage, SightingStanding
from parking_cloud.gates.rules import Change, Plate, Standing, corrected
from parking_cloud.kernel import outbox
from sensor_gateway.records import Corrects

Name = tuple[str, str]
"""A source, and the id it gave its record."""
Changed = tuple[str, str | None, str | None, str]
"""See events.PASSAGES_CHANGED."""


async def restate_passages(session: AsyncSession, touched: Collection[Name]) -> dict[UUID, datetime]:
    """The passages of these gate events anew; their facilities, each with the earliest time concerned.

    That is when a passage was thought to be, or is: what followed from either has changed.
    """
    if not touched:
        return {}
    names = _names(touched)
    events = await session.execute(
        text(
            "select e.*, p.occurred_at as stood_at, p.direction as stood_direction, p.voided as stood_void,"
            " p.plate_hash as stood_hash, p.plate_color as stood_color, p.corrections as stood_corrections"
            f" from {_NAMED} join gate_event e using (source, record_id)"
            " left join gate_passage p on p.event_id = e.id"
        ),
        names,
    )
    changes = await _changes(session, Corrects.GATE_EVENT, names)
    rows = []
    since: dict[UUID, datetime] = {}
    told: dict[UUID, list[Changed]] = {}
    for e in events:
        said = Standing(e.direction, e.occurred_at, _plate(e), e.plate_color)
        passage = corrected(said, changes.get((e.source, e.record_id), []))
        earliest = min(passage.at, e.stood_at or passage.at)
        since[e.facility_id] = min(since.get(e.facility_id, earliest), earliest)
        if _differs(e, passage):
            before, now = _hex(e.stood_hash), _hex(passage.plate[0] if passage.plate else None)
            told.setdefault(e.facility_id, []).append((str(e.id), before, now, earliest.isoformat()))
        rows.append(
            {
                "event_id": e.id,
                "facility_id": e.facility_id,
                "direction": passage.direction,
                "occurred_at": passage.at,
                **_common(passage),
            }
        )
    await _write(session, GatePassage, "event_id", rows)
    messages: list[tuple[str, dict[str, Any]]] = [(str(f), {"changed": c}) for f, c in told.items()]
    await outbox.add_many(session, PASSAGES_CHANGED, messages)
    return since


def _differs(e: Any, passage: Standing) -> bool:
    """Whether a passage is new, or stands otherwise than before."""
    stood = (e.stood_at, e.stood_direction, e.stood_void, e.stood_color, e.stood_corrections)
    now = (passage.at, passage.direction, passage.voided, passage.plate_color, passage.corrections)
    return stood != now


def _hex(plate_hash: bytes | None) -> str | None:
    return None if plate_hash is None else bytes(plate_hash).hex()


async def restate_sightings(session: AsyncSession, touched: Collection[Name]) -> None:
    """What stands of these sightings, anew."""
    if not touched:
        return
    names = _names(touched)
    sightings = await session.execute(
        text(f"select s.* from {_NAMED} join sighting s using (source, record_id)"), names
    )
    changes = await _changes(session, Corrects.SIGHTING, names)
    rows = []
    for s in sightings:
        said = Standing(None, s.seen_at, _plate(s), s.plate_color)
        standing = corrected(said, changes.get((s.source, s.record_id), []))
        rows.append({"sighting_id": s.id, "seen_at": standing.at, **_common(standing)})
    await _write(session, SightingStanding, "sighting_id", rows)
    if rows:
        seen = {"sightings": [str(row["sighting_id"]) for row in rows]}
        await outbox.add(session, SIGHTINGS_CHANGED, "", seen)


_NAMED = "unnest(cast(:sources as text[]), cast(:records as text[])) as n(source, record_id)"


def _names(touched: Collection[Name]) -> dict[str, Any]:
    ordered = sorted(touched)
    return {"sources": [source for source, _ in ordered], "records": [record for _, record in ordered]}


async def _changes(session: AsyncSession, of: Corrects, names: Mapping[str, Any]) -> dict[Name, list[Change]]:
    """All corrections of the named records."""
    rows = await session.execute(
        text(
            f"select c.* from {_NAMED} join gate_correction c"
            " on c.source = n.source and c.corrects = n.record_id and c.of = :of"
        ),
        {**names, "of": of.value},
    )
    changes: dict[Name, list[Change]] = {}
    for c in rows:
        change = Change(
            stated_at=c.sent_at or c.stated_at,
            record_id=c.record_id,
            void=c.void,
            direction=c.direction,
            # As its sender said it; what was ahead of the arrival is held to it, as everywhere.
            occurred_at=c.occurred_at and min(c.occurred_at, c.received_at),
            plate=_plate(c),
            plate_color=c.plate_color,
        )
        changes.setdefault((c.source, c.corrects), []).append(change)
    return changes


def _plate(row: Any) -> Plate | None:
    if row.plate_hash is None:
        return None
    return bytes(row.plate_hash), None if row.plate_sealed is None else bytes(row.plate_sealed)


def _common(standing: Standing) -> dict[str, Any]:
    return {
        "plate_hash": standing.plate[0] if standing.plate else None,
        "plate_sealed": standing.plate[1] if standing.plate else None,
        "plate_color": standing.plate_color,
        "voided": standing.voided,
        "corrections": standing.corrections,
    }


async def _write(session: AsyncSession, table: Any, key: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name != key}
    await session.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed), rows)

"""What was sent: each record once, by its sender's own id, whenever and however often it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, literal_column, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.models import GateCorrection, GateEventRow, SightingRow
from parking_cloud.kernel.coordinates import Crs, Position, to_wgs84
from parking_cloud.kernel.ids import stable_id
from sensor_gateway.records import Correction, Corrects, GateEvent, Sighting, content_of

R = TypeVar("R", bound=GateEvent | Correction | Sighting)
Row = dict[str, Any]


class Kept(msgspec.Struct, Generic[R], frozen=True):
    """What became of records."""

    new: list[R]
    earlier: list[R]
    """Those that were there, and came in earlier now than was known: their time may be held to less."""
    contradictions: list[R]
    """Those that say something else than an earlier one of their id."""

    @property
    def touched(self) -> list[R]:
        """Those from which something follows."""
        return [*self.new, *self.earlier]


async def keep_events(session: AsyncSession, events: Sequence[GateEvent]) -> Kept[GateEvent]:
    """Write gate events."""
    return await _keep(session, GateEventRow, "occurred_at", events, _event_row)


async def keep_corrections(session: AsyncSession, corrections: Sequence[Correction]) -> Kept[Correction]:
    """Write corrections."""
    return await _keep(session, GateCorrection, "stated_at", corrections, _correction_row)


async def keep_sightings(session: AsyncSession, sightings: Sequence[Sighting]) -> Kept[Sighting]:
    """Write sightings."""
    return await _keep(session, SightingRow, "seen_at", sightings, _sighting_row)


async def _keep(
    session: AsyncSession, table: Any, time: str, records: Sequence[R], row_of: Callable[[R], Row]
) -> Kept[R]:
    """Insert what is new. Of several of one id that differ, in a batch the first one counts.

    `time` is the column that was held to the arrival. Of the same record come several times the earliest
    arrival is kept, and so the least of the times that it was held to: the same for every order.
    """
    if not records:
        return Kept([], [], [])
    contents = {id(record): content_of(record) for record in records}
    first: dict[UUID, R] = {}
    rows: dict[UUID, Row] = {}
    for record in records:
        key = _id_of(record)
        row = {"id": key, "content": contents[id(record)], **_common(record), **row_of(record)}
        if key not in rows:
            first[key], rows[key] = record, row
        elif rows[key]["content"] == row["content"]:
            rows[key] |= _earliest(rows[key], row, time)
    written = await session.execute(_upsert(table, time), list(rows.values()))
    is_new = {row.id: row.new for row in written}
    kept = await session.execute(
        text(f"select id, content from {table.__tablename__} where id = any(:ids)"), {"ids": list(rows)}
    )
    standing = {key: bytes(content) for key, content in kept}
    return Kept(
        new=[first[key] for key, new in is_new.items() if new],
        earlier=[first[key] for key, new in is_new.items() if not new],
        contradictions=[r for r in records if standing[_id_of(r)] != contents[id(r)]],
    )


def _upsert(table: Any, time: str) -> Any:
    statement = insert(table)
    sent = statement.excluded
    held = getattr(table, time)
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={
            time: func.least(held, sent[time]),
            "received_at": func.least(table.received_at, sent.received_at),
            "sent_at": func.coalesce(table.sent_at, sent.sent_at),
        },
        where=and_(
            table.content == sent.content, or_(sent[time] < held, sent.received_at < table.received_at)
        ),
    ).returning(table.id, literal_column("xmax = 0").label("new"))


def _earliest(one: Row, other: Row, time: str) -> Row:
    return {
        time: min(one[time], other[time]),
        "received_at": min(one["received_at"], other["received_at"]),
        "sent_at": one["sent_at"] or other["sent_at"],
    }


def _id_of(record: GateEvent | Correction | Sighting) -> UUID:
    match record:
        case GateEvent():
            return stable_id("gate_event", record.source, record.record_id)
        case Sighting():
            return stable_id("sighting", record.source, record.record_id)
        case Correction(of=Corrects.GATE_EVENT):
            return stable_id("gate_correction", record.source, record.record_id)
        case Correction():
            return stable_id("sighting_correction", record.source, record.record_id)


def _common(record: GateEvent | Correction | Sighting) -> Row:
    return {
        "source": record.source,
        "record_id": record.record_id,
        "received_at": record.received_at,
        "sent_at": record.sent_at,
        "plate_color": record.plate_color and record.plate_color.value,
    }


def _event_row(event: GateEvent) -> Row:
    return {
        "facility_id": event.facility_id,
        "device_id": event.device_id,
        "lane": event.lane,
        "direction": event.direction.value,
        "occurred_at": event.occurred_at,
        "plate_hash": event.plate.hash if event.plate else None,
        "plate_sealed": event.plate.sealed if event.plate else None,
        "confidence": event.confidence,
        "picture": event.picture,
        "confirmed": event.confirmed,
    }


def _correction_row(correction: Correction) -> Row:
    return {
        "of": correction.of.value,
        "corrects": correction.corrects,
        "stated_at": correction.stated_at,
        "void": correction.void,
        "direction": correction.direction and correction.direction.value,
        "occurred_at": correction.occurred_at,
        "plate_hash": correction.plate.hash if correction.plate else None,
        "plate_sealed": correction.plate.sealed if correction.plate else None,
        "reason": correction.reason,
    }


def _sighting_row(sighting: Sighting) -> Row:
    place = to_wgs84(Position(sighting.lat, sighting.lon), Crs(sighting.crs))
    return {
        "seen_by": sighting.seen_by,
        "seen_at": sighting.seen_at,
        "position": f"SRID=4326;POINT({place.lon!r} {place.lat!r})",
        "plate_hash": sighting.plate_hash,
        "plate_sealed": sighting.plate_sealed,
        "confidence": sighting.confidence,
        "picture": sighting.picture,
        "device_id": sighting.device_id,
    }

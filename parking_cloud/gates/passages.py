"""Passages as they stand, for who works out what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_COLUMNS = """
    p.event_id, p.facility_id, p.direction, p.occurred_at, p.plate_hash, p.plate_sealed, p.plate_color,
    p.voided, e.confidence, p.plate_hash is distinct from e.plate_hash as reread, e.confirmed or exists (
        select 1 from gate_correction c where c.source = e.source and c.corrects = e.record_id
        and c.of = 'gate-event' and c.plate_hash is not null
    ) as checked
"""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage with its corrections.

    `checked`: a person has looked at the plate, or it was stated anew, so the camera's confidence no longer
    counts and is None. `reread`: the plate is another than at first.
    """

    event_id: UUID
    facility_id: UUID
    direction: str
    at: datetime
    plate_hash: bytes | None
    plate_sealed: bytes | None
    plate_color: str | None
    confidence: float | None
    checked: bool
    reread: bool
    voided: bool


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A gate event as it was sent: what a person is shown as evidence. No plate."""

    event_id: UUID
    source: str
    record_id: str
    lane: str
    direction: str
    occurred_at: datetime
    confidence: float | None
    confirmed: bool
    picture: str
    corrections: int
    voided: bool


async def passages_of_plates(
    session: AsyncSession, since: Mapping[bytes, datetime]
) -> dict[bytes, list[Passage]]:
    """The passages of each plate from its time on; what was void is left out."""
    rows = await session.execute(
        text(
            f"select {_COLUMNS} from unnest(cast(:plates as bytea[]), cast(:times as timestamptz[]))"
            " as n(plate_hash, since) join gate_passage p on p.plate_hash = n.plate_hash"
            " and p.occurred_at >= n.since and not p.voided join gate_event e on e.id = p.event_id"
        ),
        {"plates": list(since), "times": list(since.values())},
    )
    found: dict[bytes, list[Passage]] = {plate: [] for plate in since}
    for row in rows:
        found[bytes(row.plate_hash)].append(_passage(row))
    return found


async def passages(session: AsyncSession, event_ids: Collection[UUID]) -> dict[UUID, Passage]:
    """These passages, void or not."""
    rows = await session.execute(
        text(
            f"select {_COLUMNS} from gate_passage p join gate_event e on e.id = p.event_id"
            " where p.event_id = any(:ids)"
        ),
        {"ids": list(event_ids)},
    )
    return {row.event_id: _passage(row) for row in rows}


async def readings(session: AsyncSession, event_ids: Collection[UUID]) -> dict[UUID, Reading]:
    """These gate events, as sent."""
    rows = await session.execute(
        text(
            "select e.id as event_id, e.source, e.record_id, e.lane, p.direction, p.occurred_at,"
            " e.confidence, e.confirmed, e.picture, p.corrections, p.voided"
            " from gate_event e join gate_passage p on p.event_id = e.id where e.id = any(:ids)"
        ),
        {"ids": list(event_ids)},
    )
    return {row.event_id: Reading(**row._mapping) for row in rows}


def _passage(row: Row[Any]) -> Passage:
    return Passage(
        event_id=row.event_id,
        facility_id=row.facility_id,
        direction=row.direction,
        at=row.occurred_at,
        plate_hash=None if row.plate_hash is None else bytes(row.plate_hash),
        plate_sealed=None if row.plate_sealed is None else bytes(row.plate_sealed),
        plate_color=row.plate_color,
        confidence=None if row.checked else row.confidence,
        checked=row.checked,
        reread=row.reread,
        voided=row.voided,
    )

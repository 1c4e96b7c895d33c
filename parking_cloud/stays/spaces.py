"""Stays on single spaces: a sighting beside an occupied space begins one, its falling free ends it.

Only spaces whose sensors are in no doubt count, and only where no other space can be meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.seen import Seen, sightings, sightings_since
from parking_cloud.kernel import outbox
from parking_cloud.kernel.ids import stable_id
from parking_cloud.occupancy.service import SpaceStanding, counted_empty, standing_of_spaces
from parking_cloud.registry.service import NearSpace, spaces_near
from parking_cloud.stays.events import PLATES_TOUCHED
from parking_cloud.stays.models import StayMark
from parking_cloud.stays.schemas import Ended, Opened

NEAR_M = 4.0
"""A space is meant where it lies so near, by a patrol's usual positions, and no other occupied one does."""
SOON = timedelta(minutes=15)
"""Seen so soon after the space became occupied, it is the vehicle that came then; else only then."""
SENSOR_LAG = timedelta(minutes=2)
"""A sensor may tell so late what came."""
_GATE_MAY_TELL = timedelta(hours=1)
"""Where there are gates, an exit is awaited so long after the space fell free."""
_COUNTED = timedelta(hours=6)
_AGAIN = timedelta(minutes=5)
_AT_ONCE = 500


def which_space(
    near: Iterable[NearSpace], standing: dict[UUID, SpaceStanding], seen_at: datetime
) -> NearSpace | None:
    """The space that a vehicle stands on; None where none was occupied, or more than one may be meant."""
    taken = []
    for space in near:
        now = standing.get(space.space_id)
        if now is not None and now.certain and now.occupied and now.changed_at <= seen_at + SENSOR_LAG:
            taken.append(space)
    return taken[0] if len(taken) == 1 else None


async def place_sightings(session: AsyncSession, now: datetime) -> None:
    """Look again at what was seen just now: a sensor may have told since; a regular job."""
    seen = await sightings_since(session, now - _AGAIN, _AT_ONCE)
    await _place(session, seen)


async def follow_sightings(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Place what was seen, and take back what was said of it before where it was corrected."""
    seen = await sightings(session, ids)
    await _take_back(session, seen)
    await _place(session, [one for one in seen if not one.voided])


async def _place(session: AsyncSession, seen: Collection[Seen]) -> None:
    readable = [one for one in seen if one.plate_sealed is not None]
    if not readable:
        return
    near = await spaces_near(session, [(one.id, one.lat, one.lon) for one in readable], NEAR_M)
    standing = await standing_of_spaces(session, {s.space_id for found in near.values() for s in found})
    marks: list[dict[str, Any]] = []
    for one in readable:
        space = which_space(near.get(one.id, []), standing, one.seen_at)
        if space is not None:
            since = await _since(session, one, space.space_id, standing[space.space_id].changed_at)
            marks += [_mark(one, space, at) for at in sorted({since, one.seen_at})]
    if not marks:
        return
    statement = insert(StayMark).on_conflict_do_nothing(index_elements=["id"]).returning(StayMark.id)
    new = set(await session.scalars(statement, marks))
    await _touch(session, [m for m in marks if m["id"] in new])


async def _since(session: AsyncSession, one: Seen, space: UUID, changed_at: datetime) -> datetime:
    """Since when it is proved to be there: since the space is occupied, unless another was seen on it."""
    if not timedelta(0) <= one.seen_at - changed_at <= SOON:
        return one.seen_at
    other = await session.scalar(
        text(
            "select true from stay_mark where space_id = :space and kind = 'start' and not voided"
            " and plate_hash <> :plate and at >= :since and at <= :until limit 1"
        ),
        {"space": space, "plate": one.plate_hash, "since": changed_at, "until": one.seen_at},
    )
    return one.seen_at if other else changed_at


def _mark(one: Seen, space: NearSpace, at: datetime) -> dict[str, Any]:
    part = "seen" if at == one.seen_at else "start"
    return {
        "id": stable_id("stay_mark", part, str(one.id), one.plate_hash.hex()),
        "facility_id": space.facility_id,
        "space_id": space.space_id,
        "plate_hash": one.plate_hash,
        "plate_sealed": one.plate_sealed,
        "plate_color": one.plate_color,
        "kind": "start",
        "by": Opened.SPACE.value,
        "at": at,
        "confidence": one.confidence,
        "sighting_id": one.id,
        "evidence": [one.picture] if one.picture else [],
    }


async def _take_back(session: AsyncSession, seen: Collection[Seen]) -> None:
    rows = await session.execute(
        text(
            "update stay_mark m set voided = true from unnest(cast(:ids as uuid[]), cast(:plates as bytea[]),"
            " cast(:times as timestamptz[]), cast(:voids as boolean[])) as n(id, plate_hash, seen_at, void)"
            " where m.sighting_id = n.id and not m.voided"
            " and (n.void or m.plate_hash <> n.plate_hash or m.at > n.seen_at)"
            " returning m.plate_hash, m.at, m.space_id"
        ),
        {
            "ids": [one.id for one in seen],
            "plates": [one.plate_hash for one in seen],
            "times": [one.seen_at for one in seen],
            "voids": [one.voided for one in seen],
        },
    )
    await _touch(session, [dict(row._mapping) for row in rows])


async def end_freed(session: AsyncSession, now: datetime) -> None:
    """End the stays whose space fell free, by a sensor in no doubt; a regular job."""
    rows = list(
        await session.execute(
            text(
                "select id, facility_id, space_id, plate_hash, plate_sealed, plate_color, entered_at,"
                " opened_by, (select max(m.at) from stay_mark m where m.plate_hash = s.plate_hash"
                " and not m.voided and m.space_id = s.space_id and m.at >= s.facts_from) as proved"
                " from stay s where state = 'open' and space_id is not null and plate_hash is not null"
            )
        )
    )
    standing = await standing_of_spaces(session, {row.space_id for row in rows})
    marks = []
    for row in rows:
        space = standing.get(row.space_id)
        since = row.proved or row.entered_at
        if space is None or not space.certain or space.occupied or space.changed_at <= since:
            continue
        if row.opened_by == Opened.GATE and now - space.changed_at < _GATE_MAY_TELL:
            continue
        key = stable_id("stay_mark", "free", str(row.id), space.changed_at.isoformat())
        marks.append(_end(row, Ended.SPACE, space.changed_at, key))
    if marks:
        await session.execute(insert(StayMark).on_conflict_do_nothing(index_elements=["id"]), marks)
        await _touch(session, marks)


async def end_counted_out(session: AsyncSession, now: datetime) -> None:
    """End the stays at places where a full count found nobody, though no gate told that they left."""
    empty = await counted_empty(session, now - _COUNTED)
    rows = await session.execute(
        text(
            "select s.*, n.counted_at from unnest(cast(:places as uuid[]), cast(:times as timestamptz[]))"
            " as n(facility_id, counted_at) join stay s on s.facility_id = n.facility_id"
            " and s.state = 'open' and s.plate_hash is not null and s.entered_at < n.counted_at limit :most"
        ),
        {"places": list(empty), "times": list(empty.values()), "most": _AT_ONCE},
    )
    marks = [
        _end(row, Ended.COUNT, row.counted_at, stable_id("stay_mark", "count", str(row.id))) for row in rows
    ]
    if marks:
        await session.execute(insert(StayMark).on_conflict_do_nothing(index_elements=["id"]), marks)
        await _touch(session, marks)


def _end(row: Any, by: Ended, at: datetime, key: UUID) -> dict[str, Any]:
    return {
        "id": key,
        "facility_id": row.facility_id,
        "space_id": row.space_id,
        "plate_hash": bytes(row.plate_hash),
        "plate_sealed": bytes(row.plate_sealed),
        "plate_color": row.plate_color,
        "kind": "end",
        "by": by.value,
        "at": at,
        "evidence": [],
    }


async def _touch(session: AsyncSession, marks: Collection[Mapping[str, Any]]) -> None:
    """Have these vehicles' stays worked out again, and those of who stood on the same spaces before."""
    if not marks:
        return
    before = await session.execute(
        text(
            "select s.plate_hash, s.facts_from from stay s where s.space_id = any(:spaces)"
            " and s.state = 'open' and s.plate_hash is not null"
        ),
        {"spaces": [mark["space_id"] for mark in marks]},
    )
    plates = [(bytes(plate).hex(), since.isoformat()) for plate, since in before]
    plates += [(mark["plate_hash"].hex(), mark["at"].isoformat()) for mark in marks]
    await outbox.add(session, PLATES_TOUCHED, "", {"plates": sorted(set(plates))})

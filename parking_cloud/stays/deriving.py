"""Stays worked out again where something changed: what is known → visits → rows, versions and messages.

Whatever the order in which records come, and however often, the stays end the same (rules.visits). One
transaction at a time does a plate. A stay that nothing speaks for any more becomes void, and stays there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import alone
from parking_cloud.stays import facts
from parking_cloud.stays.costs import cost_of
from parking_cloud.stays.events import STAY_CHANGED
from parking_cloud.stays.models import Stay, StayVersion
from parking_cloud.stays.plausible import Cause, Policy, cause_of, judge
from parking_cloud.stays.readings import reconsider, too_unsure, waiting
from parking_cloud.stays.rules import VOID_ENDS, stay_id, visits
from parking_cloud.stays.schemas import Opened, StayState
from parking_cloud.stays.visit import Visit
from parking_cloud.tariffs.rules import vehicle_class_of
from parking_cloud.tariffs.schemas import VehicleClass
from sensor_gateway.sealing import PlateVault, VaultError

_LOCKS = 256
"""Plates share so many locks: a batch of thousands must not fill PostgreSQL's table of locks."""

Row = dict[str, Any]
_QUIET = (
    *("facts_from", "facts_until", "confidence", "plate_sealed"),
    *("derived_entered_at", "derived_exited_at"),
)
"""What may change without that anybody has to know."""
_TOLD = (
    *("facility_id", "space_id", "plate_hash", "plate_color", "vehicle_class", "state", "entered_at"),
    *("opened_by", "entry_event_id", "exited_at", "ended_by", "exit_event_id", "not_after", "situations"),
    "charging_minutes",
)


class Why(NamedTuple):
    """Why stays are worked out again, and when that is."""

    now: datetime
    cause: Cause = Cause.RECORDS
    by: UUID | None = None


async def restate(
    session: AsyncSession,
    vault: PlateVault | None,
    touched: Mapping[bytes, datetime],
    why: Why,
    unread: Collection[UUID] = (),
) -> dict[UUID, StayState]:
    """The stays of these plates anew, each plate from its time on; those that changed, with their state.

    `unread`: events that had or have no plate. Without a vault no plate can be compared with another.
    """
    await _lock(session, touched, unread)
    since = await facts.windows(session, touched) if touched else {}
    known = await facts.gather(session, since, unread)
    found = await _visits(session, known)
    standing = await _standing(session, since, unread, [visit.id for visit, _ in found])
    policies = await facts.policies(session, {visit.facility_id for visit, _ in found})
    events = {fact.id for visit, _ in found for fact in visit.facts} & known.events
    asked = await waiting(session, [visit.id for visit, _ in found], events)
    rows = await _judged(session, found, known, policies, standing, asked.misread, vault, why)
    rows += [_gone(row) for key, row in standing.items() if key not in {r["id"] for r in rows}]
    changed = await _write(session, standing, rows, why)
    told = {key: StayState(row["state"]) for key, row in changed.items()}
    # An answer that leaves a stay as it is has to be taken note of, too.
    quiet = [row for row in rows if row["id"] not in changed and _waits(row, asked.all)]
    changed |= {row["id"]: row | {"events_before": []} for row in quiet}
    unsure = {
        fact.id
        for visit, _ in found
        for fact in visit.facts
        if visit.id in changed and too_unsure(fact.confidence, policies[visit.facility_id])
    }
    if changed:
        await reconsider(session, vault, changed, unsure & known.events, why.now)
    return told


def _waits(row: Row, asked: set[UUID]) -> bool:
    return not asked.isdisjoint((row["id"], row["entry_event_id"], row["exit_event_id"]))


async def _lock(session: AsyncSession, touched: Iterable[bytes], unread: Iterable[UUID]) -> None:
    keys = {plate[0] for plate in touched} | {event.bytes[0] for event in unread}
    for key in sorted(key % _LOCKS for key in keys):
        await alone(session, f"stays {key}")


async def _visits(session: AsyncSession, known: facts.Known) -> list[tuple[Visit, bytes | None]]:
    """All visits, each with the hash of its plate."""
    ids = [stay_id(f.id) for found in [*known.by_plate.values(), known.unread] for f in found]
    decisions = await facts.decisions_on(session, ids) if ids else {}
    known.charging.update(await facts.charging_of(session, ids) if ids else {})
    found: list[tuple[Visit, bytes | None]] = []
    for plate, said in known.by_plate.items():
        found += [(visit, plate) for visit in visits(said, decisions)]
    for fact in known.unread:
        found += [(visit, None) for visit in visits([fact], decisions)]
    return found


async def _standing(
    session: AsyncSession, since: Mapping[bytes, datetime], unread: Collection[UUID], ids: Collection[UUID]
) -> dict[UUID, Row]:
    """The rows as they stand: of these plates and times, and whatever has one of these ids."""
    rows = await session.execute(
        text(
            "select * from stay where id in (select unnest(cast(:ids as uuid[])) union select s.id from"
            " unnest(cast(:plates as bytea[]), cast(:times as timestamptz[])) as n(plate_hash, since)"
            " join stay s on s.plate_hash = n.plate_hash and s.facts_from >= n.since)"
        ),
        {
            "ids": [*ids, *(stay_id(event) for event in unread)],
            "plates": list(since),
            "times": list(since.values()),
        },
    )
    return {row.id: _comparable(dict(row._mapping)) for row in rows}


def _comparable(row: Row) -> Row:
    for name in ("plate_hash", "plate_sealed"):
        row[name] = None if row[name] is None else bytes(row[name])
    return row


async def _judged(
    session: AsyncSession,
    found: Collection[tuple[Visit, bytes | None]],
    known: facts.Known,
    policies: Mapping[UUID, Policy],
    standing: Mapping[UUID, Row],
    doubted: Collection[UUID],
    vault: PlateVault | None,
    why: Why,
) -> list[Row]:
    """The rows of all visits, each judged; a price is asked for only where all else is well."""
    rows = []
    for visit, plate in found:
        row = _row(visit, plate, known, vault)
        alone = visit.opened_by is Opened.EXIT and visit.exit_event_id in doubted
        judged = partial(
            judge,
            visit,
            policies[visit.facility_id],
            why.now,
            misread=alone or visit.id in doubted,
            plated=plate is not None,
        )
        state, situations = judged()
        if state is StayState.CLOSED and visit.standing is None and not _judged_before(row, standing):
            state, situations = judged(amount=await cost_of(session, row))
        names = sorted(situation.value for situation in situations)
        rows.append(row | {"state": state.value, "situations": names})
    return rows


def _judged_before(row: Row, standing: Mapping[UUID, Row]) -> bool:
    """Whether the same stay was found not too dear before."""
    before = standing.get(row["id"])
    same = ("facility_id", "plate_hash", "vehicle_class", "entered_at", "exited_at", "charging_minutes")
    return (
        before is not None
        and before["state"] == StayState.CLOSED.value
        and all(before[name] == row[name] for name in same)
    )


def _row(visit: Visit, plate: bytes | None, known: facts.Known, vault: PlateVault | None) -> Row:
    """A visit as its stay's row, without its state."""
    said = next((known.plates[f.id] for f in visit.facts if f.id in known.plates), None)
    color = said.color if said else known.colors.get(visit.facts[0].id)
    times = [fact.at for fact in visit.facts] + [t for t in (visit.exited_at, visit.not_after) if t]
    return {
        "id": visit.id,
        "facility_id": visit.facility_id,
        "space_id": visit.space_id,
        "plate_hash": plate,
        "plate_sealed": said.sealed if said else None,
        "plate_color": color,
        "confidence": visit.confidence,
        "vehicle_class": _class_of(said, color, vault).value,
        "entered_at": visit.entered_at,
        "opened_by": visit.opened_by.value,
        "entry_event_id": visit.entry_event_id,
        "exited_at": visit.exited_at,
        "ended_by": visit.ended_by and visit.ended_by.value,
        "exit_event_id": visit.exit_event_id,
        "not_after": visit.not_after,
        "charging_minutes": known.charging.get(visit.id, 0),
        "derived_entered_at": visit.derived[0] if visit.derived else visit.entered_at,
        "derived_exited_at": visit.derived[1] if visit.derived else visit.exited_at,
        "facts_from": min([*times, visit.entered_at]),
        "facts_until": _facts_until(visit, max(times)),
    }


def _facts_until(visit: Visit, last: datetime) -> datetime | None:
    """Until when what comes may change it; None: as long as it goes on."""
    if visit.exited_at is not None:
        return last
    return max(last, visit.decision.decided_at + VOID_ENDS) if visit.decision and visit.void else None


def _class_of(said: facts.Plate | None, color: str | None, vault: PlateVault | None) -> VehicleClass:
    try:
        kind = vault.open(said.sealed).kind if said and vault else None
    except VaultError:
        kind = None
    return vehicle_class_of(kind, color)


def _gone(row: Row) -> Row:
    """A stay that nothing speaks for any more: its records are void, or of another vehicle or stay."""
    gone = {name: row[name] for name in ("id", *_TOLD, *_QUIET)}
    over = row["facts_until"] or row["facts_from"]
    unproved = {"state": StayState.VOID.value, "entry_event_id": None, "exit_event_id": None}
    return gone | unproved | {"facts_until": over}


async def _write(
    session: AsyncSession, standing: Mapping[UUID, Row], rows: list[Row], why: Why
) -> dict[UUID, Row]:
    """Write what differs; a version and a message for each stay of which others have to know."""
    changed: dict[UUID, Row] = {}
    quiet: list[Row] = []
    versions: list[Row] = []
    for row in sorted(rows, key=lambda r: str(r["id"])):
        before = standing.get(row["id"])
        if before and all(before[name] == row[name] for name in _TOLD):
            if any(before[name] != row[name] for name in _QUIET if name != "plate_sealed"):
                quiet.append(row | {"version": before["version"], "changed_at": before["changed_at"]})
            continue
        row["version"] = before["version"] + 1 if before else 1
        row["changed_at"] = why.now
        changed[row["id"]] = row
        versions.append(_version(row, StayState(before["state"]) if before else None, why))
    await _upsert(session, [*changed.values(), *quiet])
    if versions:
        await session.execute(insert(StayVersion), versions)
    messages = [(str(key), {"version": row["version"]}) for key, row in changed.items()]
    await outbox.add_many(session, STAY_CHANGED, messages)
    for key, row in changed.items():
        before = standing.get(key, {})
        row["events_before"] = [e for e in (before.get("entry_event_id"), before.get("exit_event_id")) if e]
    return changed


def _version(row: Row, before: StayState | None, why: Why) -> Row:
    kept = (
        "version",
        "state",
        "facility_id",
        "plate_hash",
        "entered_at",
        "exited_at",
        "ended_by",
        "charging_minutes",
        "situations",
    )
    return {
        "stay_id": row["id"],
        "at": why.now,
        "cause": cause_of(why.cause, before, StayState(row["state"])).value,
        "by": why.by,
        **{name: row[name] for name in kept},
    }


async def _upsert(session: AsyncSession, rows: list[Row]) -> None:
    if rows:
        statement = insert(Stay)
        changed = {name: statement.excluded[name] for name in rows[0] if name != "id"}
        await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), rows)

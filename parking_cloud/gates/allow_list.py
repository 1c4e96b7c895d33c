"""Allow lists: whom gates let in. Each facility's list has a version that moves on with every change.

A pass is given by a name of its giver's (a booking's id), and given again changes nothing. What the gate has
answered counts for the version it was told: a pass that changed since waits again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.allow_list_models import GateAllowList, GatePass
from parking_cloud.gates.allow_list_rules import PassState, Stretch, Way, Word, merged, state_of

KEPT_FOR = timedelta(days=7)
"""So long after its end a pass is kept, to answer questions of drivers; then its plate is forgotten."""
_HAS_GATE = "exists (select 1 from gate_passage g where g.facility_id = l.facility_id)"


class PassFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass stands; `failure`: why the gate refused it, or could not be told."""

    id: UUID
    facility_id: UUID
    state: PassState
    told_at: datetime | None
    acknowledged_at: datetime | None
    failure: str


class Unconfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """A pass that its gate has not confirmed, and whose time is near."""

    id: UUID
    facility_id: UUID
    begins_at: datetime
    changed_at: datetime
    state: PassState


async def allow(
    session: AsyncSession,
    *,
    pass_id: UUID,
    facility_id: UUID,
    plate_hash: bytes,
    plate_sealed: bytes,
    during: Sequence[Stretch],
    now: datetime,
) -> None:
    """Have the gate let this vehicle in at these times; the same again changes nothing."""
    stretches = merged(during)
    if not stretches:
        await withdraw(session, pass_id, now)
        return
    await _lock_list(session, facility_id)
    row = await session.get(GatePass, pass_id, with_for_update=True, populate_existing=True)
    ranges = [Range(start, end) for start, end in stretches]
    if row is None:
        row = GatePass(id=pass_id, facility_id=facility_id)
    elif row.facility_id != facility_id:
        raise ValueError("a pass stays at its facility")
    elif row.withdrawn_at is None and row.plate_hash == plate_hash and list(row.during) == ranges:
        return
    row.version = await _move_on(session, facility_id, now)
    row.plate_hash, row.plate_sealed = plate_hash, plate_sealed
    row.during, row.ends_at = ranges, stretches[-1][1]
    row.withdrawn_at, row.failure, row.changed_at = None, "", now
    session.add(row)
    await session.flush()


async def withdraw(session: AsyncSession, pass_id: UUID, now: datetime) -> None:
    """The vehicle is not let in any more; again, or where there is no such pass, nothing changes."""
    facility_id = await session.scalar(select(GatePass.facility_id).where(GatePass.id == pass_id))
    if facility_id is None:
        return
    await _lock_list(session, facility_id)
    row = await session.get_one(GatePass, pass_id, with_for_update=True, populate_existing=True)
    if row.withdrawn_at is None:
        row.version = await _move_on(session, facility_id, now)
        row.withdrawn_at, row.failure, row.changed_at = now, "", now
        await session.flush()


async def _lock_list(session: AsyncSession, facility_id: UUID) -> None:
    """One change of a list at a time, so that its versions become visible in their order."""
    made = insert(GateAllowList).values(facility_id=facility_id).on_conflict_do_nothing()
    await session.execute(made)
    await session.execute(
        select(GateAllowList.version).where(GateAllowList.facility_id == facility_id).with_for_update()
    )


async def _move_on(session: AsyncSession, facility_id: UUID, now: datetime) -> int:
    """The list's next version; its gate is told of it at once."""
    version: int | None = await session.scalar(
        text(
            "update gate_allow_list set version = version + 1, push_at = least(push_at, :now),"
            " changed_at = :now where facility_id = :id returning version"
        ),
        {"id": facility_id, "now": now},
    )
    assert version is not None
    return version


async def pass_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PassFacts]:
    """How these passes stand; those that there are."""
    rows = await session.execute(
        text(
            "select p.id, p.facility_id, p.version, p.told_version, p.told_at, p.answered_version,"
            f" p.answered_at, p.accepted, p.failure, p.withdrawn_at, l.way, {_HAS_GATE} as has_gate"
            " from gate_pass p join gate_allow_list l using (facility_id) where p.id = any(:ids)"
        ),
        {"ids": list(ids)},
    )
    return {row.id: _facts(row) for row in rows}


async def pass_states(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PassState]:
    """The states of these passes; those that there are."""
    return {id_: facts.state for id_, facts in (await pass_facts(session, ids)).items()}


def _facts(row: Any) -> PassFacts:
    state = _state(row)
    return PassFacts(
        id=row.id,
        facility_id=row.facility_id,
        state=state,
        told_at=row.told_at if row.told_version == row.version else None,
        acknowledged_at=row.answered_at if state is PassState.ACKNOWLEDGED else None,
        failure=row.failure,
    )


def _state(row: Any) -> PassState:
    word = Word(row.version, row.told_version, row.answered_version, row.accepted)
    withdrawn = row.withdrawn_at is not None
    return state_of(word, way=Way(row.way), has_gate=row.has_gate, withdrawn=withdrawn)


async def unconfirmed(session: AsyncSession, *, before: datetime, now: datetime) -> list[Unconfirmed]:
    """Passes with a time that begins by then and is not over, of which the gate has not said yes."""
    rows = await session.execute(
        text(
            "select p.id, p.facility_id, p.version, p.told_version, p.answered_version, p.accepted,"
            f" p.withdrawn_at, p.changed_at, l.way, {_HAS_GATE} as has_gate, lower(r.during) as begins_at"
            " from gate_pass p join gate_allow_list l using (facility_id), unnest(p.during) as r(during)"
            " where p.withdrawn_at is null and p.ends_at > :now and l.way not in ('asks', 'none')"
            " and (p.answered_version is distinct from p.version or not p.accepted)"
            " and lower(r.during) <= :before and upper(r.during) > :now order by begins_at, p.id"
        ),
        {"before": before, "now": now},
    )
    return [
        Unconfirmed(
            id=row.id,
            facility_id=row.facility_id,
            begins_at=row.begins_at,
            changed_at=row.changed_at,
            state=state,
        )
        for row in rows
        if (state := _state(row)) is not PassState.NOT_NEEDED
    ]


async def forget_over(session: AsyncSession, now: datetime) -> int:
    """Forget the passes that ended some days ago; how many. The worker's job."""
    rows = await session.execute(
        text("delete from gate_pass where ends_at < :before returning id"), {"before": now - KEPT_FOR}
    )
    return len(list(rows))

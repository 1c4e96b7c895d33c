"""Counted against derived: at a full count, how far off was what the passages since the one before say?

A full count is what a counter reports, or, where a sensor watches every space, what the sensors say together.
What is voided, corrected or comes late changes what was derived, so it is judged again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.telling import told_by_gates
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.counters import Span
from parking_cloud.occupancy.counting import FullCount
from parking_cloud.registry.service import all_facilities

_SETTLED = timedelta(minutes=10)
"""A count is judged this long after it was made, when what was delayed has come in."""
_APART = timedelta(hours=1)
"""Counts closer together than this are not judged each."""
_LATE = _SETTLED / 2
"""What is older than this when it is written may come after its count was judged."""
_AGAIN = timedelta(days=30)
"""What was judged longer ago than this stands as it is."""


class Reconciliation(msgspec.Struct, frozen=True):
    """A full count and what was derived for that moment. `drift` is derived less counted, in vehicles."""

    counted_at: datetime
    counted_occupied: int
    derived_occupied: int | None
    drift: int | None
    """None for the first count, from which derivation starts."""


async def reconcile_all(session: AsyncSession, now: datetime) -> int:
    """Judge what has to be judged again, and the newest settled count of each facility that has gates or
    counters; how many were judged."""
    judged = await _judge_again(session, now)
    due = await counting.counts_due(session, made_before=now - _SETTLED)
    newest = await _newest(session, due)
    for facility, count in due.items():
        last = newest.get(facility)
        if last is None or count.at - last.at >= _APART:
            judged += await _judge(session, facility, last, [count])
    await _note_sensed(session, now)
    return judged


async def note_late(session: AsyncSession, since: Mapping[UUID, datetime]) -> None:
    """Passages of these facilities changed, from a time on: what was judged since then is judged again."""
    late = datetime.now(UTC) - _LATE
    noted = {facility: at for facility, at in since.items() if at < late}
    if noted:
        await session.execute(
            text(
                "insert into reconciliation_again (facility_id, since)"
                " select * from unnest(cast(:ids as uuid[]), cast(:times as timestamptz[]))"
            ),
            {"ids": list(noted), "times": list(noted.values())},
        )


async def reconciliations(
    session: AsyncSession, facility: UUID, *, before: datetime, limit: int
) -> list[Reconciliation]:
    """A facility's reconciliations, newest first."""
    rows = await session.execute(
        text(
            "select counted_at, counted_occupied, derived_occupied, derived_occupied - counted_occupied"
            " from facility_reconciliation where facility_id = :id and counted_at < :before"
            " order by counted_at desc limit :limit"
        ),
        {"id": facility, "before": before, "limit": limit},
    )
    return [Reconciliation(*row) for row in rows]


async def newest_drifts(session: AsyncSession) -> dict[UUID, int]:
    """The newest drift of each facility that has one, in vehicles."""
    rows = await session.execute(
        text(
            "select n.id as facility_id, r.drift from unnest(cast(:ids as uuid[])) as n(id), lateral"
            " (select derived_occupied - counted_occupied as drift from facility_reconciliation"
            " where facility_id = n.id and derived_occupied is not null order by counted_at desc limit 1) r"
        ),
        {"ids": await all_facilities(session)},
    )
    return {row.facility_id: row.drift for row in rows}


class DriftSum(NamedTuple):
    """How far what was derived lay from what was counted, in vehicles either way, over so many counts."""

    vehicles: int
    counts: int


async def drift_sums(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, DriftSum]:
    """The drift of all counts of a time that were compared, by facility."""
    rows = await session.execute(
        text(
            "select facility_id, sum(abs(derived_occupied - counted_occupied)), count(*)"
            " from facility_reconciliation where derived_occupied is not null"
            " and counted_at >= :since and counted_at < :until group by facility_id"
        ),
        {"since": since, "until": until},
    )
    return {facility: DriftSum(int(vehicles), counts) for facility, vehicles, counts in rows}


async def _judge_again(session: AsyncSession, now: datetime) -> int:
    """What passages that changed lie before; how many were judged."""
    rows = await session.execute(text("delete from reconciliation_again returning facility_id, since"))
    since: dict[UUID, datetime] = {}
    for facility, at in rows:
        since[facility] = min(since.get(facility, at), at)
    judged = 0
    for facility, at in since.items():
        counts = await _counts(session, facility, max(at, now - _AGAIN))
        if counts:
            judged += await _judge(session, facility, counts[0], counts[1:])
    return judged


async def _note_sensed(session: AsyncSession, now: datetime) -> None:
    """Note what sensors say is in the facilities; the next run judges it, when what was delayed has come."""
    sensed = await counting.sensed_now(session, now)
    newest = await _newest(session, sensed)
    due = {f: c for f, c in sensed.items() if f not in newest or c.at - newest[f].at >= _APART}
    if not due:
        return
    await session.execute(
        text(
            "insert into facility_reconciliation (facility_id, counted_at, counted_occupied)"
            " select n.id, :now, n.occupied from unnest(cast(:ids as uuid[]), cast(:occupied as int[]))"
            " as n(id, occupied) on conflict do nothing"
        ),
        {"now": now, "ids": list(due), "occupied": [count.occupied for count in due.values()]},
    )
    await session.execute(
        text(
            "insert into reconciliation_again (facility_id, since) select unnest(cast(:ids as uuid[])), :at"
        ),
        {"ids": [facility for facility in due if facility in newest], "at": now},
    )


async def _judge(
    session: AsyncSession, facility: UUID, last: FullCount | None, counts: Sequence[FullCount]
) -> int:
    """Write what each full count is against what is derived from the one before; how many there were.

    `last` is the count before the first of them; None where there is none to derive from.
    """
    derived: list[int | None] = [] if last else [None]
    steps = list(pairwise([last, *counts] if last else counts))
    spans = [Span(facility, before.at, count.at) for before, count in steps]
    nets = await counting.passed_in(session, spans, told_by_gates)
    derived += [
        counting.storable(before.occupied + net.vehicles)
        for (before, _), net in zip(steps, nets, strict=True)
    ]
    await session.execute(
        text(
            "insert into facility_reconciliation"
            " (facility_id, counted_at, counted_occupied, derived_occupied)"
            " select :facility, n.* from unnest(cast(:times as timestamptz[]), cast(:counted as int[]),"
            " cast(:derived as int[])) as n(at, counted, derived)"
            " on conflict (facility_id, counted_at) do update"
            " set derived_occupied = excluded.derived_occupied"
        ),
        {
            "facility": facility,
            "times": [count.at for count in counts],
            "counted": [count.occupied for count in counts],
            "derived": derived,
        },
    )
    return len(counts)


async def _newest(session: AsyncSession, facilities: Collection[UUID]) -> dict[UUID, FullCount]:
    """The newest count of each facility that was judged."""
    rows = await session.execute(
        text(
            "select n.id, r.* from unnest(cast(:ids as uuid[])) as n(id), lateral"
            " (select counted_at, counted_occupied from facility_reconciliation where facility_id = n.id"
            " order by counted_at desc limit 1) r"
        ),
        {"ids": list(facilities)},
    )
    return {facility: FullCount(*count) for facility, *count in rows}


async def _counts(session: AsyncSession, facility: UUID, since: datetime) -> list[FullCount]:
    """The counts of a facility that were judged, from the last one before a time on, in order."""
    rows = await session.execute(
        text(
            "select counted_at, counted_occupied from facility_reconciliation where facility_id = :id"
            " and counted_at >= coalesce((select max(counted_at) from facility_reconciliation"
            " where facility_id = :id and counted_at < :since), '-infinity') order by counted_at"
        ),
        {"id": facility, "since": since},
    )
    return [FullCount(*row) for row in rows]

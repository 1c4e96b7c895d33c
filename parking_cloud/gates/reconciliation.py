"""Counted against derived: at a full count, how far off was what the passages since the one before say?"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy import counting

_SETTLED = timedelta(minutes=10)
"""A count is judged this long after it was made, when what was delayed has come in."""
_APART = timedelta(hours=1)
"""Counts closer together than this are not judged each."""


class Reconciliation(msgspec.Struct, frozen=True):
    """A full count and what was derived for that moment. `drift` is derived less counted, in vehicles."""

    counted_at: datetime
    counted_occupied: int
    derived_occupied: int | None
    drift: int | None
    """None for the first count, from which derivation starts."""


async def reconcile_all(session: AsyncSession, now: datetime) -> int:
    """Judge the newest settled count of each facility that has gates or counters; how many were judged."""
    due = await counting.counts_due(session, made_before=now - _SETTLED)
    judged = 0
    for facility, count in due.items():
        last = await _last(session, facility)
        if last is not None and count.at - last.counted_at < _APART:
            continue
        await _judge(session, facility, count, last)
        judged += 1
    return judged


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
            "select distinct on (facility_id) facility_id, derived_occupied - counted_occupied as drift"
            " from facility_reconciliation where derived_occupied is not null"
            " order by facility_id, counted_at desc"
        )
    )
    return {row.facility_id: row.drift for row in rows}


async def _judge(
    session: AsyncSession, facility: UUID, count: counting.FullCount, last: Reconciliation | None
) -> None:
    derived = None
    if last is not None:
        told = await counting.counted_between(session, facility, last.counted_at, count.at)
        gates = await _passed(session, facility, last.counted_at, count.at)
        derived = last.counted_occupied + told.vehicles + gates
    await session.execute(
        text(
            "insert into facility_reconciliation"
            " (facility_id, counted_at, counted_occupied, derived_occupied)"
            " values (:facility, :at, :counted, :derived) on conflict do nothing"
        ),
        {"facility": facility, "at": count.at, "counted": count.occupied, "derived": derived},
    )


async def _last(session: AsyncSession, facility: UUID) -> Reconciliation | None:
    rows = await session.execute(
        text(
            "select counted_at, counted_occupied, derived_occupied, derived_occupied - counted_occupied"
            " from facility_reconciliation where facility_id = :id order by counted_at desc limit 1"
        ),
        {"id": facility},
    )
    row = rows.one_or_none()
    return None if row is None else Reconciliation(*row)


async def _passed(session: AsyncSession, facility: UUID, after: datetime, until: datetime) -> int:
    net = await session.scalar(
        text(
            "select count(*) filter (where direction = 'entry') - count(*) filter (where direction = 'exit')"
            " from gate_passage where facility_id = :id and occurred_at > :after and occurred_at <= :until"
            " and not voided"
        ),
        {"id": facility, "after": after, "until": until},
    )
    return int(net or 0)

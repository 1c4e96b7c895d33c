"""Counted facilities between full counts: the newest count, moved on by who passed since.

What passed is known from gates (told by the gates slice) or from counters that say how many `entered` and
`left`, or keep a running count of one lane. A barrier and a counter often watch the same lane, and then each
vehicle must not count twice. So since a full count one kind is taken for a whole facility: its gates where
there is any gate event, else its counters. A facility that has a barrier in one lane and only a counter in
another should report that lane as gate events too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import Base
from parking_cloud.occupancy.counters import Net, Span, counted_in, counts_before, together
from parking_cloud.occupancy.space_states import ensure_facilities
from parking_cloud.registry.service import capacities
from sensor_gateway.observation import Kind, Observation

FACILITY_COUNTED = "occupancy.counted"
"""Outbox topic: a full count came, or a counter told of passages; the key is the facility's id. Its payload's
`since` is the earliest time of which any of it is (ISO 8601); without it, that may be any."""

_MOST = 1_000_000_000
_CHECKPOINTS = tuple(timedelta(days=days) for days in (35, 7, 1, 0))
"""How long before today checkpoints are made: for what is late by a little, little is read again."""


class CountCheckpoint(Base):
    """What passed from a full count (of `base_at`) up to a midnight (UTC): only what came since is read.

    It is removed as soon as anything of its time or before comes in or changes.
    """

    __tablename__ = "count_checkpoint"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    base_at: Mapped[datetime]
    vehicles: Mapped[int] = mapped_column(BigInteger)
    newest_at: Mapped[datetime | None]
    by_gates: Mapped[bool]


Gates = Callable[[AsyncSession, Sequence[Span]], Awaitable[list[Net | None]]]
"""What gates tell of each span; None: there is no gate event in it, not even a void one."""


class _Point(NamedTuple):
    """What is known of a facility up to a time."""

    at: datetime
    net: Net


class FullCount(NamedTuple):
    """A full count as it was reported: vehicles in the facility (capacity less free), unclamped."""

    at: datetime
    occupied: int


async def recount(session: AsyncSession, changed: Mapping[UUID, datetime | None], gates: Gates) -> None:
    """Show these facilities' newest counts, moved on by who passed since.

    `changed`: the facilities, each with the earliest time of what came or changed (None: it may be any).
    They are locked before anything is read, so that of two who recount one sees what the other wrote. Of one
    that was never counted in full it is only noted that passages are known: a count that comes late has to be
    moved on by them.
    """
    await ensure_facilities(session, changed)
    await _forget(session, changed)
    bases = await _bases(session, changed)
    uncounted = [facility for facility in changed if facility not in bases]
    if uncounted:
        await session.execute(
            text("update facility_state set net_since = 0 where facility_id = any(:ids)"), {"ids": uncounted}
        )
    if not bases:
        return
    points = await _with_checkpoints(session, bases, gates)
    await _show(session, await _advanced(session, points, None, gates))


async def announce_counts(session: AsyncSession, observations: Iterable[Observation]) -> None:
    """Leave a FACILITY_COUNTED for each facility whose count these, new or moved to earlier, change.

    A full count does only where passages are known; elsewhere it stands as it is.
    """
    told: dict[UUID, datetime] = {}
    full: dict[UUID, datetime] = {}
    for o in observations:
        for since, concerned in ((told, _tells(o)), (full, o.free is not None)):
            if concerned:
                since[o.facility_id] = min(since.get(o.facility_id, o.observed_at), o.observed_at)
    for facility in await _with_passages(session, full) if full else ():
        told[facility] = min(told.get(facility, full[facility]), full[facility])
    messages = [(str(facility), {"since": at.isoformat()}) for facility, at in sorted(told.items())]
    await outbox.add_many(session, FACILITY_COUNTED, messages)


async def _with_passages(session: AsyncSession, facilities: Collection[UUID]) -> Iterable[UUID]:
    """Those of which passages are known."""
    return await session.scalars(
        text(
            "select facility_id from facility_state where facility_id = any(:ids) and net_since is not null"
        ),
        {"ids": list(facilities)},
    )


def _tells(o: Observation) -> bool:
    """Whether it says anything of passages; a counter's start-up says that its running count begins again."""
    counts = o.running_count is not None or o.entered is not None or o.left is not None
    return counts or (o.kind is Kind.STARTUP and o.space_id is None)


async def passed_in(session: AsyncSession, spans: Sequence[Span], gates: Gates) -> list[Net]:
    """Entries less exits of each span: by its facility's gates where they tell of any, else by counters."""
    told = await gates(session, spans)
    rest = [i for i, net in enumerate(told) if net is None and not spans[i].by_gates]
    counted = dict(zip(rest, await counted_in(session, [spans[i] for i in rest]), strict=True))
    return [net or counted.get(i) or Net(by_gates=spans[i].by_gates) for i, net in enumerate(told)]


def storable(vehicles: int) -> int:
    """A number of vehicles as a column can hold it: a counter gone mad must not stop everybody's counts."""
    return max(-_MOST, min(vehicles, _MOST))


async def counts_due(session: AsyncSession, *, made_before: datetime) -> dict[UUID, FullCount]:
    """The newest full count, made before a time, of each facility where passages are known too."""
    rows = (
        await session.execute(
            text(
                "select facility_id, reported_at, reported_free from facility_state"
                " where net_since is not null and reported_at is not null"
            )
        )
    ).all()
    free = {row.facility_id: (row.reported_at, row.reported_free) for row in rows}
    newer = [facility for facility, (at, _) in free.items() if at >= made_before]
    settled = {facility: count for facility, count in free.items() if facility not in set(newer)}
    settled |= await counts_before(session, newer, made_before)
    sizes = await capacities(session, settled)
    return {f: FullCount(at, sizes[f] - count) for f, (at, count) in settled.items()}


async def sensed_now(session: AsyncSession, now: datetime) -> dict[UUID, FullCount]:
    """What the sensors of facilities say is in them, where every space is known and passages are too."""
    rows = await session.execute(
        text(
            "select n.id, n.occupied_spaces from facility_now n join facility_state s on s.facility_id = n.id"
            " where n.counting = 'spaces' and s.net_since is not null and s.reported_at is null"
            " and n.capacity > 0 and n.occupied_spaces + n.free_spaces >= n.capacity"
        )
    )
    return {row.id: FullCount(now, row.occupied_spaces) for row in rows}


async def _bases(session: AsyncSession, facilities: Collection[UUID]) -> dict[UUID, datetime]:
    """When each facility was last counted in full; those never counted are not in it."""
    rows = await session.execute(
        text(
            "select facility_id, reported_at from facility_state where facility_id = any(:ids)"
            " and reported_at is not null"
        ),
        {"ids": list(facilities)},
    )
    return {row.facility_id: row.reported_at for row in rows}


async def _forget(session: AsyncSession, changed: Mapping[UUID, datetime | None]) -> None:
    """Remove the checkpoints at and after what changed."""
    await session.execute(
        text(
            "delete from count_checkpoint c using unnest(cast(:ids as uuid[]), cast(:times as timestamptz[]))"
            " as n(facility_id, at) where c.facility_id = n.facility_id"
            " and c.until >= coalesce(n.at, '-infinity')"
        ),
        {"ids": list(changed), "times": list(changed.values())},
    )


async def _with_checkpoints(
    session: AsyncSession, bases: Mapping[UUID, datetime], gates: Gates
) -> dict[UUID, _Point]:
    """The newest checkpoint of each facility (or its full count), after those are made that are due."""
    rows = await session.execute(
        text(
            "select distinct on (c.facility_id) c.facility_id, c.until, c.vehicles, c.newest_at, c.by_gates"
            " from unnest(cast(:ids as uuid[]), cast(:bases as timestamptz[])) as b(facility_id, at)"
            " join count_checkpoint c on c.facility_id = b.facility_id and c.base_at = b.at"
            " order by c.facility_id, c.until desc"
        ),
        {"ids": list(bases), "bases": list(bases.values())},
    )
    points = {facility: _Point(base, Net()) for facility, base in bases.items()}
    points |= {row[0]: _Point(row[1], Net(*row[2:])) for row in rows}
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for age in _CHECKPOINTS:
        behind = {facility: point for facility, point in points.items() if point.at < today - age}
        if behind:
            made = await _advanced(session, behind, today - age, gates)
            await _keep(session, bases, made)
            points |= made
    return points


async def _advanced(
    session: AsyncSession, points: Mapping[UUID, _Point], until: datetime | None, gates: Gates
) -> dict[UUID, _Point]:
    """The points at a later time."""
    spans = [Span(f, point.at, until, point.net.by_gates) for f, point in points.items()]
    nets = await passed_in(session, spans, gates)
    return {
        facility: _Point(until or point.at, together(point.net, net))
        for (facility, point), net in zip(points.items(), nets, strict=True)
    }


async def _keep(session: AsyncSession, bases: Mapping[UUID, datetime], points: Mapping[UUID, _Point]) -> None:
    """Write checkpoints, over those that were made from another full count."""
    await session.execute(
        text(
            "insert into count_checkpoint (facility_id, until, base_at, vehicles, newest_at, by_gates)"
            " select * from unnest(cast(:ids as uuid[]), cast(:times as timestamptz[]),"
            " cast(:bases as timestamptz[]), cast(:nets as bigint[]), cast(:newest as timestamptz[]),"
            " cast(:by_gates as bool[])) on conflict (facility_id, until) do update set"
            " base_at = excluded.base_at, vehicles = excluded.vehicles, newest_at = excluded.newest_at,"
            " by_gates = excluded.by_gates"
        ),
        {
            "ids": list(points),
            "times": [point.at for point in points.values()],
            "bases": [bases[facility] for facility in points],
            "nets": [point.net.vehicles for point in points.values()],
            "newest": [point.net.newest_at for point in points.values()],
            "by_gates": [point.net.by_gates for point in points.values()],
        },
    )
    await session.execute(
        text(
            "delete from count_checkpoint c using unnest(cast(:ids as uuid[]), cast(:bases as timestamptz[]))"
            " as b(facility_id, at) where c.facility_id = b.facility_id and c.base_at <> b.at"
        ),
        {"ids": list(points), "bases": [bases[facility] for facility in points]},
    )


async def _show(session: AsyncSession, points: Mapping[UUID, _Point]) -> None:
    await session.execute(
        text(
            "update facility_state f set net_since = n.net, counted_free = f.reported_free - n.net,"
            " counted_at = greatest(f.reported_at, n.at) from unnest(cast(:ids as uuid[]),"
            " cast(:nets as int[]), cast(:times as timestamptz[])) as n(facility_id, net, at)"
            " where f.facility_id = n.facility_id"
        ),
        {
            "ids": list(points),
            "nets": [storable(point.net.vehicles) for point in points.values()],
            "times": [point.net.newest_at for point in points.values()],
        },
    )

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

from sqlalchemy import ForeignKey, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import Base
from parking_cloud.occupancy.rules import passed
from parking_cloud.occupancy.space_states import ensure_facilities
from parking_cloud.registry.service import capacities, counter_directions
from sensor_gateway.observation import Kind, Observation

FACILITY_COUNTED = "occupancy.counted"
"""Outbox topic: a full count came, or a counter told of passages; the key is the facility's id. Its payload's
`since` is the earliest time of which any of it is (ISO 8601); without it, that may be any."""

_SILENT = timedelta(days=2)
"""A running count that was not heard for longer, two keep-alives, begins anew: nobody knows what passed."""
_CHECKPOINTS = tuple(timedelta(days=days) for days in (35, 7, 1, 0))
"""How long before today checkpoints are made: for what is late by a little, little is read again."""
_NEWEST_COUNT = timedelta(days=2)
"""How far back the count before the newest is looked for: an older one was judged while it was newest."""
_AHEAD = timedelta(days=1)
"""No observation is dated so far ahead; a bound for the history's partitions."""


class CountCheckpoint(Base):
    """What passed from a full count (of `base_at`) up to a midnight (UTC): only what came since is read.

    It is removed as soon as anything of its time or before comes in or changes.
    """

    __tablename__ = "count_checkpoint"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    base_at: Mapped[datetime]
    vehicles: Mapped[int]
    newest_at: Mapped[datetime | None]
    by_gates: Mapped[bool]


class Net(NamedTuple):
    """Entries less exits of a stretch of time, when the newest was, and whether gates told of them."""

    vehicles: int = 0
    newest_at: datetime | None = None
    by_gates: bool = False


class Span(NamedTuple):
    """A facility's stretch of time: after one moment, up to and with another (None: until now)."""

    facility_id: UUID
    after: datetime
    until: datetime | None = None
    by_gates: bool = False
    """Its gates are taken in any case, as there were gate events before."""


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
    await ensure_facilities(session, sorted(changed))
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
    moved_on = await session.scalars(
        text(
            "select facility_id from facility_state where facility_id = any(:ids) and net_since is not null"
        ),
        {"ids": list(full)},
    )
    for facility in moved_on:
        told[facility] = min(told.get(facility, full[facility]), full[facility])
    messages = [(str(facility), {"since": at.isoformat()}) for facility, at in sorted(told.items())]
    await outbox.add_many(session, FACILITY_COUNTED, messages)


def _tells(o: Observation) -> bool:
    """Whether it says anything of passages; a counter's start-up says that its running count begins again."""
    counts = o.running_count is not None or o.entered is not None or o.left is not None
    return counts or (o.kind is Kind.STARTUP and o.space_id is None)


async def passed_in(session: AsyncSession, spans: Sequence[Span], gates: Gates) -> list[Net]:
    """Entries less exits of each span: by its facility's gates where they tell of any, else by counters."""
    told = await gates(session, spans)
    rest = [i for i, net in enumerate(told) if net is None and not spans[i].by_gates]
    counted = dict(zip(rest, await _counted_in(session, [spans[i] for i in rest]), strict=True))
    return [net or counted.get(i) or Net(by_gates=spans[i].by_gates) for i, net in enumerate(told)]


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
    settled |= await _counts_before(session, newer, made_before)
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
        facility: _Point(until or point.at, _together(point.net, net))
        for (facility, point), net in zip(points.items(), nets, strict=True)
    }


def _together(before: Net, then: Net) -> Net:
    """Two stretches as one; once gates have told of anything, what counters said counts no more."""
    if then.by_gates and not before.by_gates:
        return then
    times = [at for at in (before.newest_at, then.newest_at) if at]
    return Net(before.vehicles + then.vehicles, max(times, default=None), then.by_gates)


async def _keep(session: AsyncSession, bases: Mapping[UUID, datetime], points: Mapping[UUID, _Point]) -> None:
    """Write checkpoints, over those that were made from another full count."""
    await session.execute(
        text(
            "insert into count_checkpoint (facility_id, until, base_at, vehicles, newest_at, by_gates)"
            " select * from unnest(cast(:ids as uuid[]), cast(:times as timestamptz[]),"
            " cast(:bases as timestamptz[]), cast(:nets as int[]), cast(:newest as timestamptz[]),"
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
            "nets": [point.net.vehicles for point in points.values()],
            "times": [point.net.newest_at for point in points.values()],
        },
    )


class _Asked(NamedTuple):
    """A counter, and what is asked of it: `place` is that of its span."""

    place: int
    device_id: UUID
    direction: str | None
    span: Span


async def _counted_in(session: AsyncSession, spans: Sequence[Span]) -> list[Net]:
    """What the facilities' counters say of each span."""
    counters = await counter_directions(session, {span.facility_id for span in spans}) if spans else {}
    asked = [
        _Asked(place, device, direction, span)
        for place, span in enumerate(spans)
        for device, direction in counters.get(span.facility_id, [])
    ]
    nets = [Net() for _ in spans]
    if asked:
        for place, net in [*await _told(session, asked), *await _run_on(session, asked)]:
            nets[place] = _together(nets[place], net)
    return nets


_SPANS = (
    "unnest(cast(:places as int[]), cast(:devices as uuid[]), cast(:facilities as uuid[]),"
    " cast(:starts as timestamptz[]), cast(:ends as timestamptz[]))"
    " as n(place, device_id, facility_id, after, until)"
)
_WITHIN = (
    "o.device_id = n.device_id and o.facility_id = n.facility_id"
    " and o.observed_at > n.after and o.observed_at <= n.until"
)


def _days(first: datetime, last: datetime) -> str:
    """The same bounds over all, in whole days: so that other days' partitions are not even locked.

    Written out, not as parameters: a prepared statement's plan for all parameters would look at every day.
    """
    day, after = first.astimezone(UTC).date(), last.astimezone(UTC).date() + timedelta(days=1)
    return f" and o.observed_at >= '{day}T00:00Z' and o.observed_at < '{after}T00:00Z'"


def _days_of(asked: Sequence[_Asked]) -> str:
    return _days(min(a.span.after for a in asked), max(a.span.until or _soon() for a in asked))


def _soon() -> datetime:
    return datetime.now(UTC) + _AHEAD


def _bounds(asked: Sequence[_Asked]) -> dict[str, object]:
    """The parameters of _SPANS."""
    return {
        "places": [a.place for a in asked],
        "devices": [a.device_id for a in asked],
        "facilities": [a.span.facility_id for a in asked],
        "starts": [a.span.after for a in asked],
        "ends": [a.span.until or _soon() for a in asked],
    }


async def _told(session: AsyncSession, asked: Sequence[_Asked]) -> list[tuple[int, Net]]:
    """What `entered` less what `left`, by the place of the span."""
    rows = await session.execute(
        text(
            'select n.place, sum(coalesce(o.entered, 0) - coalesce(o."left", 0)), max(o.observed_at)'
            f" from {_SPANS} join observation o on {_WITHIN}{_days_of(asked)}"
            ' where o.entered is not null or o."left" is not null group by n.place'
        ),
        _bounds(asked),
    )
    return [(place, Net(int(vehicles), newest)) for place, vehicles, newest in rows]


class _Running(NamedTuple):
    """A running count (None: the counter started up, at 0), as it was said."""

    value: int | None
    at: datetime
    frame: int | None


_RUNNING = "(o.running_count is not null or o.kind = :startup)"
_RUNNING_COLUMNS = "o.running_count, o.observed_at, o.frame_counter"


async def _run_on(session: AsyncSession, asked: Sequence[_Asked]) -> list[tuple[int, Net]]:
    """What the lanes' running counts went up by, by the place of the span."""
    lanes = [a for a in asked if a.direction is not None]
    if not lanes:
        return []
    rows = await session.execute(
        text(
            f"select n.place, n.device_id, {_RUNNING_COLUMNS} from {_SPANS}"
            f" join observation o on {_WITHIN}{_days_of(lanes)}"
            f" where {_RUNNING} order by o.observed_at, o.frame_counter, o.id"
        ),
        _bounds(lanes) | {"startup": Kind.STARTUP.value},
    )
    said: dict[tuple[int, UUID], list[_Running]] = {}
    for place, device, *running in rows:
        said.setdefault((place, device), []).append(_Running(*running))
    spoken = [a for a in lanes if (a.place, a.device_id) in said]
    before = await _running_before(session, spoken)
    return [
        (a.place, _lane(a.direction, before.get(key), said[key]))
        for a in spoken
        for key in [(a.place, a.device_id)]
    ]


def _lane(direction: str | None, before: _Running | None, said: Iterable[_Running]) -> Net:
    vehicles, newest = 0, None
    for running in said:
        if running.value is not None:
            vehicles += _since(before, running.value, running.at, running.frame)
            newest = running.at
        before = running
    return Net(-vehicles if direction == "exit" else vehicles, newest)


def _since(before: _Running | None, count: int, at: datetime, frame: int | None) -> int:
    """What passed since the value before; a counter's first value is where its counting starts."""
    if before is None or at - before.at > _SILENT:
        return 0
    seconds = (at - before.at).total_seconds()
    if before.value is None:
        return passed(0, count, seconds, restarted=True)
    back = before.frame is not None and frame is not None and frame < before.frame
    return passed(before.value, count, seconds, restarted=back)


async def _running_before(session: AsyncSession, asked: Sequence[_Asked]) -> dict[tuple[int, UUID], _Running]:
    """How each lane's running count stood where its span begins."""
    if not asked:
        return {}
    starts = [a.span.after for a in asked]
    days = _days(min(starts) - _SILENT, max(starts))
    rows = await session.execute(
        text(
            f"select n.place, n.device_id, o.* from {_SPANS}, lateral (select {_RUNNING_COLUMNS}"
            " from observation o where o.device_id = n.device_id and o.facility_id = n.facility_id"
            " and o.observed_at <= n.after and o.observed_at >= n.after - cast(:silent as interval)"
            f"{days} and {_RUNNING}"
            " order by o.observed_at desc, o.frame_counter desc, o.id desc limit 1) o"
        ),
        _bounds(asked) | {"silent": _SILENT, "startup": Kind.STARTUP.value},
    )
    return {(place, device): _Running(*running) for place, device, *running in rows}


async def _counts_before(
    session: AsyncSession, facilities: Collection[UUID], before: datetime
) -> dict[UUID, tuple[datetime, int]]:
    """The newest full count of each facility before a time: when, and how many spaces were free."""
    counters = [
        (device, facility)
        for facility, devices in (await counter_directions(session, facilities)).items()
        for device, _ in devices
    ]
    if not counters:
        return {}
    rows = await session.execute(
        text(
            "select distinct on (n.facility_id) n.facility_id, o.observed_at, o.free"
            " from unnest(cast(:devices as uuid[]), cast(:facilities as uuid[]))"
            " as n(device_id, facility_id), lateral"
            " (select o.observed_at, o.free, o.id from observation o"
            " where o.device_id = n.device_id and o.facility_id = n.facility_id and o.free is not null"
            f" and o.observed_at < :before{_days(before - _NEWEST_COUNT, before)}"
            " order by o.observed_at desc, o.id desc limit 1) o"
            " order by n.facility_id, o.observed_at desc, o.id desc"
        ),
        {
            "devices": [device for device, _ in counters],
            "facilities": [facility for _, facility in counters],
            "before": before,
        },
    )
    return {row.facility_id: (row.observed_at, row.free) for row in rows}

"""What a facility's counters tell of stretches of time: how many entered and left, and lanes' running counts.

Every question is bound to the days it is about: the history has a partition for each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.rules import passed
from parking_cloud.registry.service import counter_directions
from sensor_gateway.observation import Kind

_SILENT = timedelta(days=2)
"""A running count that was not heard for longer, two keep-alives, begins anew: nobody knows what passed."""
_NEWEST_COUNT = timedelta(days=2)
"""How far back the count before the newest is looked for: an older one was judged while it was newest."""
_AHEAD = timedelta(days=1)
"""No observation is dated so far ahead; a bound for the history's partitions."""


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


def together(before: Net, then: Net) -> Net:
    """Two stretches as one; once gates have told of anything, what counters said counts no more."""
    if then.by_gates and not before.by_gates:
        return then
    times = [at for at in (before.newest_at, then.newest_at) if at]
    return Net(before.vehicles + then.vehicles, max(times, default=None), then.by_gates)


class _Asked(NamedTuple):
    """A counter, and what is asked of it: `place` is that of its span."""

    place: int
    device_id: UUID
    direction: str | None
    span: Span


async def counted_in(session: AsyncSession, spans: Sequence[Span]) -> list[Net]:
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
            nets[place] = together(nets[place], net)
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


async def counts_before(
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

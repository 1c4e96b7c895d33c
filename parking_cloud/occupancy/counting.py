"""Counted facilities between full counts: the newest count, moved on by who passed since.

What passed is known from gates (told by the gates slice) and from counters that say how many `entered` and
`left`, or keep a running count of one lane.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.rules import passed
from parking_cloud.occupancy.space_states import ensure_facilities
from parking_cloud.registry.service import capacities, counter_directions

FACILITY_COUNTED = "occupancy.counted"
"""Outbox topic: a full count came, or a counter told of passages; the key is the facility's id."""


class Net(NamedTuple):
    """Entries less exits since a time, and when the newest of them was."""

    vehicles: int
    newest_at: datetime | None


async def bases(session: AsyncSession, facilities: Collection[UUID]) -> dict[UUID, datetime]:
    """When each facility was last counted in full; those never counted are not in it."""
    rows = await session.execute(
        text(
            "select facility_id, reported_at from facility_state where facility_id = any(:ids)"
            " and reported_at is not null order by facility_id for no key update"
        ),
        {"ids": list(facilities)},
    )
    return {row.facility_id: row.reported_at for row in rows}


async def recount(session: AsyncSession, facilities: Collection[UUID], passages: Mapping[UUID, Net]) -> None:
    """Show these facilities' newest counts, moved on by `passages` and by what their counters tell.

    Of one that was never counted in full it is only noted that passages are known: a count that comes late
    has to be moved on by them.
    """
    await ensure_facilities(session, sorted(facilities))
    since = await bases(session, facilities)
    uncounted = [facility for facility in facilities if facility not in since]
    if uncounted:
        await session.execute(
            text("update facility_state set net_since = 0 where facility_id = any(:ids)"), {"ids": uncounted}
        )
    told = {facility: await counted_between(session, facility, at, None) for facility, at in since.items()}
    rows = []
    for facility in since:
        nets = [net for net in (passages.get(facility), told[facility]) if net]
        times = [net.newest_at for net in nets if net.newest_at]
        rows.append((facility, sum(net.vehicles for net in nets), max(times, default=None)))
    if rows:
        await session.execute(
            text(
                "update facility_state f set net_since = n.net, counted_free = f.reported_free - n.net,"
                " counted_at = greatest(f.reported_at, n.at) from unnest(cast(:ids as uuid[]),"
                " cast(:nets as int[]), cast(:times as timestamptz[])) as n(facility_id, net, at)"
                " where f.facility_id = n.facility_id"
            ),
            {"ids": [r[0] for r in rows], "nets": [r[1] for r in rows], "times": [r[2] for r in rows]},
        )


async def counted_between(
    session: AsyncSession, facility: UUID, after: datetime, until: datetime | None
) -> Net:
    """What a facility's counters say passed after a time, up to another (None: now)."""
    directions = await counter_directions(session, facility)
    if not directions:
        return Net(0, None)
    rows = await session.execute(
        text(
            'select device_id, observed_at, entered, "left", running_count from observation'
            " where device_id = any(:devices) and observed_at > :after"
            " and (cast(:until as timestamptz) is null or observed_at <= :until)"
            ' and (entered is not null or "left" is not null or running_count is not null)'
            " order by observed_at, id"
        ),
        {"devices": list(directions), "after": after, "until": until},
    )
    before = await _running_before(session, list(directions), after)
    vehicles, newest = 0, None
    for device, at, entered, left, running in rows:
        vehicles += (entered or 0) - (left or 0)
        if running is not None:
            count = _since(before.get(device), running, at)
            vehicles += {"entry": count, "exit": -count}.get(directions[device] or "", 0)
            before[device] = (running, at)
        newest = at
    return Net(vehicles, newest)


def _since(before: tuple[int, datetime] | None, running: int, at: datetime) -> int:
    """What passed since the value before; a counter's first value is where its counting starts."""
    return 0 if before is None else passed(before[0], running, (at - before[1]).total_seconds())


class FullCount(NamedTuple):
    """A full count as it was reported: vehicles in the facility (capacity less free), unclamped."""

    at: datetime
    occupied: int


async def counts_due(session: AsyncSession, *, made_before: datetime) -> dict[UUID, FullCount]:
    """The newest full count, made before a time, of each facility where passages are known too."""
    facilities = (
        await session.scalars(text("select facility_id from facility_state where net_since is not null"))
    ).all()
    found: dict[UUID, FullCount] = {}
    for facility, capacity in (await capacities(session, facilities)).items():
        row = (
            await session.execute(
                text(
                    "select observed_at, free from observation where device_id = any(:devices)"
                    " and free is not null and observed_at < :before"
                    " order by observed_at desc, id desc limit 1"
                ),
                {"devices": list(await counter_directions(session, facility)), "before": made_before},
            )
        ).one_or_none()
        if row is not None:
            found[facility] = FullCount(row.observed_at, capacity - row.free)
    return found


async def _running_before(
    session: AsyncSession, devices: list[UUID], at: datetime
) -> dict[UUID, tuple[int, datetime]]:
    """The running count of each device as it stood at a time, and when it said so."""
    rows = await session.execute(
        text(
            "select d.id, o.running_count, o.observed_at from unnest(cast(:devices as uuid[])) as d(id),"
            " lateral (select running_count, observed_at from observation"
            " where device_id = d.id and observed_at <= :at and running_count is not null"
            " order by observed_at desc, id desc limit 1) o"
        ),
        {"devices": devices, "at": at},
    )
    return {row.id: (row.running_count, row.observed_at) for row in rows}

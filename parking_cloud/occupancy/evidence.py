"""What the history and the states say of devices: evidence for those who judge them (operations).

Each function is one set-based query over all devices, or over those that can matter. They read the
registry's face `device_watch` (a view: where each device is, and its profile) and occupancy's own tables.
What is older than it has to be is pruned by the history's day partitions.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class LastHeard(msgspec.Struct, frozen=True):
    """A device, when it was last heard (None: never), and how long it may be quiet."""

    device_id: UUID
    facility_id: UUID
    last_heard: datetime | None
    registered_at: datetime
    keep_alive: timedelta


class Neighbours(msgspec.Struct, frozen=True):
    """Other spaces: how many were heard, how many changed at least so often, all their changes."""

    heard: int
    busy: int
    changes: int


class Unchanged(msgspec.Struct, frozen=True):
    """A device that is heard and whose space has not changed for long, and what happened around it."""

    device_id: UUID
    facility_id: UUID
    occupied: bool
    since: datetime
    last_heard: datetime
    zone: Neighbours | None
    facility: Neighbours


class Restless(msgspec.Struct, frozen=True):
    """A device and the times at which it said something else than before."""

    device_id: UUID
    facility_id: UUID
    changes: list[datetime]


class Battery(msgspec.Struct, frozen=True):
    """A device's newest voltage, its profile's limits, and the lowest voltage of each day.

    `reported_low_at`: when the device last said itself that it is low; None where it says no such thing.
    """

    device_id: UUID
    facility_id: UUID
    volts: float
    measured_at: datetime
    full_v: float
    empty_v: float
    lowest_by_day: dict[date, float]
    reported_low_at: datetime | None = None


class SaidLow(msgspec.Struct, frozen=True):
    """A device whose newest word of its battery is that it is low."""

    device_id: UUID
    facility_id: UUID
    reported_at: datetime


class SaidOfSpace(msgspec.Struct, frozen=True):
    """One statement about a space."""

    at: datetime
    id: UUID
    occupied: bool
    device_id: UUID


async def quiet_devices(session: AsyncSession, now: datetime, *, missed: int) -> list[LastHeard]:
    """Devices not heard for `missed` keep-alives; of those never heard, registered so long ago.

    Passages and sightings that a device tells of are words of it too.
    """
    # The tables whole, hashed by their keys: a tenth of a second for 100,000 devices.
    rows = await session.execute(
        text(
            "select w.device_id, w.facility_id, greatest(s.observed_at, h.heard_at),"
            " w.created_at, w.keep_alive"
            " from device_watch w left join device_state s on s.device_id = w.device_id"
            " left join device_heard h on h.device_id = w.device_id"
            " where coalesce(greatest(s.observed_at, h.heard_at), w.created_at)"
            " <= :now - :missed * w.keep_alive"
        ),
        {"now": now, "missed": missed},
    )
    return [LastHeard(*row) for row in rows]


async def reporting(session: AsyncSession, devices: Collection[UUID]) -> set[UUID]:
    """Of devices that watch no space, those that tell of counts or passages; a patrol's camera does not."""
    rows = await session.scalars(
        text(
            "select d.id from unnest(cast(:ids as uuid[])) as d(id)"
            " left join device_state s on s.device_id = d.id left join device_heard h on h.device_id = d.id"
            " where s.device_id is not null or h.passage_at is not null"
        ),
        {"ids": list(devices)},
    )
    return set(rows)


_UNCHANGED = text(
    """
    with heard as materialized (
        select w.device_id, w.facility_id, w.zone_id, w.created_at, s.occupied, s.changed_at, d.observed_at
        from device_watch w
            join space_state s on s.space_id = w.space_id
            join device_state d on d.device_id = w.device_id
        where s.occupied is not null
            and d.observed_at > :now - greatest(cast(:long as interval), 2 * w.keep_alive)
    ), still as materialized (
        select * from heard where changed_at < :now - :long and created_at < :now - :long
    ), around as (
        select h.facility_id, h.zone_id, count(*) as heard,
            count(*) filter (where c.changes >= :busy) as busy, sum(c.changes) as changes
        from heard h, lateral (
            select count(*) filter (where turned) as changes from (
                select o.occupied <> lag(o.occupied) over (order by o.observed_at, o.id) as turned
                from observation o
                where o.device_id = h.device_id and o.observed_at > :since and o.observed_at <= :now
                    and o.occupied is not null
            ) turns
        ) c
        where h.facility_id in (select facility_id from still)
        group by h.facility_id, h.zone_id
    ), facilities as (
        select facility_id, sum(heard) as heard, sum(busy) as busy, sum(changes) as changes
        from around group by facility_id
    )
    select s.device_id, s.facility_id, s.occupied, s.changed_at, s.observed_at,
        z.heard, z.busy, z.changes, f.heard, f.busy, f.changes
    from still s
        join facilities f on f.facility_id = s.facility_id
        left join around z on z.facility_id = s.facility_id and z.zone_id = s.zone_id
    where f.busy >= :least
    """
)


async def unchanged_spaces(
    session: AsyncSession, now: datetime, *, longer_than: timedelta, busy_changes: int, least_busy: int
) -> list[Unchanged]:
    """Sensors whose space has not changed for longer, where some spaces of the facility changed often.

    Only those that are there so long themselves, and were heard within that time or two keep-alives.
    `busy_changes` is how often a neighbour must have changed to be busy.
    """
    # Changes are counted device by device, each by (device_id, observed_at): a day's rows of all, sorted at
    # once, would go to the disk. And only for facilities that have an unchanged space at all.
    rows = await session.execute(
        _UNCHANGED,
        {
            "now": now,
            "long": longer_than,
            "since": now - longer_than,
            "busy": busy_changes,
            "least": least_busy,
        },
    )
    return [
        Unchanged(
            device_id=device,
            facility_id=facility,
            occupied=occupied,
            since=since,
            last_heard=heard,
            # itself is among those heard
            zone=None if zone[0] is None else Neighbours(int(zone[0]) - 1, int(zone[1]), int(zone[2])),
            facility=Neighbours(int(whole[0]) - 1, int(whole[1]), int(whole[2])),
        )
        for device, facility, occupied, since, heard, *numbers in rows
        for zone, whole in [(numbers[:3], numbers[3:])]
    ]


async def restless_spaces(
    session: AsyncSession, now: datetime, *, within: timedelta, more_than: int
) -> list[Restless]:
    """Sensors that changed more than so often since `within` before now, with the times of the changes."""
    # Only sensors whose space changed since then: theirs is read by (device_id, observed_at).
    rows = await session.execute(
        text(
            """
            with turns as (
                select o.device_id, w.facility_id, o.observed_at, o.occupied <> lag(o.occupied)
                    over (partition by o.device_id order by o.observed_at, o.id) as turned
                from device_watch w
                    join space_state s on s.space_id = w.space_id and s.changed_at > :since
                    join observation o on o.device_id = w.device_id
                where o.observed_at > :since and o.observed_at <= :now and o.occupied is not null
            )
            select device_id, facility_id, array_agg(observed_at order by observed_at)
            from turns where turned group by device_id, facility_id having count(*) > :more_than
            """
        ),
        {"since": now - within, "now": now, "more_than": more_than},
    )
    return [Restless(device, facility, list(changes)) for device, facility, changes in rows]


async def take_in_batteries(session: AsyncSession, today: date, *, days: int) -> None:
    """Bring `battery_day` up to today: the lowest voltage of each device and day, for so many days back.

    Yesterday is read again each time, for what came late. Later still is left out: one day of a line.
    """
    oldest = today - timedelta(days=days)
    newest: date | None = await session.scalar(text("select max(day) from battery_day"))
    since = oldest if newest is None else max(newest - timedelta(days=1), oldest)
    # Whole day partitions are scanned, two as a rule: every device speaks in each.
    await session.execute(
        text(
            """
            insert into battery_day as b (device_id, day, lowest_v)
            select device_id, cast(observed_at at time zone 'UTC' as date), min(battery_v) from observation
            where observed_at >= cast(:since as timestamp) at time zone 'UTC'
                and observed_at < cast(:until as timestamp) at time zone 'UTC' and battery_v is not null
            group by 1, 2
            on conflict (device_id, day) do update set lowest_v = excluded.lowest_v
                where b.lowest_v <> excluded.lowest_v
            """
        ),
        {"since": since, "until": today + timedelta(days=1)},
    )
    if newest is not None and newest < today:
        await session.execute(text("delete from battery_day where day < :oldest"), {"oldest": oldest})


async def weak_batteries(
    session: AsyncSession, today: date, *, share: float, days: int, least_days: int
) -> list[Battery]:
    """Devices whose battery may be low: under `share` between empty and full, or falling so that it may be
    empty in about `days`. Somewhat more than need be; rules decide. Without volts in the profile: never.
    """
    # battery_day is read whole once (30 rows a device); the days of those few that matter by its key.
    rows = await session.execute(
        text(
            """
            with lines as (
                select device_id, count(*) as days,
                    regr_slope(lowest_v, day - cast(:today as date)) as slope,
                    regr_intercept(lowest_v, day - cast(:today as date)) as now_v
                from battery_day where day > cast(:today as date) - :days group by device_id
            )
            select w.device_id, w.facility_id, s.battery_v, s.battery_at, w.battery_full_v, w.battery_empty_v,
                f.at as reported_low_at,
                array(select array[cast(extract(epoch from day) as float8), lowest_v] from battery_day b
                    where b.device_id = w.device_id and day > cast(:today as date) - :days) as by_day
            from device_watch w
                join device_state s on s.device_id = w.device_id
                left join lines l on l.device_id = w.device_id
                left join battery_flag f on f.device_id = w.device_id and f.low
            where w.battery_full_v > w.battery_empty_v and s.battery_v is not null and (
                s.battery_v < w.battery_empty_v + :share * (w.battery_full_v - w.battery_empty_v) + 1e-6
                or (l.days >= :least and l.slope < 0
                    and l.now_v + l.slope * (:days + 1) <= w.battery_empty_v))
            """
        ),
        {"today": today, "days": days, "share": share, "least": least_days},
    )
    return [
        Battery(
            device_id=row.device_id,
            facility_id=row.facility_id,
            volts=row.battery_v,
            measured_at=row.battery_at,
            full_v=row.battery_full_v,
            empty_v=row.battery_empty_v,
            lowest_by_day={date(1970, 1, 1) + timedelta(seconds=at): v for at, v in row.by_day},
            reported_low_at=row.reported_low_at,
        )
        for row in rows
    ]


async def said_low(session: AsyncSession) -> list[SaidLow]:
    """Devices that say themselves that their battery is low, whatever their voltage is."""
    rows = await session.execute(
        text(
            "select w.device_id, w.facility_id, f.at"
            " from battery_flag f join device_watch w on w.device_id = f.device_id where f.low"
        )
    )
    return [SaidLow(*row) for row in rows]


async def said_of_space(
    session: AsyncSession,
    space_id: UUID,
    devices: Collection[UUID],
    *,
    at: datetime,
    tolerance: timedelta,
    oldest: datetime,
) -> list[SaidOfSpace]:
    """What devices said of a space within `tolerance` of a moment, and the last that each said before."""
    rows = await session.execute(
        text(
            "select observed_at, id, occupied, device_id from observation where device_id = any(:devices)"
            " and space_id = :space and occupied is not null"
            " and observed_at > :start and observed_at <= :finish"
            " union all select o.* from unnest(cast(:devices as uuid[])) as d(id),"
            " lateral (select observed_at, id, occupied, device_id from observation where device_id = d.id"
            "  and space_id = :space and occupied is not null and observed_at between :oldest and :start"
            "  order by observed_at desc, id desc limit 1) o"
        ),
        {
            "devices": list(devices),
            "space": space_id,
            "start": at - tolerance,
            "finish": at + tolerance,
            "oldest": oldest,
        },
    )
    return [SaidOfSpace(*row) for row in rows]

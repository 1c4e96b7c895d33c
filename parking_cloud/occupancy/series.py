"""Occupancy over time: sampled every five minutes, kept for some months, read for profiles and charts.

What is not known at a moment is kept as not known; a gap in the series is a time without a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import alone

GRID = timedelta(minutes=5)
HALF_HOUR_S = 1800

# The decisions are those of occupancy/rules.py; a test holds them together.
_SAMPLE = text(
    """
    insert into facility_series (facility_id, at, free, occupied, capacity)
    select id, :at, case when known then free end, case when known then occupied end, capacity
    from (
        select n.id, n.capacity,
            case when n.counting = 'counter' then n.counted_at else n.spaces_observed_at end >= :fresh
                and case when n.counting = 'counter' then n.counted_free is not null
                    else n.free_spaces + n.occupied_spaces > 0 end as known,
            case when n.counting = 'counter' then least(greatest(n.counted_free, 0), n.capacity)
                else n.free_spaces end as free,
            case when n.counting = 'counter'
                then n.capacity - least(greatest(n.counted_free, 0), n.capacity)
                else n.occupied_spaces end as occupied
        from facility_now n
    ) shown
    on conflict (facility_id, at) do nothing
    """
)
_HALF_HOURS = """
    copy (
        select cast(w.number as int4), cast(h.half_hour as int4), cast(h.share as float4),
            cast(h.within as float4)
        from unnest(string_to_array(%(ids)s, ',')) with ordinality as w(id, number), lateral (
            select floor(extract(epoch from s.at) / 1800) as half_hour,
                avg(s.occupied::float8 / (s.free + s.occupied)) as share,
                stddev_pop(s.occupied::float8 / (s.free + s.occupied)) as within
            from facility_series s
            where s.facility_id = cast(w.id as uuid) and s.at >= %(since)s and s.at < %(until)s
                and s.free + s.occupied > 0 and (s.free + s.occupied) * 2 >= s.capacity
            group by 1
        ) h
    ) to stdout (format binary)
    """
_RECORD = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"),
        ("number", ">i4"),
        ("l2", ">i4"),
        ("half_hour", ">i4"),
        ("l3", ">i4"),
        ("share", ">f4"),
        ("l4", ">i4"),
        ("within", ">f4"),
    ]
)
"""A row of the binary COPY: no column is null, so that each is as long."""
_HEADER, _TRAILER = 19, 2


class Sample(NamedTuple):
    """A facility at a moment; `free` and `occupied` None where that was not known."""

    facility_id: UUID
    at: datetime
    free: int | None
    occupied: int | None
    capacity: int


class HalfHourShares(NamedTuple):
    """Mean occupied shares, an entry per facility and half hour of which at least half was known."""

    facility: NDArray[np.intp]
    """Index into the facilities asked for."""
    half_hour: NDArray[np.int64]
    """Since the epoch."""
    share: NDArray[np.float64]
    within: NDArray[np.float64]
    """Deviation within the half hour."""


def grid_time(now: datetime) -> datetime:
    """The moment of the grid that `now` belongs to."""
    return datetime.fromtimestamp(now.timestamp() // GRID.total_seconds() * GRID.total_seconds(), UTC)


async def sample(session: AsyncSession, now: datetime, *, stale_after: timedelta) -> int:
    """Write how all facilities are, once for each moment of the grid. How many rows were new."""
    at = grid_time(now)
    done = await session.scalar(
        text("select exists (select from facility_series where at = :at)"), {"at": at}
    )
    if done:
        return 0
    await ensure_months(session, [at.date()])
    result: Any = await session.execute(_SAMPLE, {"at": at, "fresh": now - stale_after})
    return int(result.rowcount)


async def ensure_months(session: AsyncSession, days: Iterable[date]) -> None:
    """Make the series' month partitions where missing."""
    months = {f"facility_series_{day:%Y%m}": day.replace(day=1) for day in days}
    rows = await session.scalars(
        text("select relname from pg_class where relname = any(:names)"), {"names": list(months)}
    )
    missing = sorted(months.keys() - set(rows))
    if missing:
        await alone(session, "series partitions")
    for name in missing:
        start = months[name]
        until = (start + timedelta(days=32)).replace(day=1)
        await session.execute(
            text(
                f"create table if not exists {name} partition of facility_series"
                f" for values from ('{start} 00:00+00') to ('{until} 00:00+00')"
            )
        )


async def drop_old(session: AsyncSession, now: datetime, *, days: int) -> None:
    """Drop the months that ended longer than `days` ago."""
    rows = await session.scalars(
        text(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = 'facility_series'::regclass and c.relname ~ '^facility_series_[0-9]{6}$'"
        )
    )
    last = f"facility_series_{now.date() - timedelta(days=days):%Y%m}"
    for name in sorted(rows):
        if name < last:
            await session.execute(text(f"drop table {name}"))


async def record(session: AsyncSession, samples: Sequence[Sample]) -> None:
    """Write a past that is known from elsewhere, by COPY. What is there already must not be among it."""
    await ensure_months(session, {one.at.date() for one in samples})
    cursor = (await _driver(session)).cursor()
    columns = ", ".join(Sample._fields)
    async with cursor, cursor.copy(f"copy facility_series ({columns}) from stdin (format binary)") as copy:
        copy.set_types(["uuid", "timestamptz", "int4", "int4", "int4"])
        for one in samples:
            await copy.write_row(one)


async def has_past(session: AsyncSession, *, before: datetime) -> bool:
    """Whether anything is there from before a moment."""
    found = await session.scalar(
        text("select exists (select from facility_series where at < :before)"), {"before": before}
    )
    return bool(found)


async def series_of(
    session: AsyncSession, facility_ids: Sequence[UUID], since: datetime, until: datetime
) -> dict[UUID, list[Sample]]:
    """What is known of each of these facilities from `since` to before `until`, by time."""
    found: dict[UUID, list[Sample]] = {facility_id: [] for facility_id in facility_ids}
    rows = await session.execute(
        text(
            "select facility_id, at, free, occupied, capacity from facility_series"
            " where facility_id = any(:ids) and at >= :since and at < :until order by at"
        ),
        {"ids": list(facility_ids), "since": since, "until": until},
    )
    for row in rows:
        found[row.facility_id].append(Sample(*row))
    return found


class KnownSums(NamedTuple):
    """Of a facility's samples of a day: of how many anything was known, and of those of how many spaces."""

    facility_id: UUID
    day: date
    """Of the city's calendar."""
    samples: int
    known: int
    spaces: int
    """Capacities, summed over the samples of which anything was known."""
    spaces_known: int


async def known_sums(session: AsyncSession, since: datetime, until: datetime) -> list[KnownSums]:
    """How much was known, by facility and day."""
    rows = await session.execute(
        text(
            "select facility_id, cast(at at time zone 'Asia/Shanghai' as date), count(*), count(free),"
            " coalesce(sum(capacity) filter (where free is not null), 0),"
            " coalesce(sum(least(free + occupied, capacity)) filter (where free is not null), 0)"
            " from facility_series where at >= :since and at < :until group by 1, 2"
        ),
        {"since": since, "until": until},
    )
    return [KnownSums(*row) for row in rows]


async def half_hours(
    session: AsyncSession, facility_ids: Sequence[UUID], since: datetime, until: datetime
) -> HalfHourShares:
    """Mean shares of these facilities by half hour, read in binary: it is a million numbers and more."""
    asked = {"ids": ",".join(map(str, facility_ids)), "since": since, "until": until}
    body = bytearray()
    cursor = (await _driver(session)).cursor()
    async with cursor, cursor.copy(_HALF_HOURS, asked) as copy:
        async for block in copy:
            body += block
    rows = np.frombuffer(body, _RECORD, (len(body) - _HEADER - _TRAILER) // _RECORD.itemsize, _HEADER)
    return HalfHourShares(
        rows["number"].astype(np.intp) - 1,
        rows["half_hour"].astype(np.int64),
        rows["share"].astype(np.float64),
        rows["within"].astype(np.float64),
    )


async def _driver(session: AsyncSession) -> Any:
    """The session's own connection, and so its transaction."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection

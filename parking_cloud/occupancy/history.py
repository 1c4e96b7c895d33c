"""The history: each frame once, however often and through whomever it was heard.

What has the same id within SAME_FRAME of each other is one statement. Its time is the earliest, so that the
rows are the same for every order of arrival; a later copy only moves `repeated_until`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import alone
from sensor_gateway.observation import MOST_AHEAD, SAME_FRAME, Observation, Quality

_LONGEST_REPEAT = timedelta(hours=1)
"""How far back a row is looked for that is still being repeated."""
_seen: WeakKeyDictionary[object, set[date]] = WeakKeyDictionary()
"""By engine, the days that have partitions. One that a session itself has made may yet be rolled back."""

_TYPES = {
    "id": "uuid",
    "observed_at": "timestamptz",
    "device_id": "uuid",
    "facility_id": "uuid",
    "space_id": "uuid",
    "kind": "text",
    "occupied": "bool",
    "free": "int4",
    "frame_counter": "int8",
    "battery_v": "float8",
    "temperature_c": "float8",
    "quality": "text",
    "source": "text",
    "received_at": "timestamptz",
    "repeated_until": "timestamptz",
    "running_count": "int4",
    "entered": "int4",
    '"left"': "int4",
}
_COPY = f"copy observation ({', '.join(_TYPES)}) from stdin (format binary)"


class Heard(NamedTuple):
    """Once that a statement was heard, now or before: from its time to its latest repetition.

    Ordered so that the smallest gives the row, and of equal ones that which is in the history already: its
    `observation` is None.
    """

    observed_at: datetime
    received_at: datetime
    source: str
    quality: str
    until: datetime
    observation: Observation | None = None


class Recorded(msgspec.Struct, frozen=True):
    """What became of a batch in the history."""

    fresh: list[Observation]
    """Rows that are new."""
    moved: list[Observation]
    """Rows whose time became earlier: what follows from them must be worked out anew."""
    repeated: int


async def record(session: AsyncSession, observations: Sequence[Observation]) -> Recorded:
    """Write a batch; the caller commits, and nobody else writes these devices meanwhile."""
    heard: dict[UUID, list[Heard]] = {}
    for o in observations:
        heard.setdefault(o.id, []).append(heard_now(o))
    stored = await _stored(session, heard)
    fresh: list[tuple[Observation, datetime | None]] = []
    moved: list[tuple[Observation, datetime | None]] = []
    gone: list[tuple[UUID, datetime]] = []
    longer: list[tuple[UUID, datetime, datetime]] = []
    for id_, copies in heard.items():
        for group in together(copies + stored.get(id_, [])):
            _judge(id_, group, fresh, moved, gone, longer)
    await _remove(session, gone)
    await _lengthen(session, longer)
    await _copy(session, fresh + moved)
    return Recorded(
        fresh=[o for o, _ in fresh],
        moved=[o for o, _ in moved],
        repeated=len(observations) - len(fresh),
    )


def heard_now(o: Observation) -> Heard:
    """An observation as something heard; one that was dated ahead lasts until the time it gave."""
    return Heard(o.observed_at, o.received_at, o.source, str(o.quality), o.sent_at or o.observed_at, o)


def together(heard: list[Heard]) -> list[list[Heard]]:
    """Parted where more than SAME_FRAME lies between: each part is one statement, its row first."""
    if len(heard) == 1:
        return [heard]
    parts: list[list[Heard]] = []
    until = datetime.min.replace(tzinfo=UTC)
    for one in sorted(heard, key=lambda h: (h[:4], h.observation is not None)):
        if one.observed_at - until > SAME_FRAME if parts else True:
            parts.append([])
            until = one.until
        parts[-1].append(one)
        until = max(until, one.until)
    return parts


def _judge(
    id_: UUID,
    group: list[Heard],
    fresh: list[tuple[Observation, datetime | None]],
    moved: list[tuple[Observation, datetime | None]],
    gone: list[tuple[UUID, datetime]],
    longer: list[tuple[UUID, datetime, datetime]],
) -> None:
    """What one statement's row needs: to be written, to give way, to last longer, or nothing.

    A copy that lies between two rows makes one statement of them; what followed from the later one has to be
    worked out anew, as where a row's time becomes earlier.
    """
    row = group[0]
    until = max(one.until for one in group)
    before = [one for one in group if one.observation is None]
    copy = next((one.observation for one in group if one.observation is not None), None)
    if copy is None:
        return
    if row.observation is None and len(before) == 1:
        if until > row.until:
            longer.append((id_, row.observed_at, until))
        return
    gone += [(id_, one.observed_at) for one in before]
    observation = msgspec.structs.replace(
        copy,
        observed_at=row.observed_at,
        received_at=row.received_at,
        source=row.source,
        quality=Quality(row.quality),
    )
    (moved if before else fresh).append((observation, until if until > row.observed_at else None))


async def _stored(session: AsyncSession, heard: dict[UUID, list[Heard]]) -> dict[UUID, list[Heard]]:
    """What the history has of these ids, near the times at which they were heard."""
    starts = [min(one.observed_at for one in copies) for copies in heard.values()]
    ends = [max(one.until for one in copies) for copies in heard.values()]
    before, after = SAME_FRAME + MOST_AHEAD + _LONGEST_REPEAT, SAME_FRAME
    rows = await session.execute(
        text(
            "select o.id, o.observed_at, o.received_at, o.source, o.quality, o.repeated_until"
            " from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]))"
            " as n(id, first, last) join observation o on o.id = n.id"
            " and o.observed_at between n.first and n.last"
            # the same bounds over all, so that days without any of them are not looked at
            " and o.observed_at between :first and :last"
        ),
        {
            "ids": list(heard),
            "starts": [start - before for start in starts],
            "ends": [end + after for end in ends],
            "first": min(starts) - before,
            "last": max(ends) + after,
        },
    )
    stored: dict[UUID, list[Heard]] = {}
    for row in rows:
        until = row.repeated_until or row.observed_at
        stored.setdefault(row.id, []).append(
            Heard(row.observed_at, row.received_at, row.source, row.quality, until)
        )
    return stored


async def _remove(session: AsyncSession, rows: list[tuple[UUID, datetime]]) -> None:
    if rows:
        await session.execute(
            text(
                "delete from observation o using unnest(cast(:ids as uuid[]), cast(:times as timestamptz[]))"
                " as n(id, at) where o.id = n.id and o.observed_at = n.at"
            ),
            {"ids": [id_ for id_, _ in rows], "times": [at for _, at in rows]},
        )


async def _lengthen(session: AsyncSession, rows: list[tuple[UUID, datetime, datetime]]) -> None:
    if rows:
        await session.execute(
            text(
                "update observation o set repeated_until = n.until from unnest(cast(:ids as uuid[]),"
                " cast(:times as timestamptz[]), cast(:ends as timestamptz[])) as n(id, at, until)"
                " where o.id = n.id and o.observed_at = n.at"
            ),
            {
                "ids": [id_ for id_, _, _ in rows],
                "times": [at for _, at, _ in rows],
                "ends": [until for _, _, until in rows],
            },
        )


async def _copy(session: AsyncSession, rows: list[tuple[Observation, datetime | None]]) -> None:
    """By COPY on the session's own connection and so in its transaction."""
    if not rows:
        return
    raw = await (await session.connection()).get_raw_connection()
    driver: Any = raw.driver_connection
    async with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(list(_TYPES.values()))
        for o, until in rows:
            await copy.write_row(
                (
                    o.id,
                    o.observed_at,
                    o.device_id,
                    o.facility_id,
                    o.space_id,
                    str(o.kind),
                    o.occupied,
                    o.free,
                    o.frame_counter,
                    o.battery_v,
                    o.temperature_c,
                    str(o.quality),
                    o.source,
                    o.received_at,
                    until,
                    o.running_count,
                    o.entered,
                    o.left,
                )
            )


async def ensure_partitions(session: AsyncSession, days: set[date]) -> None:
    """Make the history's day partitions where missing. The lock lasts to the end of the transaction."""
    seen = _seen.setdefault(session.get_bind(), set())
    names = {f"observation_{day:%Y%m%d}": day for day in days - seen}
    if not names:
        return
    rows = await session.execute(
        text("select relname from pg_class where relname = any(:names)"), {"names": list(names)}
    )
    there = set(rows.scalars())
    made: set[date] = session.info.setdefault("partitions made", set())
    seen |= {day for name, day in names.items() if name in there} - made
    missing = sorted(set(names) - there)
    if not missing:
        return
    made |= {names[name] for name in missing}
    await alone(session, "history partitions")
    for name in missing:
        start = datetime.combine(names[name], datetime.min.time(), tzinfo=UTC)
        until = start + timedelta(days=1)
        await session.execute(
            text(
                f"create table if not exists {name} partition of observation"
                f" for values from ('{start.isoformat()}') to ('{until.isoformat()}')"
            )
        )

"""The projector: turns a batch of observations into history and state, in the caller's transaction.

Each observation counts once, whatever is repeated, delayed or reordered: history is keyed by the
observation's own id, and state moves only to what was observed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.occupancy.events import FACILITY_CHANGED
from parking_cloud.registry.service import device_places
from sensor_gateway.observation import MOST_AHEAD, Observation

_COLUMNS = (
    "id, observed_at, device_id, facility_id, space_id, kind, occupied, free, frame_counter,"
    " battery_v, temperature_c, quality, source, received_at"
)
_TYPES = (
    "uuid",
    "timestamptz",
    "uuid",
    "uuid",
    "uuid",
    "text",
    "bool",
    "int4",
    "int8",
    "float8",
    "float8",
    "text",
    "text",
    "timestamptz",
)
_PARTITION_LOCK = 7_305_001
"""Advisory lock: one process at a time makes partitions."""


class Projected(msgspec.Struct, frozen=True):
    """What a batch did."""

    recorded: int
    """Observations that were new."""
    repeated: int
    """Observations already in the history."""
    orphans: list[Observation]
    """Observations whose device is not (or no longer) at that place in the registry; not recorded."""
    facilities: set[UUID]
    """Facilities whose shown numbers or time may have changed."""


def merged(one: Projected, other: Projected) -> Projected:
    """What two batches did together."""
    return Projected(
        recorded=one.recorded + other.recorded,
        repeated=one.repeated + other.repeated,
        orphans=one.orphans + other.orphans,
        facilities=one.facilities | other.facilities,
    )


async def project(session: AsyncSession, observations: Sequence[Observation]) -> Projected:
    """Write a batch: history, device, space and facility state, and an event per facility touched.

    The caller commits. Facilities are locked in order of their id, so that batches running side by side
    see each other's spaces and cannot deadlock.
    """
    unique = {o.id: o for o in observations}
    # Before anything else: making a partition locks the whole history, so nothing of it may be held yet.
    await ensure_partitions(session, {o.observed_at.astimezone(UTC).date() for o in observations})
    known, orphans = await _lock_known(session, list(unique.values()))
    fresh = await _not_yet_recorded(session, known)
    if fresh:
        await _record(session, fresh)
        await _move_devices(session, newest(fresh, lambda o: o.device_id))
        spaces = newest((o for o in fresh if o.occupied is not None and o.space_id), lambda o: o.space_id)
        await _move_spaces(session, spaces)
        await _move_counts(session, newest((o for o in fresh if o.free is not None), lambda o: o.facility_id))
    said_something = {o.facility_id for o in fresh if o.occupied is not None or o.free is not None}
    if said_something:
        await outbox.add_many(session, FACILITY_CHANGED, [(str(f), {}) for f in sorted(said_something)])
    repeated = len(observations) - len(fresh) - len(orphans)
    return Projected(recorded=len(fresh), repeated=repeated, orphans=orphans, facilities=said_something)


def newest(observations: Iterable[Observation], key: Callable[[Observation], object]) -> list[Observation]:
    """The latest observation of each key, by (observed_at, id): the same for every order of arrival."""
    latest: dict[object, Observation] = {}
    for observation in observations:
        name = key(observation)
        held = latest.get(name)
        if held is None or (held.observed_at, held.id) < (observation.observed_at, observation.id):
            latest[name] = observation
    return list(latest.values())


async def _lock_known(
    session: AsyncSession, observations: list[Observation]
) -> tuple[list[Observation], list[Observation]]:
    """Part what the registry does not have; lock the state rows of the rest (made where missing)."""
    places = await device_places(session, {o.device_id for o in observations})
    known: list[Observation] = []
    orphans: list[Observation] = []
    for observation in observations:
        here = places.get(observation.device_id) == (observation.facility_id, observation.space_id)
        (known if here else orphans).append(observation)
    facilities = sorted({o.facility_id for o in known})
    await session.execute(
        text(
            "insert into facility_state (facility_id, occupied_spaces, free_spaces)"
            " select id, 0, 0 from unnest(cast(:ids as uuid[])) as n(id) on conflict do nothing"
        ),
        {"ids": facilities},
    )
    await session.execute(
        text(
            "select facility_id from facility_state where facility_id = any(:ids)"
            " order by facility_id for update"
        ),
        {"ids": facilities},
    )
    return known, orphans


async def _not_yet_recorded(session: AsyncSession, observations: list[Observation]) -> list[Observation]:
    """Those that the history does not have.

    A frame dated ahead of its arrival was held to the arrival, so sent again it may come with a time up
    to MOST_AHEAD later: the look-up goes back that far, by device.
    """
    rows = await session.execute(
        text(
            "select o.id from unnest(cast(:ids as uuid[]), cast(:devices as uuid[]),"
            " cast(:times as timestamptz[])) as n(id, device_id, at)"
            " join observation o on o.device_id = n.device_id and o.id = n.id"
            " and o.observed_at between n.at - cast(:ahead as interval) and n.at"
        ),
        {
            "ids": [o.id for o in observations],
            "devices": [o.device_id for o in observations],
            "times": [o.observed_at for o in observations],
            "ahead": MOST_AHEAD,
        },
    )
    recorded = set(rows.scalars())
    return [o for o in observations if o.id not in recorded]


async def ensure_partitions(session: AsyncSession, days: set[date]) -> None:
    """Make the history's day partitions where missing. The lock lasts to the end of the transaction."""
    names = {f"observation_{day:%Y%m%d}": day for day in days}
    rows = await session.execute(
        text("select relname from pg_class where relname = any(:names)"), {"names": list(names)}
    )
    missing = sorted(set(names) - set(rows.scalars()))
    if not missing:
        return
    await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _PARTITION_LOCK})
    for name in missing:
        start = datetime.combine(names[name], datetime.min.time(), tzinfo=UTC)
        until = start + timedelta(days=1)
        await session.execute(
            text(
                f"create table if not exists {name} partition of observation"
                f" for values from ('{start.isoformat()}') to ('{until.isoformat()}')"
            )
        )


async def _record(session: AsyncSession, observations: list[Observation]) -> None:
    """History, by COPY on the session's own connection and so in its transaction."""
    raw = await (await session.connection()).get_raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    async with (
        driver.cursor() as cursor,
        cursor.copy(f"copy observation ({_COLUMNS}) from stdin (format binary)") as copy,
    ):
        copy.set_types(_TYPES)
        for o in observations:
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
                )
            )


async def _move_devices(session: AsyncSession, latest: list[Observation]) -> None:
    await session.execute(
        text(
            """
            insert into device_state as s
                (device_id, observed_at, observation_id, received_at, frame_counter, battery_v, temperature_c)
            select * from unnest(
                cast(:devices as uuid[]), cast(:times as timestamptz[]), cast(:ids as uuid[]),
                cast(:received as timestamptz[]), cast(:frames as bigint[]), cast(:volts as float8[]),
                cast(:temperatures as float8[]))
            on conflict (device_id) do update set
                observed_at = excluded.observed_at, observation_id = excluded.observation_id,
                received_at = excluded.received_at, frame_counter = excluded.frame_counter,
                battery_v = coalesce(excluded.battery_v, s.battery_v),
                temperature_c = coalesce(excluded.temperature_c, s.temperature_c)
            where (excluded.observed_at, excluded.observation_id) > (s.observed_at, s.observation_id)
            """
        ),
        {
            "devices": [o.device_id for o in latest],
            "times": [o.observed_at for o in latest],
            "ids": [o.id for o in latest],
            "received": [o.received_at for o in latest],
            "frames": [o.frame_counter for o in latest],
            "volts": [o.battery_v for o in latest],
            "temperatures": [o.temperature_c for o in latest],
        },
    )


async def _move_spaces(session: AsyncSession, latest: list[Observation]) -> None:
    """Each space to its newest statement, then the facilities' sums anew from their spaces."""
    if not latest:
        return
    await session.execute(
        text(
            """
            insert into space_state as s (space_id, facility_id, occupied, observed_at, observation_id)
            select * from unnest(cast(:spaces as uuid[]), cast(:facilities as uuid[]),
                cast(:occupied as bool[]), cast(:times as timestamptz[]), cast(:ids as uuid[]))
            on conflict (space_id) do update set
                occupied = excluded.occupied, observed_at = excluded.observed_at,
                observation_id = excluded.observation_id
            where (excluded.observed_at, excluded.observation_id) > (s.observed_at, s.observation_id)
            """
        ),
        {
            "spaces": [o.space_id for o in latest],
            "facilities": [o.facility_id for o in latest],
            "occupied": [o.occupied for o in latest],
            "times": [o.observed_at for o in latest],
            "ids": [o.id for o in latest],
        },
    )
    await session.execute(
        text(
            """
            update facility_state f set occupied_spaces = sums.occupied, free_spaces = sums.free,
                spaces_observed_at = sums.observed_at
            from (select facility_id, count(*) filter (where occupied) as occupied,
                      count(*) filter (where not occupied) as free, max(observed_at) as observed_at
                  from space_state where facility_id = any(:ids) group by facility_id) sums
            where f.facility_id = sums.facility_id
            """
        ),
        {"ids": list({o.facility_id for o in latest})},
    )


async def _move_counts(session: AsyncSession, latest: list[Observation]) -> None:
    if not latest:
        return
    await session.execute(
        text(
            """
            update facility_state f set reported_free = n.free, reported_at = n.at, reported_by = n.id
            from unnest(cast(:facilities as uuid[]), cast(:free as int[]), cast(:times as timestamptz[]),
                cast(:ids as uuid[])) as n(facility_id, free, at, id)
            where f.facility_id = n.facility_id
              and (f.reported_at is null or (n.at, n.id) > (f.reported_at, f.reported_by))
            """
        ),
        {
            "facilities": [o.facility_id for o in latest],
            "free": [o.free for o in latest],
            "times": [o.observed_at for o in latest],
            "ids": [o.id for o in latest],
        },
    )

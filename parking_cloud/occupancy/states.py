"""State from history: what each device, space and facility says now, moved on by what is new.

The tables end the same for every order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.space_states import ensure_facilities, move_spaces
from parking_cloud.registry.service import Place, places_of_devices_at
from sensor_gateway.observation import Kind, Observation

_REPLAYED = 200
"""Rows of a device that are read again to build its state from nothing."""


def newest(observations: Iterable[Observation], key: Callable[[Observation], object]) -> list[Observation]:
    """The latest observation of each key, by (observed_at, id): the same for every order of arrival."""
    latest: dict[object, Observation] = {}
    for observation in observations:
        name = key(observation)
        held = latest.get(name)
        if held is None or (held.observed_at, held.id) < (observation.observed_at, observation.id):
            latest[name] = observation
    return list(latest.values())


async def move(
    session: AsyncSession,
    fresh: Collection[Observation],
    moved: Collection[Observation],
    places: Mapping[UUID, Place],
) -> set[UUID]:
    """Move every state that follows from the new rows; the facilities whose numbers or time changed.

    `moved` are rows whose time became earlier: their states are worked out from the history.
    """
    frames: Collection[Observation] = fresh
    if moved:
        devices = {o.device_id for o in moved}
        await session.execute(
            text("delete from device_state where device_id = any(:ids)"), {"ids": list(devices)}
        )
        frames = [*fresh, *await _newest_rows(session, devices)]
    await _move_devices(session, frames)
    again = {o.space_id for o in moved if o.space_id}
    facilities = await move_spaces(session, fresh, again, places)
    counts = [o for o in fresh if o.free is not None]
    recounted = {o.facility_id for o in moved if o.free is not None}
    await _move_counts(session, counts, recounted)
    return facilities | recounted | {o.facility_id for o in counts}


async def _newest_rows(
    session: AsyncSession, devices: Collection[UUID], *, counts_only: bool = False
) -> list[Observation]:
    """The newest rows of devices, or the newest count of each."""
    which, limit = ("and free is not null", 1) if counts_only else ("", _REPLAYED)
    rows = await session.execute(
        text(
            "select o.* from unnest(cast(:devices as uuid[])) as d(id), lateral (select * from observation"
            f" where device_id = d.id {which} order by observed_at desc, id desc limit :limit) o"
        ),
        {"devices": list(devices), "limit": limit},
    )
    return [
        Observation(
            id=row.id,
            device_id=row.device_id,
            facility_id=row.facility_id,
            kind=Kind(row.kind),
            observed_at=row.observed_at,
            received_at=row.received_at,
            source=row.source,
            free=row.free,
            frame_counter=row.frame_counter,
            battery_v=row.battery_v,
            temperature_c=row.temperature_c,
        )
        for row in rows
    ]


async def _move_devices(session: AsyncSession, fresh: Collection[Observation]) -> None:
    """Each device to its newest frame, and each of its readings to the newest frame that had it."""
    volts = {o.device_id: o for o in newest((o for o in fresh if o.battery_v is not None), _device)}
    degrees = {o.device_id: o for o in newest((o for o in fresh if o.temperature_c is not None), _device)}
    latest = newest(fresh, _device)
    await session.execute(
        text(
            """
            insert into device_state as s
                (device_id, observed_at, observation_id, received_at, frame_counter,
                 battery_v, battery_at, temperature_c, temperature_at)
            select * from unnest(
                cast(:devices as uuid[]), cast(:times as timestamptz[]), cast(:ids as uuid[]),
                cast(:received as timestamptz[]), cast(:frames as bigint[]),
                cast(:volts as float8[]), cast(:volts_at as timestamptz[]),
                cast(:degrees as float8[]), cast(:degrees_at as timestamptz[]))
            on conflict (device_id) do update set
                (observed_at, observation_id, received_at, frame_counter) =
                    (select n.* from (values
                        (s.observed_at, s.observation_id, s.received_at, s.frame_counter),
                        (excluded.observed_at, excluded.observation_id, excluded.received_at,
                         excluded.frame_counter)) n(at, id, received, frame)
                     order by n.at desc, n.id desc limit 1),
                (battery_at, battery_v) =
                    (select n.* from (values (s.battery_at, s.battery_v),
                        (excluded.battery_at, excluded.battery_v)) n(at, v)
                     order by n.at desc nulls last, n.v desc limit 1),
                (temperature_at, temperature_c) =
                    (select n.* from (values (s.temperature_at, s.temperature_c),
                        (excluded.temperature_at, excluded.temperature_c)) n(at, v)
                     order by n.at desc nulls last, n.v desc limit 1)
            """
        ),
        {
            "devices": [o.device_id for o in latest],
            "times": [o.observed_at for o in latest],
            "ids": [o.id for o in latest],
            "received": [o.received_at for o in latest],
            "frames": [o.frame_counter for o in latest],
            "volts": [_of(volts, o, "battery_v") for o in latest],
            "volts_at": [_of(volts, o, "observed_at") for o in latest],
            "degrees": [_of(degrees, o, "temperature_c") for o in latest],
            "degrees_at": [_of(degrees, o, "observed_at") for o in latest],
        },
    )


def _device(o: Observation) -> UUID:
    return o.device_id


def _of(readings: dict[UUID, Observation], o: Observation, field: str) -> Any:
    reading = readings.get(o.device_id)
    return None if reading is None else getattr(reading, field)


async def _move_counts(session: AsyncSession, counts: Collection[Observation], again: set[UUID]) -> None:
    """Each facility to the newest count reported for it; those in `again` from their counters' history."""
    if again:
        await ensure_facilities(session, sorted({o.facility_id for o in counts} | again))
        await session.execute(
            text(
                "update facility_state set reported_free = null, reported_at = null, reported_by = null"
                " where facility_id = any(:ids)"
            ),
            {"ids": list(again)},
        )
        counters = [d for d, p in (await places_of_devices_at(session, again)).items() if p.space_id is None]
        counts = [*counts, *await _newest_rows(session, counters, counts_only=True)]
    latest = newest(counts, lambda o: o.facility_id)
    if not latest:
        return
    await ensure_facilities(session, sorted(o.facility_id for o in latest))
    await session.execute(
        text(
            """
            update facility_state f set reported_free = n.free, reported_at = n.at, reported_by = n.id,
                counted_free = n.free, counted_at = n.at
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

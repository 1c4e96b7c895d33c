"""State from history: what each device, space and facility says now, moved on by what is new.

The tables end the same for every order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.space_states import ensure_facilities, lock_spaces, move_spaces, write_spaces
from parking_cloud.registry.service import Place, places_of_devices_at
from sensor_gateway.observation import Kind, Observation


def newest(
    observations: Iterable[Observation], key: Callable[[Observation], UUID], tie: str = "id"
) -> dict[UUID, Observation]:
    """The latest observation of each key, by (observed_at, `tie`): the same for every order of arrival."""
    latest: dict[UUID, Observation] = {}
    for o in observations:
        held = latest.get(key(o))
        if held is None or (held.observed_at, getattr(held, tie)) < (o.observed_at, getattr(o, tie)):
            latest[key(o)] = o
    return latest


async def move(
    session: AsyncSession,
    fresh: Collection[Observation],
    moved: Collection[Observation],
    places: Mapping[UUID, Place],
) -> set[UUID]:
    """Move every state that follows from the new rows; the facilities whose numbers or time changed.

    `moved` are rows whose time became earlier: their states are worked out from the history.
    """
    await _take_devices_back(session, moved)
    await _move_devices(session, fresh)
    counts = [o for o in fresh if o.free is not None]
    moved_counts = [o for o in moved if o.free is not None]
    views = await lock_spaces(session, fresh, {o.space_id for o in moved if o.space_id})
    # All at once and in order, whichever part of the batch they belong to: so no two batches can block each
    # other, nor a batch and a job that moves many facilities.
    touched = {facility for facility, _ in views.values()}
    touched |= {o.facility_id for o in [*counts, *moved_counts]}
    await ensure_facilities(session, touched)
    spaces = await move_spaces(session, views, fresh, moved, places)
    facilities = await write_spaces(session, views, spaces)
    await _move_counts(session, [*counts, *await _take_counts_back(session, moved_counts)])
    return facilities | {o.facility_id for o in [*counts, *moved_counts]}


async def _rows_since(session: AsyncSession, since: Mapping[UUID, datetime]) -> list[Observation]:
    """What the history has of devices, each from a time of its own on."""
    rows = await session.execute(
        text(
            "select o.* from unnest(cast(:devices as uuid[]), cast(:times as timestamptz[])) as d(id, at)"
            " join observation o on o.device_id = d.id and o.observed_at >= d.at"
            " and o.observed_at >= :first"  # the same bound over all: days before it are not looked at
        ),
        {"devices": list(since), "times": list(since.values()), "first": min(since.values())},
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


def _earliest(moved: Iterable[Observation], key: Callable[[Observation], UUID]) -> dict[UUID, datetime]:
    earliest: dict[UUID, datetime] = {}
    for o in moved:
        earliest[key(o)] = min(earliest.get(key(o), o.observed_at), o.observed_at)
    return earliest


async def _take_devices_back(session: AsyncSession, moved: Collection[Observation]) -> None:
    """Where a device's newest row has become an earlier one: its state from the rows since then.

    The moved row is among them, so whatever the state had of it is found there; what else it has stays.
    """
    if not moved:
        return
    rows = await _rows_since(session, _earliest(moved, _device))
    latest, volts, degrees = _latest(rows)
    await session.execute(
        text(
            """
            update device_state s set observed_at = n.at, observation_id = n.id, received_at = n.received,
                frame_counter = n.frame,
                battery_v = case when n.v_at is null then s.battery_v else n.v end,
                battery_at = coalesce(n.v_at, s.battery_at),
                temperature_c = case when n.c_at is null then s.temperature_c else n.c end,
                temperature_at = coalesce(n.c_at, s.temperature_at)
            from unnest(cast(:devices as uuid[]), cast(:times as timestamptz[]), cast(:ids as uuid[]),
                cast(:received as timestamptz[]), cast(:frames as bigint[]),
                cast(:volts as float8[]), cast(:volts_at as timestamptz[]),
                cast(:degrees as float8[]), cast(:degrees_at as timestamptz[]))
                as n(device_id, at, id, received, frame, v, v_at, c, c_at)
            where s.device_id = n.device_id
            """
        ),
        _columns(latest, volts, degrees),
    )


async def _move_devices(session: AsyncSession, fresh: Collection[Observation]) -> None:
    """Each device to its newest frame, and each of its readings to the newest frame that had it."""
    latest, volts, degrees = _latest(fresh)
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
        _columns(latest, volts, degrees),
    )


Newest = dict[UUID, Observation]


def _latest(observations: Collection[Observation]) -> tuple[Newest, Newest, Newest]:
    """By device: the newest row, the newest with a voltage and the newest with a temperature."""
    return (
        newest(observations, _device),
        newest((o for o in observations if o.battery_v is not None), _device, "battery_v"),
        newest((o for o in observations if o.temperature_c is not None), _device, "temperature_c"),
    )


def _columns(latest: Newest, volts: Newest, degrees: Newest) -> dict[str, list[Any]]:
    devices = list(latest)
    return {
        "devices": devices,
        "times": [latest[d].observed_at for d in devices],
        "ids": [latest[d].id for d in devices],
        "received": [latest[d].received_at for d in devices],
        "frames": [latest[d].frame_counter for d in devices],
        "volts": [volts[d].battery_v if d in volts else None for d in devices],
        "volts_at": [volts[d].observed_at if d in volts else None for d in devices],
        "degrees": [degrees[d].temperature_c if d in degrees else None for d in devices],
        "degrees_at": [degrees[d].observed_at if d in degrees else None for d in devices],
    }


def _device(o: Observation) -> UUID:
    return o.device_id


async def _take_counts_back(session: AsyncSession, moved: Collection[Observation]) -> Collection[Observation]:
    """Where a facility's newest count has become an earlier one: forget it; the counts to judge again."""
    if not moved:
        return []
    earliest = _earliest(moved, lambda o: o.facility_id)
    await session.execute(
        text(
            "update facility_state set reported_free = null, reported_at = null, reported_by = null"
            " where facility_id = any(:ids)"
        ),
        {"ids": list(earliest)},
    )
    counters = {
        device: earliest[place.facility_id]
        for device, place in (await places_of_devices_at(session, earliest)).items()
        if place.space_id is None
    }
    return [o for o in await _rows_since(session, counters) if o.free is not None]


async def _move_counts(session: AsyncSession, counts: Collection[Observation]) -> None:
    """Each facility to the newest count reported for it."""
    latest = list(newest(counts, lambda o: o.facility_id).values())
    if not latest:
        return
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

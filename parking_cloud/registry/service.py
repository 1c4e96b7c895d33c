"""What the registry knows: which device is where, and how people call places, spaces and operators."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.models import (
    Device,
    Facility,
    Operator,
    Space,
)
from parking_cloud.registry.schemas import DeviceOut

HOLD_OFF = timedelta(seconds=20)


class Place(NamedTuple):
    """Where a device is, and how long its space is held off (by its profile; HOLD_OFF where it has none)."""

    facility_id: UUID
    space_id: UUID | None
    hold_off: timedelta


async def device_places(session: AsyncSession, device_ids: Collection[UUID]) -> dict[UUID, Place]:
    """The places of those devices that exist."""
    return await _places("d.id = any(:ids)", session, device_ids)


async def places_of_devices_at(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, Place]:
    """The places of all devices of some facilities."""
    return await _places("d.facility_id = any(:ids)", session, facility_ids)


async def _places(which: str, session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Place]:
    rows = await session.execute(
        text(
            "select d.id, d.facility_id, d.space_id, p.hold_off_s from device d"
            " left join device_profile p on (p.vendor, p.model, p.firmware_line)"
            f" = (d.vendor, d.model, d.firmware_line) where {which}"
        ),
        {"ids": list(ids)},
    )
    return {
        device: Place(facility, space, HOLD_OFF if hold_off is None else timedelta(seconds=hold_off))
        for device, facility, space, hold_off in rows
    }


async def counter_directions(
    session: AsyncSession, facility_ids: Collection[UUID]
) -> dict[UUID, list[tuple[UUID, str | None]]]:
    """The counters of each facility, each with the direction of its lane (`entry`, `exit`, None: both)."""
    rows = await session.execute(
        text(
            "select facility_id, id, direction from device"
            " where facility_id = any(:ids) and space_id is null order by id"
        ),
        {"ids": list(facility_ids)},
    )
    counters: dict[UUID, list[tuple[UUID, str | None]]] = {}
    for row in rows:
        counters.setdefault(row.facility_id, []).append((row.id, row.direction))
    return counters


async def counters_of(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The counters of these facilities, each with its facility."""
    rows = await session.execute(
        text("select id, facility_id from device where facility_id = any(:ids) and space_id is null"),
        {"ids": list(facility_ids)},
    )
    return {row.id: row.facility_id for row in rows}


async def capacities(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, int]:
    """The capacity of each of these facilities."""
    rows = await session.execute(
        text("select id, capacity from facility where id = any(:ids)"), {"ids": list(facility_ids)}
    )
    return {row.id: row.capacity for row in rows}


class Watcher(NamedTuple):
    """A device that watches a space, with what its profile says (or the defaults)."""

    device_id: UUID
    hold_off: timedelta
    keep_alive: timedelta


class SpacePlace(NamedTuple):
    """Where a space is, whose it is, and what watches it."""

    facility_id: UUID
    operator_id: UUID
    watchers: list[Watcher]


async def space_place(session: AsyncSession, space_id: UUID) -> SpacePlace | None:
    """A space and the devices that watch it; None where there is no such space."""
    rows = (
        await session.execute(
            text(
                "select s.facility_id, f.operator_id, d.id, p.hold_off_s, w.keep_alive from space s"
                " join facility f on f.id = s.facility_id left join device d on d.space_id = s.id"
                " left join device_profile p on (p.vendor, p.model, p.firmware_line)"
                " = (d.vendor, d.model, d.firmware_line) left join device_watch w on w.device_id = d.id"
                " where s.id = :id"
            ),
            {"id": space_id},
        )
    ).all()
    if not rows:
        return None
    watchers = [
        Watcher(device, HOLD_OFF if hold_off is None else timedelta(seconds=hold_off), keep_alive)
        for _, _, device, hold_off, keep_alive in rows
        if device is not None
    ]
    return SpacePlace(rows[0].facility_id, rows[0].operator_id, watchers)


class DeviceName(NamedTuple):
    """What people call a device, and whose facility it is at."""

    external_id: str
    facility_id: UUID
    facility_code: str
    operator_id: UUID
    space_number: str | None


async def device_names(session: AsyncSession, device_ids: Collection[UUID]) -> dict[UUID, DeviceName]:
    """The names of those devices that exist."""
    rows = await session.execute(
        text(
            "select d.id, d.external_id, f.id, f.code, f.operator_id, s.number from device d"
            " join facility f on f.id = d.facility_id left join space s on s.id = d.space_id"
            " where d.id = any(:ids)"
        ),
        {"ids": list(device_ids)},
    )
    return {device: DeviceName(*name) for device, *name in rows}


async def facility_names(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of those facilities that exist."""
    rows = await session.execute(select(Facility.id, Facility.name).where(Facility.id.in_(facility_ids)))
    return {row.id: row.name for row in rows}


class FacilityLabel(NamedTuple):
    """What people call a facility, and who runs it."""

    id: UUID
    code: str
    name: str
    name_en: str
    operator_id: UUID


async def facility_labels(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, FacilityLabel]:
    """The labels of those facilities that exist."""
    columns = (Facility.id, Facility.code, Facility.name, Facility.name_en, Facility.operator_id)
    rows = await session.execute(select(*columns).where(Facility.id.in_(facility_ids)))
    return {row.id: FacilityLabel(*row) for row in rows}


async def facility_label(session: AsyncSession, id_or_code: str) -> FacilityLabel | None:
    """A facility by id or code; None where there is none."""
    try:
        named = Facility.id == UUID(id_or_code)
    except ValueError:
        named = Facility.code == id_or_code
    row = await session.execute(
        select(Facility.id, Facility.code, Facility.name, Facility.name_en, Facility.operator_id).where(named)
    )
    found = row.one_or_none()
    return None if found is None else FacilityLabel(*found)


class OperatorName(NamedTuple):
    """What people call an operator."""

    code: str
    name: str


async def operator_names(session: AsyncSession, operator_ids: Collection[UUID]) -> dict[UUID, OperatorName]:
    """The names of those operators that exist."""
    query = select(Operator.id, Operator.code, Operator.name).where(Operator.id.in_(operator_ids))
    return {id_: OperatorName(code, name) for id_, code, name in await session.execute(query)}


async def all_operators(session: AsyncSession) -> dict[UUID, OperatorName]:
    """Every operator, by code."""
    query = select(Operator.id, Operator.code, Operator.name).order_by(Operator.code)
    return {id_: OperatorName(code, name) for id_, code, name in await session.execute(query)}


async def space_numbers(session: AsyncSession, space_ids: Collection[UUID]) -> dict[UUID, str]:
    """The numbers of those spaces that exist."""
    rows = await session.execute(select(Space.id, Space.number).where(Space.id.in_(space_ids)))
    return {row.id: row.number for row in rows}


async def space_by_number(session: AsyncSession, facility_id: UUID, number: str) -> UUID | None:
    """The space that has this number at a facility."""
    query = select(Space.id).where(Space.facility_id == facility_id, Space.number == number)
    found: UUID | None = await session.scalar(query)
    return found


class NearSpace(NamedTuple):
    """A space near a place."""

    space_id: UUID
    facility_id: UUID
    distance_m: float


async def spaces_near(
    session: AsyncSession, places: Sequence[tuple[UUID, float, float]], metres: float
) -> dict[UUID, list[NearSpace]]:
    """The spaces near each place (its key, latitude, longitude), nearest first."""
    rows = await session.execute(
        text(
            "select n.key, s.id, s.facility_id, st_distance(s.position, n.point) from (select p.key,"
            " cast(st_point(p.lon, p.lat) as geography) as point from unnest(cast(:keys as uuid[]),"
            " cast(:lats as float8[]), cast(:lons as float8[])) as p(key, lat, lon)) n"
            " join space s on st_dwithin(s.position, n.point, :metres) order by 4, 2"
        ),
        {
            "keys": [key for key, _, _ in places],
            "lats": [lat for _, lat, _ in places],
            "lons": [lon for _, _, lon in places],
            "metres": metres,
        },
    )
    found: dict[UUID, list[NearSpace]] = {}
    for key, *space in rows:
        found.setdefault(key, []).append(NearSpace(*space))
    return found


async def all_facilities(session: AsyncSession) -> list[UUID]:
    """The ids of all facilities."""
    return list(await session.scalars(select(Facility.id)))


async def facilities_of(session: AsyncSession, operator_id: UUID) -> list[UUID]:
    """The facilities that an operator runs."""
    rows = await session.scalars(select(Facility.id).where(Facility.operator_id == operator_id))
    return list(rows)


async def list_devices(
    session: AsyncSession, *, facility_id: UUID | None, after: str, limit: int
) -> list[DeviceOut]:
    """Devices by external id, those after `after`; of one facility where it is given."""
    query = (
        select(Device, Facility.code, Space.number)
        .join(Facility, Facility.id == Device.facility_id)
        .outerjoin(Space, Space.id == Device.space_id)
        .where(Device.external_id > after)
        .order_by(Device.external_id)
        .limit(limit)
    )
    if facility_id is not None:
        query = query.where(Device.facility_id == facility_id)
    return [
        DeviceOut(
            id=device.id,
            external_id=device.external_id,
            vendor=device.vendor,
            model=device.model,
            firmware_line=device.firmware_line,
            source=device.source,
            dev_eui=device.dev_eui,
            facility_id=device.facility_id,
            facility_code=facility_code,
            space_id=device.space_id,
            space_number=space_number,
            created_at=device.created_at,
        )
        for device, facility_code, space_number in await session.execute(query)
    ]


async def facilities_in_districts(session: AsyncSession, districts: Collection[str]) -> dict[str, list[UUID]]:
    """The facilities of each of these districts."""
    rows = await session.execute(
        select(Facility.district, Facility.id).where(Facility.district.in_(districts)).order_by(Facility.id)
    )
    found: dict[str, list[UUID]] = {}
    for district, facility in rows:
        found.setdefault(district, []).append(facility)
    return found


class LimitedEntry(NamedTuple):
    """A facility that not everybody may enter at any time."""

    id: UUID
    kind: str
    opening_hours: str


async def limited_entries(
    session: AsyncSession, facility_ids: Collection[UUID], kinds: Collection[str]
) -> list[LimitedEntry]:
    """Those of these facilities that have opening hours, or are of these kinds."""
    rows = await session.execute(
        text(
            "select id, kind, opening_hours from facility"
            " where id = any(:ids) and (opening_hours <> '' or kind = any(:kinds))"
        ),
        {"ids": list(facility_ids), "kinds": list(kinds)},
    )
    return [LimitedEntry(*row) for row in rows]


async def facilities_by_code(session: AsyncSession, codes: Collection[str]) -> dict[str, UUID]:
    """The facilities of those codes that exist."""
    rows = await session.execute(select(Facility.code, Facility.id).where(Facility.code.in_(codes)))
    return {row.code: row.id for row in rows}


async def all_districts(session: AsyncSession) -> list[str]:
    """The districts that have a facility, by name."""
    query = select(Facility.district).where(Facility.district != "").distinct().order_by(Facility.district)
    return list(await session.scalars(query))

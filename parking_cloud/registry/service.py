"""The registry's verbs: import what exists, say which device is where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.registry.events import DEVICES_CHANGED
from parking_cloud.registry.models import (
    Device,
    DeviceProfile,
    Facility,
    Institution,
    Operator,
    Space,
    Zone,
)
from parking_cloud.registry.problems import ImportRefused
from parking_cloud.registry.schemas import DeviceOut, RegistryBatch

_OUTBOX_CHUNK = 500
HOLD_OFF = timedelta(seconds=20)


async def import_batch(session: AsyncSession, batch: RegistryBatch) -> None:
    """Add or update everything in the batch, by its codes; all of it or nothing.

    References may point to rows of the batch or to rows already there. Raises ImportRefused with one
    error for each row whose reference leads nowhere. What is not in the batch is left as it is.
    """
    if batch == RegistryBatch():
        return
    await _upsert(session, Operator, ["code"], [{"code": o.code, "name": o.name} for o in batch.operators])
    await _upsert(
        session,
        Institution,
        ["code"],
        [{"code": i.code, "name": i.name, "kind": i.kind} for i in batch.institutions],
    )
    await _import_facilities(session, batch)
    placed = [z.facility_code for z in batch.zones] + [s.facility_code for s in batch.spaces]
    placed += [d.facility_code for d in batch.devices]
    facilities = await _ids_by_code(session, Facility, placed)
    await _import_spaces(session, batch, facilities)
    await _import_devices(session, batch, facilities)
    await _import_profiles(session, batch)


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


async def _import_facilities(session: AsyncSession, batch: RegistryBatch) -> None:
    operators = await _ids_by_code(session, Operator, {f.operator_code for f in batch.facilities})
    institutions = await _ids_by_code(
        session, Institution, {f.institution_code for f in batch.facilities if f.institution_code}
    )
    _refuse_missing("facilities", "operator_code", [f.operator_code for f in batch.facilities], operators)
    _refuse_missing(
        "facilities", "institution_code", [f.institution_code for f in batch.facilities], institutions
    )
    await _upsert(
        session,
        Facility,
        ["code"],
        [
            {
                "code": f.code,
                "name": f.name,
                "name_en": f.name_en,
                "kind": f.kind,
                "counting": f.counting,
                "district": f.district,
                "address": f.address,
                "capacity": f.capacity,
                "position": _point(f.lat, f.lon),
                "operator_id": operators[f.operator_code],
                "institution_id": institutions[f.institution_code] if f.institution_code else None,
                "synthetic": f.synthetic,
            }
            for f in batch.facilities
        ],
    )


async def _import_spaces(session: AsyncSession, batch: RegistryBatch, facilities: dict[str, UUID]) -> None:
    _refuse_missing("zones", "facility_code", [z.facility_code for z in batch.zones], facilities)
    _refuse_missing("spaces", "facility_code", [s.facility_code for s in batch.spaces], facilities)
    await _upsert(
        session,
        Zone,
        ["facility_id", "code"],
        [{"facility_id": facilities[z.facility_code], "code": z.code, "name": z.name} for z in batch.zones],
    )
    touched = {facilities[s.facility_code] for s in batch.spaces}
    zones = {
        (row.facility_id, row.code): row.id
        for row in await session.execute(
            select(Zone.facility_id, Zone.code, Zone.id).where(Zone.facility_id.in_(touched))
        )
    }
    _refuse_missing(
        "spaces",
        "zone_code",
        [(facilities[s.facility_code], s.zone_code) if s.zone_code else None for s in batch.spaces],
        zones,
    )
    await _upsert(
        session,
        Space,
        ["facility_id", "number"],
        [
            {
                "facility_id": facilities[s.facility_code],
                "number": s.number,
                "zone_id": zones[facilities[s.facility_code], s.zone_code] if s.zone_code else None,
                "kind": s.kind,
                "shared": s.shared,
                "position": _point(s.lat, s.lon),
            }
            for s in batch.spaces
        ],
    )
    shared = (
        select(func.count())
        .where(Space.facility_id == Facility.id, Space.shared)
        .scalar_subquery()
        .correlate(Facility)
    )
    await session.execute(update(Facility).where(Facility.id.in_(touched)).values(shared_spaces=shared))


async def _import_devices(session: AsyncSession, batch: RegistryBatch, facilities: dict[str, UUID]) -> None:
    _refuse_missing("devices", "facility_code", [d.facility_code for d in batch.devices], facilities)
    here = {facilities[d.facility_code] for d in batch.devices}
    spaces = {
        (row.facility_id, row.number): row.id
        for row in await session.execute(
            select(Space.facility_id, Space.number, Space.id).where(Space.facility_id.in_(here))
        )
    }
    _refuse_missing(
        "devices",
        "space_number",
        [(facilities[d.facility_code], d.space_number) if d.space_number else None for d in batch.devices],
        spaces,
    )
    await _upsert(
        session,
        Device,
        ["external_id"],
        [
            {
                "external_id": d.external_id,
                "vendor": d.vendor,
                "model": d.model,
                "firmware_line": d.firmware_line,
                "source": d.source,
                "dev_eui": d.dev_eui,
                "direction": d.direction,
                "facility_id": facilities[d.facility_code],
                "space_id": spaces[facilities[d.facility_code], d.space_number] if d.space_number else None,
            }
            for d in batch.devices
        ],
    )
    # Facilities are told too: a counter's entry carries its facility's capacity.
    changed = await _devices_to_announce(session, batch)
    chunks = [changed[i : i + _OUTBOX_CHUNK] for i in range(0, len(changed), _OUTBOX_CHUNK)]
    await outbox.add_many(session, DEVICES_CHANGED, [("import", {"ids": chunk}) for chunk in chunks])


async def _import_profiles(session: AsyncSession, batch: RegistryBatch) -> None:
    errors = [
        {"part": "profiles", "row": index + 1, "field": "battery_full_v", "reason": reason, "value": p.model}
        for index, p in enumerate(batch.profiles)
        if (reason := _battery_error(p.battery_full_v, p.battery_empty_v))
    ]
    if errors:
        raise ImportRefused(errors=errors)
    rows = [msgspec.structs.asdict(profile) for profile in batch.profiles]
    await _upsert(session, DeviceProfile, ["vendor", "model", "firmware_line"], rows)


def _battery_error(full_v: float | None, empty_v: float | None) -> str:
    if (full_v is None) != (empty_v is None):
        return "give both battery_full_v and battery_empty_v, or neither"
    if full_v is not None and empty_v is not None and not full_v > empty_v:
        return "must be above battery_empty_v"
    return ""


async def _devices_to_announce(session: AsyncSession, batch: RegistryBatch) -> list[str]:
    codes = [f.code for f in batch.facilities]
    named = select(Device.id).where(Device.external_id.in_([d.external_id for d in batch.devices]))
    counters = (
        select(Device.id)
        .join(Facility, Facility.id == Device.facility_id)
        .where(Facility.code.in_(codes), Device.space_id.is_(None))
    )
    return [str(i) for i in (await session.scalars(named.union(counters))).all()]


async def _upsert(
    session: AsyncSession, table: type[Base], key: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows, or update those whose key is there already."""
    if not rows:
        return
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    await session.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=changed),
        [{"id": new_id(), **row} if "id" in table.__table__.c else row for row in rows],
    )


async def _ids_by_code(
    session: AsyncSession, table: type[Operator | Institution | Facility], codes: Iterable[str]
) -> dict[str, UUID]:
    rows = await session.execute(select(table.code, table.id).where(table.code.in_(set(codes))))
    return {row.code: row.id for row in rows}


def _refuse_missing(part: str, field: str, wanted: Sequence[Any], there: Collection[Any]) -> None:
    """Raise ImportRefused naming every row whose reference is not among those that exist."""
    errors = [
        {"part": part, "row": index + 1, "field": field, "reason": "unknown", "value": _shown(value)}
        for index, value in enumerate(wanted)
        if value is not None and value not in there
    ]
    if errors:
        raise ImportRefused(errors=errors)


def _shown(value: Any) -> str:
    return str(value[1] if isinstance(value, tuple) else value)


def _point(lat: float | None, lon: float | None) -> str | None:
    return None if lat is None or lon is None else f"SRID=4326;POINT({lon!r} {lat!r})"

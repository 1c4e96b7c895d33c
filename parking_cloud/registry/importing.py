"""Import what exists: operators, institutions, facilities, zones, spaces, devices and their profiles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, ScalarSelect, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

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
from parking_cloud.registry.schemas import RegistryBatch

_OUTBOX_CHUNK = 500


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
                "height_limit_cm": f.height_limit_cm,
                "opening_hours": f.opening_hours,
                "entrance": _point(f.entrance_lat, f.entrance_lon),
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
    counts = {
        "shared_spaces": _number_of(Space.shared),
        "accessible_spaces": _number_of(Space.kind == "accessible"),
        "charging_spaces": _number_of(Space.kind == "charging"),
        "large_spaces": _number_of(Space.kind == "large"),
    }
    await session.execute(update(Facility).where(Facility.id.in_(touched)).values(counts))


def _number_of(which: ColumnElement[bool] | InstrumentedAttribute[bool]) -> ScalarSelect[int]:
    """How many such spaces a facility has."""
    counted = select(func.count()).where(Space.facility_id == Facility.id, which)
    return counted.scalar_subquery().correlate(Facility)


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

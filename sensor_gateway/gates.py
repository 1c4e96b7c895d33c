"""Gate events, corrections and sightings: a row as sent + who sent it → a record, or a refusal. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.pipeline import Refused, check_position, judge_time
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.records import Correction, Direction, GateEvent, PlateColor, SealedPlate, Sighting
from sensor_gateway.sealing import PlateVault

RecordId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Short = Annotated[str, msgspec.Meta(max_length=64)]
Reference = Annotated[str, msgspec.Meta(max_length=500)]
PlateText = Annotated[str, msgspec.Meta(max_length=32)]
PlateHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Confidence = Annotated[float, msgspec.Meta(ge=0, le=1)]


class GateRow(msgspec.Struct, frozen=True):
    """A vehicle passed a gate. `device_id`: the barrier or camera; `plate`: left out where none was read."""

    record_id: RecordId
    device_id: Short
    direction: Direction
    occurred_at: datetime
    lane: Short = ""
    plate: PlateText | None = None
    plate_color: PlateColor | None = None
    confidence: Confidence | None = None
    picture: Reference = ""
    confirmed: bool = False


class CorrectionRow(msgspec.Struct, frozen=True):
    """What was wrong with record `corrects` of the same source. `void`: it never happened."""

    record_id: RecordId
    corrects: RecordId
    stated_at: datetime
    void: bool = False
    direction: Direction | None = None
    occurred_at: datetime | None = None
    plate: PlateText | None = None
    plate_color: PlateColor | None = None
    reason: Reference = ""


class SightingRow(msgspec.Struct, frozen=True):
    """A vehicle was seen somewhere, with its plate or the plate's keyed hash (64 hex digits)."""

    record_id: RecordId
    seen_by: Literal["patrol", "camera", "drone", "person"]
    seen_at: datetime
    lat: float
    lon: float
    crs: Literal["wgs84", "gcj02", "bd09"] = "wgs84"
    plate: PlateText | None = None
    plate_hash: PlateHash | None = None
    plate_color: PlateColor | None = None
    confidence: Confidence | None = None
    picture: Reference = ""
    device_id: Short = ""


def gate_event(
    row: GateRow, device: DeviceEntry, source: SourceEntry, received_at: datetime, vault: PlateVault | None
) -> GateEvent:
    """A row of `/v1/gate-events` as a record. Raises Refused."""
    occurred_at, _ = judge_time(row.occurred_at, received_at, "occurred_at")
    return GateEvent(
        source=source.source,
        record_id=row.record_id,
        device_id=device.device_id,
        facility_id=device.facility_id,
        direction=row.direction,
        occurred_at=occurred_at,
        received_at=received_at,
        lane=row.lane,
        plate=_sealed(row.plate, vault),
        plate_color=row.plate_color,
        confidence=row.confidence,
        picture=row.picture,
        confirmed=row.confirmed,
    )


def correction(
    row: CorrectionRow, source: SourceEntry, received_at: datetime, vault: PlateVault | None
) -> Correction:
    """A row of `/v1/corrections` as a record. Raises Refused."""
    parts = (row.direction, row.occurred_at, row.plate, row.plate_color)
    if row.void == any(part is not None for part in parts):
        raise Refused("invalid-input", "either `void`, or at least one part that was different", "void")
    if row.corrects == row.record_id:
        raise Refused("invalid-input", "a correction has a record id of its own", "record_id")
    stated_at, _ = judge_time(row.stated_at, received_at, "stated_at")
    occurred_at = row.occurred_at and judge_time(row.occurred_at, received_at, "occurred_at")[0]
    return Correction(
        source=source.source,
        record_id=row.record_id,
        corrects=row.corrects,
        stated_at=stated_at,
        received_at=received_at,
        void=row.void,
        direction=row.direction,
        occurred_at=occurred_at,
        plate=_sealed(row.plate, vault),
        plate_color=row.plate_color,
        reason=row.reason,
    )


def sighting(
    row: SightingRow,
    device: DeviceEntry | None,
    source: SourceEntry,
    received_at: datetime,
    vault: PlateVault | None,
) -> Sighting:
    """A row of `/v1/sightings` as a record. Raises Refused."""
    if (row.plate is None) == (row.plate_hash is None):
        raise Refused("invalid-input", "give either `plate` or `plate_hash`", "plate")
    check_position(row.lat, row.lon)
    seen_at, _ = judge_time(row.seen_at, received_at, "seen_at")
    plate = _sealed(row.plate, vault)
    return Sighting(
        source=source.source,
        record_id=row.record_id,
        seen_by=row.seen_by,
        seen_at=seen_at.astimezone(UTC),
        received_at=received_at,
        lat=row.lat,
        lon=row.lon,
        crs=row.crs,
        plate_hash=plate.hash if plate else bytes.fromhex(row.plate_hash or ""),
        plate_sealed=plate.sealed if plate else None,
        plate_color=row.plate_color,
        confidence=row.confidence,
        picture=row.picture,
        device_id=device.device_id if device else None,
    )


def _sealed(text: str | None, vault: PlateVault | None) -> SealedPlate | None:
    if text is None:
        return None
    if vault is None:
        raise Refused("plates-not-accepted", "this intake has no plate key, so it takes no plates", "plate")
    try:
        plate = parse_plate(text)
    except NoPlate as error:
        raise Refused("invalid-input", f"{error}; leave `plate` out where none was read", "plate") from error
    return SealedPlate(vault.seal(plate), vault.lookup_hash(plate))

"""Gate events, corrections and sightings: a row as sent + who sent it → a record, or a refusal. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.pipeline import Refused, check_position, judge_time
from sensor_gateway.plates import NoPlate, Plate, parse_plate
from sensor_gateway.records import (
    Correction,
    Corrects,
    Direction,
    GateEvent,
    PlateColor,
    SealedPlate,
    Sighting,
)
from sensor_gateway.sealing import PlateVault

# No control characters: PostgreSQL keeps no NUL, and none of them is ever meant.
_CLEAN = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
RecordId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=_CLEAN)]
Short = Annotated[str, msgspec.Meta(max_length=64, pattern=_CLEAN)]
Reference = Annotated[str, msgspec.Meta(max_length=500, pattern=_CLEAN)]
PlateText = Annotated[str, msgspec.Meta(max_length=32, pattern=_CLEAN)]
PlateHash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Confidence = Annotated[float, msgspec.Meta(ge=0, le=1)]

OLDEST_CORRECTED = timedelta(days=3653)
"""A correction may say that something occurred so long ago: an exit that was missed comes to light when the
bill does, after weeks or months, and a dispute takes years."""
SCOPES = {Corrects.GATE_EVENT: "gate-events", Corrects.SIGHTING: "sightings"}
"""Who may send records of a kind may correct them."""


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
    """What was wrong with record `corrects` of the same source. `void`: it never happened.

    `of`: what that record is. When a sighting was (`seen_at`) is corrected by `occurred_at`, too.
    """

    record_id: RecordId
    corrects: RecordId
    stated_at: datetime
    void: bool = False
    direction: Direction | None = None
    occurred_at: datetime | None = None
    plate: PlateText | None = None
    plate_color: PlateColor | None = None
    reason: Reference = ""
    of: Corrects = Corrects.GATE_EVENT


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
        plate=_sealed_if_read(row.plate, vault),
        plate_color=row.plate_color,
        confidence=row.confidence,
        picture=row.picture,
        confirmed=row.confirmed,
        sent_at=_own_time(row.occurred_at, occurred_at),
    )


def correction(
    row: CorrectionRow, source: SourceEntry, received_at: datetime, vault: PlateVault | None
) -> Correction:
    """A row of `/v1/corrections` as a record. Raises Refused."""
    if SCOPES[row.of] not in source.scopes:
        raise Refused("not-allowed", f"this key may not correct a {row.of}", "of")
    if row.of is Corrects.SIGHTING and row.direction is not None:
        raise Refused("invalid-input", "a sighting has no direction", "direction")
    if row.corrects == row.record_id:
        raise Refused("invalid-input", "a correction has a record id of its own", "record_id")
    plate = _sealed_if_read(row.plate, vault)
    parts = (row.direction, row.occurred_at, plate, row.plate_color)
    if row.void == any(part is not None for part in parts):
        raise Refused("invalid-input", "either `void`, or at least one part that was different", "void")
    stated_at, _ = judge_time(row.stated_at, received_at, "stated_at")
    return Correction(
        source=source.source,
        record_id=row.record_id,
        corrects=row.corrects,
        stated_at=stated_at,
        received_at=received_at,
        void=row.void,
        direction=row.direction,
        occurred_at=row.occurred_at and _corrected_time(row.occurred_at, received_at),
        plate=plate,
        plate_color=row.plate_color,
        reason=row.reason,
        sent_at=_own_time(row.stated_at, stated_at),
        of=row.of,
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
        seen_at=seen_at,
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
        sent_at=_own_time(row.seen_at, seen_at),
    )


def _own_time(said: datetime, kept: datetime) -> datetime | None:
    """The sender's own time where another is kept; None where it is the same."""
    return None if said == kept else said.astimezone(UTC)


def _corrected_time(occurred_at: datetime, received_at: datetime) -> datetime:
    """When something occurred, as a correction has it. Raises Refused for a time that cannot be."""
    if occurred_at.tzinfo is not None and received_at - occurred_at > OLDEST_CORRECTED:
        years = OLDEST_CORRECTED.days // 365
        raise Refused(
            "absurd-time", f"{occurred_at.isoformat()} is more than {years} years ago", "occurred_at"
        )
    if occurred_at.tzinfo is None or occurred_at > received_at:
        judge_time(occurred_at, received_at, "occurred_at")
    return occurred_at.astimezone(UTC)


def _sealed_if_read(text: str | None, vault: PlateVault | None) -> SealedPlate | None:
    """A plate of a gate, sealed; where nothing is left to read, none was read."""
    try:
        return _seal(parse_plate(text), vault) if text is not None else None
    except NoPlate:
        return None


def _sealed(text: str | None, vault: PlateVault | None) -> SealedPlate | None:
    """A plate that has to be one, sealed. Raises Refused."""
    try:
        return _seal(parse_plate(text), vault) if text is not None else None
    except NoPlate as error:
        raise Refused("invalid-input", f"{error}: a sighting is of a plate", "plate") from error


def _seal(plate: Plate, vault: PlateVault | None) -> SealedPlate:
    if vault is None:
        raise Refused("plates-not-accepted", "this intake has no plate key, so it takes no plates", "plate")
    return SealedPlate(vault.seal(plate), vault.lookup_hash(plate))

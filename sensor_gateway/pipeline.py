"""The pipeline: what arrived + who the device is → an Observation, or a refusal with its reason. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from sensor_gateway.codecs import DecodeError, UnknownModel, codec_for
from sensor_gateway.directory import DeviceEntry
from sensor_gateway.networks import Uplink
from sensor_gateway.observation import (
    MOST_AHEAD,
    OLDEST,
    Kind,
    Observation,
    Quality,
    frame_id,
    statement_id,
)

Reason = Literal[
    "malformed-message",
    "unknown-device",
    "undecodable-payload",
    "absurd-time",
    "invalid-input",
    "not-allowed",
    "coordinates-outside-the-world",
    "plates-not-accepted",
]
MOST_FREE = 1_000_000
"""A count beyond this, either way, is no count."""


class Refused(Exception):
    """Why something could not become an Observation."""

    def __init__(self, reason: Reason, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
        self.field = field


class Statement(msgspec.Struct, frozen=True):
    """A row of the plain form. One of: a space is `occupied` or not; a facility has `free` spaces (a full
    count, or a `heartbeat` that carries one); so many vehicles `entered` and `left` since the row before."""

    device_id: str
    observed_at: datetime
    occupied: bool | None = None
    free: int | None = None
    entered: int | None = None
    left: int | None = None
    heartbeat: bool = False
    lat: float | None = None
    lon: float | None = None


def observe_uplink(uplink: Uplink, device: DeviceEntry, source: str, received_at: datetime) -> Observation:
    """A radio frame of a known device. Raises Refused."""
    try:
        codec = codec_for(device.vendor, device.model, device.firmware_line)
        reading = codec.decode(uplink.f_port, uplink.data)
    except (DecodeError, UnknownModel) as error:
        raise Refused("undecodable-payload", f"{device.vendor} {device.model}: {error}") from error
    observed_at, quality = judge_time(uplink.time, received_at)
    return Observation(
        id=frame_id(device.device_id, uplink.dev_addr, uplink.f_cnt, uplink.f_port, uplink.data),
        device_id=device.device_id,
        facility_id=device.facility_id,
        space_id=device.space_id,
        kind=reading.kind,
        observed_at=observed_at,
        received_at=received_at,
        source=source,
        occupied=reading.occupied if device.space_id else None,
        frame_counter=uplink.f_cnt,
        battery_v=reading.battery_v,
        temperature_c=reading.temperature_c,
        quality=quality,
        sent_at=None if quality is Quality.GOOD else uplink.time.astimezone(UTC),
        running_count=reading.running_count,
        battery_low=reading.battery_low,
    )


def observe_statement(row: Statement, device: DeviceEntry, source: str, received_at: datetime) -> Observation:
    """A row of the plain form, of a known device. Raises Refused.

    Where a count out of range is dated ahead as well, its quality is FUTURE: that it is out of range can be
    seen from the count itself. `sent_at` is kept whenever the sender's time is ahead.
    """
    _check_statement(row, device)
    observed_at, quality = judge_time(row.observed_at, received_at)
    in_range = row.free is None or 0 <= row.free <= (device.capacity or MOST_FREE)
    if quality is Quality.GOOD and not in_range:
        quality = Quality.OUT_OF_RANGE
    return Observation(
        id=statement_id(device.device_id, row.observed_at, _content(row)),
        device_id=device.device_id,
        facility_id=device.facility_id,
        space_id=device.space_id,
        kind=_kind(row),
        observed_at=observed_at,
        received_at=received_at,
        source=source,
        occupied=row.occupied,
        free=row.free,
        quality=quality,
        sent_at=row.observed_at.astimezone(UTC) if row.observed_at > received_at else None,
        entered=row.entered,
        left=row.left,
    )


def _content(row: Statement) -> bytes:
    return _said(row) + (b",heartbeat" if row.heartbeat else b"")


def _said(row: Statement) -> bytes:
    if row.occupied is not None:
        return b"occupied=%d" % row.occupied
    if row.free is not None:
        return b"free=%d" % row.free
    return b"entered=%d,left=%d" % (row.entered or 0, row.left or 0)


def _kind(row: Statement) -> Kind:
    if row.heartbeat:
        return Kind.HEARTBEAT
    return Kind.STATUS if row.occupied is not None else Kind.COUNT


def _check_statement(row: Statement, device: DeviceEntry) -> None:
    forms = [row.occupied is not None, row.free is not None, row.entered is not None or row.left is not None]
    if sum(forms) != 1:
        raise Refused(
            "invalid-input", "give one of `occupied`, `free`, or `entered` with `left`", "occupied, free"
        )
    if device.space_id is None and row.occupied is not None:
        raise Refused("invalid-input", "this device counts a facility: give `free`", "occupied")
    if device.space_id is not None and row.occupied is None:
        raise Refused("invalid-input", "this device watches one space: give `occupied`", "free")
    if row.free is not None and abs(row.free) > MOST_FREE:
        raise Refused("invalid-input", f"`free` is beyond ±{MOST_FREE}", "free")
    for field, passed in (("entered", row.entered), ("left", row.left)):
        if passed is not None and not 0 <= passed <= MOST_FREE:
            raise Refused("invalid-input", f"`{field}` is not within 0..{MOST_FREE}", field)
    check_position(row.lat, row.lon)


def check_position(lat: float | None, lon: float | None) -> None:
    """Raise Refused for a position that is not on Earth."""
    for field, value, limit in (("lat", lat, 90), ("lon", lon, 180)):
        if value is not None and not -limit <= value <= limit:
            raise Refused("coordinates-outside-the-world", f"`{field}` is beyond ±{limit}", field)


def judge_time(
    observed_at: datetime, received_at: datetime, field: str = "observed_at"
) -> tuple[datetime, Quality]:
    """The time to keep, and its quality. Raises Refused for a time that cannot be.

    What is dated ahead of its arrival, within MOST_AHEAD, is held to the arrival, less a microsecond for each
    second that it lies below MOST_AHEAD: so what arrived together keeps the order in which it was said.
    """
    if observed_at.tzinfo is None:
        raise Refused("invalid-input", "the time has no zone; write it like 2026-03-01T08:00:00+08:00", field)
    if received_at - observed_at > OLDEST:
        raise Refused("absurd-time", f"{observed_at.isoformat()} is more than {OLDEST.days} days ago", field)
    if observed_at - received_at > MOST_AHEAD:
        raise Refused("absurd-time", f"{observed_at.isoformat()} is in the future", field)
    if observed_at > received_at:
        below = MOST_AHEAD - (observed_at - received_at)
        return received_at - below / 1_000_000, Quality.FUTURE
    return observed_at.astimezone(UTC), Quality.GOOD

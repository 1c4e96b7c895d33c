"""Nwave parking sensors NPS310 and NPS405.

Source of the layouts: the public LoRaWAN device repository, vendor/nwave (Apache-2.0), read as facts. An
older published decoder of the NPS405 has "occupied" in bit 7; the published example fits bit 0, which is
the line decoded here.
"""

from __future__ import annotations

from typing import Any

from sensor_gateway.codecs.base import Codec, DecodeError, Reading, clamp, need, signed, unknown_port
from sensor_gateway.observation import Kind

_RESET_310 = {1: "watchdog", 2: "power_on", 3: "system_request", 4: "other"}
_RESET_405 = {
    0: "rejoin",
    1: "watchdog",
    2: "power_on",
    3: "user_request",
    6: "brown_out",
    7: "other",
}

_STARTUP_FIELDS = (
    ("3", "b0-b2", "firmware a.b.c"),
    ("3", "b3", "reset cause"),
    ("3", "b4 bit 0", "occupied (start-up)"),
)
NPS310_FIELDS = (
    ("1", "b0 bit 0", "occupied (status)"),
    ("2", "b0 bit 0", "occupied (heartbeat)"),
    *_STARTUP_FIELDS,
)
NPS405_FIELDS = (
    ("1", "b0 bit 0", "occupied (status)"),
    ("1", "b0 >> 1", "length of the previous state, packed, minutes"),
    ("2", "b0 bit 0", "occupied (heartbeat)"),
    ("2", "b0 & 0x7F", "health"),
    ("2", "b1", "battery, mV = 2500 + 4·b1"),
    ("2", "b2", "temperature, °C = signed / 2 + 10"),
    *_STARTUP_FIELDS,
    ("10", "b0", "tag registration: as in status where bit 0 is set, else occupancy unknown"),
    ("10", "b1-b4", "tag id"),
)


def previous_state_minutes(packed: int) -> int:
    """The shortest length, in minutes, that a packed length (0..127) stands for; 127 is 660 or more."""
    if packed < 90:
        return packed
    if packed < 120:
        return 90 + 5 * (packed - 90)
    if packed < 127:
        return 240 + 60 * (packed - 120)
    return 660


def _decode_startup(data: bytes, causes: dict[int, str]) -> Reading:
    need(data, 5, 5)
    if data[3] not in causes:
        raise DecodeError(f"reset cause {data[3]} is not known")
    version = ".".join(str(part) for part in data[:3])
    extra: dict[str, Any] = {"firmware_version": version, "reset_cause": causes[data[3]]}
    return Reading(Kind.STARTUP, bool(data[4] & 1), extra=extra)


def _decode_nps310(fport: int, data: bytes) -> Reading:
    if fport in (1, 2):
        need(data, 1)
        return Reading(Kind.STATUS if fport == 1 else Kind.HEARTBEAT, bool(data[0] & 1))
    if fport == 3:
        return _decode_startup(data, _RESET_310)
    raise unknown_port(fport, "1 to 3")


def _decode_nps405(fport: int, data: bytes) -> Reading:
    if fport == 1:
        need(data, 1, 1)
        previous = {"previous_state_min": previous_state_minutes(data[0] >> 1)}
        return Reading(Kind.STATUS, bool(data[0] & 1), extra=previous)
    if fport == 2:
        need(data, 3)
        return Reading(
            Kind.HEARTBEAT,
            bool(data[0] & 1),
            battery_v=(2500 + 4 * data[1]) / 1000,
            temperature_c=signed(data[2]) / 2 + 10,
            extra={"health": data[0] & 0x7F},
        )
    if fport == 3:
        return _decode_startup(data, _RESET_405)
    if fport == 10:
        return _decode_tag(data)
    raise unknown_port(fport, "1, 2, 3, 10")


def _decode_tag(data: bytes) -> Reading:
    need(data, 5)
    extra: dict[str, Any] = {"tag_id": data[1:5].hex()}
    if not data[0] & 1:
        return Reading(Kind.STATUS, None, extra=extra)
    extra["previous_state_min"] = previous_state_minutes(data[0] >> 1)
    return Reading(Kind.STATUS, True, extra=extra)


def _encode_status(occupied: bool) -> tuple[int, bytes]:
    return 1, bytes([occupied])


def _encode_nps310_heartbeat(occupied: bool, _battery_v: float, _temperature_c: float) -> tuple[int, bytes]:
    return 2, bytes([occupied])


def _encode_nps405_heartbeat(occupied: bool, battery_v: float, temperature_c: float) -> tuple[int, bytes]:
    battery = clamp((battery_v * 1000 - 2500) / 4, 0, 255)
    temperature = clamp((temperature_c - 10) * 2, -128, 127) & 0xFF
    return 2, bytes([occupied, battery, temperature])


CODECS = (
    Codec("nwave", "nps310", NPS310_FIELDS, _decode_nps310, _encode_status, _encode_nps310_heartbeat),
    Codec("nwave", "nps405", NPS405_FIELDS, _decode_nps405, _encode_status, _encode_nps405_heartbeat),
)

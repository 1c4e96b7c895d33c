"""Bosch TPS110 parking lot sensor.

Source of the layout: the public LoRaWAN device repository, vendor/bosch (Apache-2.0), read as facts.
"""

from __future__ import annotations

from typing import Any

from sensor_gateway.codecs.base import Codec, Reading, cause, clamp, need, signed, unknown_port, version
from sensor_gateway.observation import Kind

_RESET_CAUSES = {1: "watchdog", 2: "power on", 3: "system request", 4: "other"}

TPS110_FIELDS = (
    ("1", "b0 bit 0", "occupied (status)"),
    ("2", "b0 bit 0", "occupied (heartbeat)"),
    ("2", "b1", "temperature, signed, °C; may be absent"),
    ("3", "b0-b11", "three debug codes, little-endian, 12 bits each in 4 bytes"),
    ("3", "b12-b14", "firmware a.b.c"),
    ("3", "b15", "reset cause"),
    ("3", "b16 bit 0", "occupied (start-up)"),
    ("4, 5, 6", "all", "device information, usage, debug: no occupancy"),
)
_OTHER_PORTS = {4: "device information", 5: "usage", 6: "debug"}


def _decode(fport: int, data: bytes) -> Reading:
    if fport == 1:
        need(data, 1, 1)
        return Reading(Kind.STATUS, bool(data[0] & 1))
    if fport == 2:
        need(data, 1, 2)
        temperature = float(signed(data[1])) if len(data) > 1 else None
        return Reading(Kind.HEARTBEAT, bool(data[0] & 1), temperature_c=temperature)
    if fport == 3:
        return _decode_startup(data)
    if fport in _OTHER_PORTS:
        need(data, 1)
        return Reading(Kind.STATUS, extra={"message": _OTHER_PORTS[fport], "raw": data.hex()})
    raise unknown_port(fport, "1 to 6")


def _decode_startup(data: bytes) -> Reading:
    need(data, 17, 17)
    codes = [int.from_bytes(data[start : start + 4], "little") & 0xFFF for start in (0, 4, 8)]
    extra: dict[str, Any] = {
        "debug_codes": [code for code in codes if code],
        "firmware_version": version(data[12:15]),
        "reset_cause": cause(data[15], _RESET_CAUSES),
    }
    return Reading(Kind.STARTUP, bool(data[16] & 1), extra=extra)


def _encode_status(occupied: bool) -> tuple[int, bytes]:
    return 1, bytes([occupied])


def _encode_heartbeat(occupied: bool, _battery_v: float, temperature_c: float) -> tuple[int, bytes]:
    return 2, bytes([occupied, clamp(temperature_c, -128, 127) & 0xFF])


CODECS = (Codec("bosch", "tps110", TPS110_FIELDS, _decode, _encode_status, _encode_heartbeat),)

"""Tekzitel TEKZIPARK, a radar and magnetic parking sensor.

Source of the layout: the public LoRaWAN device repository, vendor/tekzitel (Apache-2.0), read as facts.
The vendor publishes no example frames, and no units for deflection, baseline, obstruction and reflection.
"""

from __future__ import annotations

from typing import Any

from sensor_gateway.codecs.base import Codec, DecodeError, Reading, clamp, need, signed, unknown_port
from sensor_gateway.observation import Kind

_OCCUPIED = 0x80
_GOOD_BATTERY = 0x20
_OBSTRUCTION = 0x10
_RADAR = 0x08
_NO_BEACON = 0x04
_RESET = 0x02
_KEEP_ALIVE = 0x01

_DIAGNOSTICS_LENGTH = 12

TEKZIPARK_FIELDS = (
    ("1, 2", "b0 bit 7", "occupied"),
    ("1, 2", "b0 bit 5", "battery good (its voltage is not reported)"),
    ("1, 2", "b0 bit 4", "obstruction"),
    ("1, 2", "b0 bit 3", "radar"),
    ("1, 2", "b0 bit 2", "no beacon"),
    ("1, 2", "b0 bit 1", "reset: a start-up"),
    ("1, 2", "b0 bit 0", "keep-alive: a heartbeat, whatever bit 1 says"),
    ("1, 2", "b1", "temperature, signed, °C"),
    ("1, 2", "b2", "parking id"),
    ("1", "b3", "beacon RSSI, signed, dBm; may be absent"),
    ("1", "b4-", "beacons, two bytes each, big-endian"),
    ("2", "b3-b5", "deflection x, y, z, signed"),
    ("2", "b6-b8", "baseline x, y, z, signed"),
    ("2", "b9", "fault code"),
    ("2", "b10", "obstruction, as measured"),
    ("2", "b11", "reflection, as measured"),
)


def _decode(fport: int, data: bytes) -> Reading:
    if fport == 1:
        need(data, 3)
        more = _beacons(data[3:])
    elif fport == 2:
        need(data, _DIAGNOSTICS_LENGTH, _DIAGNOSTICS_LENGTH)
        more = _diagnostics(data)
    else:
        raise unknown_port(fport, "1, 2")
    flags = data[0]
    return Reading(
        _kind(flags),
        bool(flags & _OCCUPIED),
        temperature_c=float(signed(data[1])),
        extra={**_flags(flags), "parking_id": data[2], **more},
        battery_low=not flags & _GOOD_BATTERY,
    )


def _kind(flags: int) -> Kind:
    if flags & _KEEP_ALIVE:
        return Kind.HEARTBEAT
    return Kind.STARTUP if flags & _RESET else Kind.STATUS


def _flags(flags: int) -> dict[str, Any]:
    return {
        "battery_good": bool(flags & _GOOD_BATTERY),
        "obstruction": bool(flags & _OBSTRUCTION),
        "radar": bool(flags & _RADAR),
        "no_beacon": bool(flags & _NO_BEACON),
        "reset": bool(flags & _RESET),
        "keep_alive": bool(flags & _KEEP_ALIVE),
    }


def _beacons(data: bytes) -> dict[str, Any]:
    """What follows the parking id: nothing, or the RSSI of the beacons and the beacons."""
    if not data:
        return {}
    beacons = data[1:]
    if len(beacons) % 2:
        raise DecodeError(f"beacons have two bytes each; {len(beacons)} bytes are left for them")
    pairs = [int.from_bytes(beacons[start : start + 2], "big") for start in range(0, len(beacons), 2)]
    return {"beacon_rssi_dbm": signed(data[0]), "beacons": pairs}


def _diagnostics(data: bytes) -> dict[str, Any]:
    return {
        "deflection": [signed(byte) for byte in data[3:6]],
        "baseline": [signed(byte) for byte in data[6:9]],
        "fault_code": data[9],
        "obstruction_measured": data[10],
        "reflection_measured": data[11],
    }


def _frame(flags: int, occupied: bool, temperature_c: float) -> tuple[int, bytes]:
    flags |= _GOOD_BATTERY | _RADAR | (_OCCUPIED if occupied else 0)
    return 1, bytes([flags, clamp(temperature_c, -128, 127) & 0xFF, 1])


def _encode_status(occupied: bool) -> tuple[int, bytes]:
    return _frame(0, occupied, 20.0)


def _encode_heartbeat(occupied: bool, _battery_v: float, temperature_c: float) -> tuple[int, bytes]:
    return _frame(_KEEP_ALIVE, occupied, temperature_c)


CODECS = (Codec("tekzitel", "tekzipark", TEKZIPARK_FIELDS, _decode, _encode_status, _encode_heartbeat),)

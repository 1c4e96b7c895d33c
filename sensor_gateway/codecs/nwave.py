"""Nwave parking sensors NPS310 and NPS405, and the car counter NCC405.

Source of the layouts: the public LoRaWAN device repository, vendor/nwave (Apache-2.0), read as facts.

The NPS405 has two published lines. The vendor's own examples fit "occupied" in bit 0, with the length of
the previous state in the seven bits above: that is the line without a name. An older published decoder
reads "occupied" from bit 7 and the length from the seven bits below. The same byte is good in both and
means different things, so the device's profile has to say which: firmware line "bit7" is the older.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sensor_gateway.codecs.base import Codec, Reading, cause, clamp, need, signed, unknown_port, version
from sensor_gateway.observation import Kind

_RESET_310 = {1: "watchdog", 2: "power_on", 3: "user_request", 4: "brown_out", 5: "other"}
_RESET_405 = {0: "rejoin", 1: "watchdog", 2: "power_on", 3: "user_request", 6: "brown_out", 7: "other"}

_STARTUP_FIELDS = (
    ("3", "b0-b2", "firmware a.b.c"),
    ("3", "b3", "reset cause"),
    ("3", "b4 bit 0", "occupied (start-up)"),
)
_DEBUG_FIELDS = (("6", "all", "debug: no occupancy"),)
_HEARTBEAT_405_FIELDS = (
    ("2", "b0 & 0x7F", "health"),
    ("2", "b1", "battery, mV = 2500 + 4·b1"),
    ("2", "b2", "temperature, °C = signed / 2 + 10"),
)
NPS310_FIELDS = (
    ("1", "b0 bit 0", "occupied (status)"),
    ("2", "b0 bit 0", "occupied (heartbeat)"),
    *_STARTUP_FIELDS,
    *_DEBUG_FIELDS,
)
NPS405_FIELDS = (
    ("1", "b0 bit 0", "occupied (status)"),
    ("1", "b0 >> 1", "length of the previous state, packed, minutes"),
    ("2", "b0 bit 0", "occupied (heartbeat)"),
    *_HEARTBEAT_405_FIELDS,
    *_STARTUP_FIELDS,
    *_DEBUG_FIELDS,
    ("10", "b0", "tag registration: as in status where bit 0 is set, else occupancy unknown"),
    ("10", "b1", "of six bytes: the tag's battery, V × 10"),
    ("10", "last four", "tag id"),
)
NPS405_BIT7_FIELDS = (
    ("1", "b0 bit 7", "occupied (status)"),
    ("1", "b0 & 0x7F", "length of the previous state, packed, minutes"),
    ("2", "b0 bit 7", "occupied (heartbeat)"),
    *_HEARTBEAT_405_FIELDS,
    *_STARTUP_FIELDS,
    *_DEBUG_FIELDS,
    ("10", "b0", "tag registration: as in status where bit 7 is set, else occupancy unknown"),
    ("10", "b1-b4", "tag id"),
)
NCC405_FIELDS = (
    ("1", "b0-b1", "running count of passages, big-endian, wraps at 65,536"),
    ("2", "b0 >> 3", "health"),
    ("2", "b1", "battery, mV = 2500 + 4·b1"),
    ("2", "b2", "battery, mean of 24 h, as b1"),
    ("3", "b0-b2", "firmware a.b.c"),
    ("3", "b3", "reset cause"),
    *_DEBUG_FIELDS,
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


def _volts(byte: int) -> float:
    return (2500 + 4 * byte) / 1000


def _startup(data: bytes, causes: dict[int, str]) -> dict[str, Any]:
    """Firmware and reset cause, from the first four bytes of a start-up."""
    return {"firmware_version": version(data[:3]), "reset_cause": cause(data[3], causes)}


def _debug(data: bytes) -> Reading:
    return Reading(Kind.STATUS, extra={"message": "debug", "raw": data.hex()})


def _decode_nps310(fport: int, data: bytes) -> Reading:
    if fport in (1, 2):
        need(data, 1)
        return Reading(Kind.STATUS if fport == 1 else Kind.HEARTBEAT, bool(data[0] & 1))
    if fport == 3:
        need(data, 5, 5)
        return Reading(Kind.STARTUP, bool(data[4] & 1), extra=_startup(data, _RESET_310))
    if fport == 6:
        return _debug(data)
    raise unknown_port(fport, "1, 2, 3, 6")


def _bit0(byte: int) -> tuple[bool, int]:
    """(occupied, packed length of the previous state) as the newest NPS405 has them in one byte."""
    return bool(byte & 1), byte >> 1


def _bit7(byte: int) -> tuple[bool, int]:
    """The same as the older NPS405 has them."""
    return bool(byte >> 7), byte & 0x7F


def _decode_nps405(split: Callable[[int], tuple[bool, int]], fport: int, data: bytes) -> Reading:
    if fport == 1:
        need(data, 1, 1)
        occupied, packed = split(data[0])
        return Reading(Kind.STATUS, occupied, extra={"previous_state_min": previous_state_minutes(packed)})
    if fport == 2:
        need(data, 3)
        return Reading(
            Kind.HEARTBEAT,
            split(data[0])[0],
            battery_v=_volts(data[1]),
            temperature_c=signed(data[2]) / 2 + 10,
            extra={"health": data[0] & 0x7F},
        )
    if fport == 3:
        need(data, 5, 5)
        return Reading(Kind.STARTUP, bool(data[4] & 1), extra=_startup(data, _RESET_405))
    if fport == 6:
        return _debug(data)
    if fport == 10:
        need(data, 5, 6 if split is _bit0 else 5)
        return _tag(*split(data[0]), data)
    raise unknown_port(fport, "1, 2, 3, 6, 10")


def _tag(occupied: bool, packed: int, data: bytes) -> Reading:
    """A driver's tag seen by the sensor; in six bytes the tag's own battery comes before its id."""
    extra: dict[str, Any] = {"tag_id": data[-4:].hex()}
    if len(data) == 6:
        extra["tag_battery_v"] = data[1] / 10
    if not occupied:
        return Reading(Kind.STATUS, None, extra=extra)
    extra["previous_state_min"] = previous_state_minutes(packed)
    return Reading(Kind.STATUS, True, extra=extra)


def _decode_ncc405(fport: int, data: bytes) -> Reading:
    if fport == 1:
        need(data, 2, 2)
        return Reading(Kind.COUNT, running_count=int.from_bytes(data, "big"))
    if fport == 2:
        need(data, 3)
        extra = {"health": data[0] >> 3, "battery_mean_24h_v": _volts(data[2])}
        return Reading(Kind.HEARTBEAT, battery_v=_volts(data[1]), extra=extra)
    if fport == 3:
        need(data, 4, 4)
        return Reading(Kind.STARTUP, extra=_startup(data, _RESET_405))
    if fport == 6:
        return _debug(data)
    raise unknown_port(fport, "1, 2, 3, 6")


def _encode_status(occupied: bool) -> tuple[int, bytes]:
    return 1, bytes([occupied])


def _encode_status_bit7(occupied: bool) -> tuple[int, bytes]:
    return 1, bytes([occupied << 7])


def _encode_nps310_heartbeat(occupied: bool, _battery_v: float, _temperature_c: float) -> tuple[int, bytes]:
    return 2, bytes([occupied])


def _encode_nps405_heartbeat(
    occupied_bit: int, occupied: bool, battery_v: float, temperature_c: float
) -> tuple[int, bytes]:
    battery = clamp((battery_v * 1000 - 2500) / 4, 0, 255)
    temperature = clamp((temperature_c - 10) * 2, -128, 127) & 0xFF
    return 2, bytes([occupied << occupied_bit, battery, temperature])


CODECS = (
    Codec("nwave", "nps310", NPS310_FIELDS, _decode_nps310, _encode_status, _encode_nps310_heartbeat),
    Codec(
        "nwave",
        "nps405",
        NPS405_FIELDS,
        partial(_decode_nps405, _bit0),
        _encode_status,
        partial(_encode_nps405_heartbeat, 0),
    ),
    Codec(
        "nwave",
        "nps405",
        NPS405_BIT7_FIELDS,
        partial(_decode_nps405, _bit7),
        _encode_status_bit7,
        partial(_encode_nps405_heartbeat, 7),
        firmware_line="bit7",
    ),
    Codec("nwave", "ncc405", NCC405_FIELDS, _decode_ncc405),
)

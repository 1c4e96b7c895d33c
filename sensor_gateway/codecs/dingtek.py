"""Dingtek DO201, an ultrasonic and magnetic parking sensor.

Source of the layout: the public LoRaWAN device repository, vendor/dingtek (Apache-2.0), read as facts.
"""

from __future__ import annotations

import struct
from typing import Any

from sensor_gateway.codecs.base import Codec, DecodeError, Reading, clamp, need, signed, unknown_port
from sensor_gateway.observation import Kind

_TELEMETRY_LENGTH = 23
_PARAMETER_LENGTH = 16
_PARAMETER_FRAME = 3

DO201_FIELDS = (
    ("3", "b0, last", "0x80 opens a frame, 0x81 ends it"),
    ("3", "b3", "3: a parameter frame, no occupancy"),
    ("3", "b5-b6", "level, mm"),
    ("3", "b7 high, low", "parked alarm (occupied), level alarm"),
    ("3", "b8 high, low", "magnet alarm, battery alarm"),
    ("3", "b9-b10", "volts × 100"),
    ("3", "b11-b16", "magnet x, y, z, signed"),
    ("3", "b17", "temperature, signed, °C"),
    ("3", "b18", "humidity, %"),
    ("3", "b19-b20", "frame counter"),
)


def _decode(fport: int, data: bytes) -> Reading:
    if fport != 3:
        raise unknown_port(fport, "3")
    need(data, 5)
    if data[0] != 0x80 or data[-1] != 0x81:
        raise DecodeError("the frame does not open with 0x80 and end with 0x81")
    if data[3] == _PARAMETER_FRAME:
        return _decode_parameters(data)
    need(data, _TELEMETRY_LENGTH, _TELEMETRY_LENGTH)
    level, alarms_1, alarms_2, volts, x, y, z = struct.unpack_from(">HBBHhhh", data, 5)
    extra: dict[str, Any] = {
        "level_mm": level,
        "level_alarm": bool(alarms_1 & 0x0F),
        "magnet_alarm": bool(alarms_2 >> 4),
        "battery_alarm": bool(alarms_2 & 0x0F),
        "magnet": [x, y, z],
        "humidity": data[18],
        "device_frame_counter": int.from_bytes(data[19:21], "big"),
    }
    return Reading(
        Kind.STATUS,
        bool(alarms_1 >> 4),
        battery_v=volts / 100,
        temperature_c=float(signed(data[17])),
        extra=extra,
    )


def _decode_parameters(data: bytes) -> Reading:
    """Settings as the device reports them; they say nothing about occupancy."""
    need(data, _PARAMETER_LENGTH)
    extra: dict[str, Any] = {
        "firmware_version": f"{data[5]}.{data[6]}",
        "upload_interval_h": data[7],
        "detect_interval_min": data[8],
        "level_threshold": data[9],
        "magnet_threshold": int.from_bytes(data[10:12], "big"),
        "battery_threshold": data[12],
    }
    return Reading(Kind.STARTUP, None, extra=extra)


def _encode(occupied: bool, battery_v: float, temperature_c: float) -> tuple[int, bytes]:
    body = struct.pack(
        ">HBBHhhhbBH",
        300 if occupied else 2400,
        0x10 if occupied else 0x00,
        0x10 if occupied else 0x00,
        clamp(battery_v * 100, 0, 65_535),
        120 if occupied else 16,
        -10,
        -16,
        clamp(temperature_c, -128, 127),
        45,
        0,
    )
    return 3, bytes([0x80, 0x00, 0x31, 0x02, 0x17]) + body + bytes([0x00, 0x81])


def _encode_status(occupied: bool) -> tuple[int, bytes]:
    return _encode(occupied, 3.6, 20.0)


CODECS = (Codec("dingtek", "do201", DO201_FIELDS, _decode, _encode_status, _encode),)

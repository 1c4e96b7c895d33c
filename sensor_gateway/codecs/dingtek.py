"""Dingtek DO200, DO201 and DO202, ultrasonic and magnetic parking sensors.

Source of the layouts: the public LoRaWAN device repository, vendor/dingtek (Apache-2.0), read as facts.
The three share one frame; the DO200's ends before temperature and humidity, the DO202 has no level.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from sensor_gateway.codecs.base import (
    Codec,
    DecodeError,
    Fields,
    Reading,
    clamp,
    need,
    signed,
    unknown_port,
)
from sensor_gateway.observation import Kind

_PARAMETER_FRAME = 3

_FRAME_FIELDS = (
    ("3", "b0, last", "0x80 opens a frame, 0x81 ends it"),
    ("3", "b3", "3: a parameter frame, no occupancy"),
    ("3", "b7 high, low", "parked alarm (occupied), level alarm"),
    ("3", "b8 high, low", "magnet alarm, battery alarm"),
    ("3", "b9-b10", "volts × 100"),
    ("3", "b11-b16", "magnet x, y, z, signed"),
)
_LEVEL_FIELDS = (("3", "b5-b6", "level, mm"),)
_CLIMATE_FIELDS = (
    ("3", "b17", "temperature, signed, °C"),
    ("3", "b18", "humidity, %"),
    ("3", "b19-b20", "frame counter"),
)
DO200_FIELDS = (*_FRAME_FIELDS, *_LEVEL_FIELDS)
DO201_FIELDS = (*_FRAME_FIELDS, *_LEVEL_FIELDS, *_CLIMATE_FIELDS)
DO202_FIELDS = (*_FRAME_FIELDS, *_CLIMATE_FIELDS)


class _Model(msgspec.Struct, frozen=True):
    """How a model's frames differ from its sisters'."""

    name: str
    fields: Fields
    type_byte: int
    """b2 of the vendor's own examples; written by the encoders, not asked for in what arrives."""
    telemetry_length: int
    parameter_length: int
    parameters: Callable[[bytes], dict[str, Any]]

    @property
    def has_level(self) -> bool:
        return _LEVEL_FIELDS[0] in self.fields

    @property
    def has_climate(self) -> bool:
        return _CLIMATE_FIELDS[0] in self.fields


def _decode(model: _Model, fport: int, data: bytes) -> Reading:
    if fport != 3:
        raise unknown_port(fport, "3")
    need(data, 5)
    if data[0] != 0x80 or data[-1] != 0x81:
        raise DecodeError("the frame does not open with 0x80 and end with 0x81")
    if data[3] == _PARAMETER_FRAME:
        need(data, model.parameter_length, model.parameter_length)
        return Reading(Kind.STARTUP, None, extra=model.parameters(data))
    need(data, model.telemetry_length, model.telemetry_length)
    return _telemetry(model, data)


def _telemetry(model: _Model, data: bytes) -> Reading:
    level, alarms_1, alarms_2, volts, x, y, z = struct.unpack_from(">HBBHhhh", data, 5)
    extra: dict[str, Any] = {
        "level_alarm": bool(alarms_1 & 0x0F),
        "magnet_alarm": bool(alarms_2 >> 4),
        "battery_alarm": bool(alarms_2 & 0x0F),
        "magnet": [x, y, z],
    }
    if model.has_level:
        extra["level_mm"] = level
    temperature = None
    if model.has_climate:
        temperature = float(signed(data[17]))
        extra["humidity"] = data[18]
        extra["device_frame_counter"] = int.from_bytes(data[19:21], "big")
    return Reading(
        Kind.STATUS,
        bool(alarms_1 >> 4),
        battery_v=volts / 100,
        temperature_c=temperature,
        extra=extra,
        battery_low=extra["battery_alarm"],
    )


def _do200_parameters(data: bytes) -> dict[str, Any]:
    """Settings as the device reports them; the unit of the ultrasonic interval is not published."""
    return {
        "firmware_version": f"{data[5]}.{data[6]}",
        "upload_interval_h": data[7],
        "ultrasonic_detect_interval": data[8],
        "magnet_detect_interval_s": data[9],
        "magnet_threshold": int.from_bytes(data[12:14], "big"),
    }


def _do202_parameters(data: bytes) -> dict[str, Any]:
    """Settings as the device reports them."""
    return {
        "firmware_version": f"{data[5]}.{data[6]}",
        "upload_interval_h": data[7],
        "detect_interval_min": data[8],
        "magnet_threshold": int.from_bytes(data[10:12], "big"),
        "battery_threshold": data[12],
    }


def _do201_parameters(data: bytes) -> dict[str, Any]:
    """Settings as the device reports them."""
    return {**_do202_parameters(data), "level_threshold": data[9]}


def _encode(model: _Model, occupied: bool, battery_v: float, temperature_c: float) -> tuple[int, bytes]:
    body = struct.pack(
        ">HBBHhhh",
        0 if not model.has_level else 300 if occupied else 2400,
        0x10 if occupied else 0x00,
        0x10 if occupied else 0x00,
        clamp(battery_v * 100, 0, 65_535),
        120 if occupied else 16,
        -10,
        -16,
    )
    if model.has_climate:
        body += struct.pack(">bB", clamp(temperature_c, -128, 127), 45)
    head = bytes([0x80, 0x00, model.type_byte, 0x02, model.telemetry_length])
    return 3, head + body + bytes([0x00, 0x00, 0x00, 0x81])


def _encode_status(model: _Model, occupied: bool) -> tuple[int, bytes]:
    return _encode(model, occupied, 3.6, 20.0)


_MODELS = (
    _Model("do200", DO200_FIELDS, 0x02, 21, 17, _do200_parameters),
    _Model("do201", DO201_FIELDS, 0x31, 23, 16, _do201_parameters),
    _Model("do202", DO202_FIELDS, 0x32, 23, 16, _do202_parameters),
)
CODECS = tuple(
    Codec(
        "dingtek",
        model.name,
        model.fields,
        partial(_decode, model),
        partial(_encode_status, model),
        partial(_encode, model),
    )
    for model in _MODELS
)

"""What every codec is: a table of fields and two pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sensor_gateway.observation import Kind


class DecodeError(ValueError):
    """The payload is not one that this codec knows; the message says what is wrong with it."""


class Reading(msgspec.Struct, frozen=True):
    """What a payload says. `occupied` is None where it says nothing about occupancy."""

    kind: Kind
    occupied: bool | None = None
    battery_v: float | None = None
    temperature_c: float | None = None
    running_count: int | None = None
    """Of a counter: passages so far, 0..65,535, wrapping."""
    extra: dict[str, Any] = {}
    """Everything else that was in it, by the names of the codec's field table."""


class Codec(msgspec.Struct, frozen=True):
    """The codec of a model and a firmware line.

    `fields` is its table: (fPort, bytes, meaning). `decode(fport, data)` raises DecodeError and nothing
    else. The encoders make a device's own frames, for the simulator and for tests.
    """

    vendor: str
    model: str
    fields: tuple[tuple[str, str, str], ...]
    decode: Callable[[int, bytes], Reading]
    encode_status: Callable[[bool], tuple[int, bytes]]
    encode_heartbeat: Callable[[bool, float, float], tuple[int, bytes]]
    """(occupied, battery in volts, temperature in °C) → (fPort, payload)"""
    firmware_line: str = ""


def need(data: bytes, least: int, most: int | None = None) -> None:
    """Raise DecodeError unless the payload has `least` to `most` bytes (no upper limit where None)."""
    if len(data) < least or (most is not None and len(data) > most):
        wanted = f"{least}" if most == least else f"{least} to {most}" if most else f"at least {least}"
        raise DecodeError(f"payload has {len(data)} bytes, expected {wanted}")


def unknown_port(fport: int, known: str) -> DecodeError:
    """The error for an fPort that the model does not use."""
    return DecodeError(f"fPort {fport} is not one of this model's ({known})")


def signed(byte: int) -> int:
    """A byte as a two's-complement number."""
    return byte - 256 if byte > 127 else byte


def clamp(value: float, low: int, high: int) -> int:
    """The nearest whole number within low..high, for encoders."""
    return min(max(round(value), low), high)

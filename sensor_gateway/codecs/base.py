"""What every codec is: a table of fields and two pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sensor_gateway.observation import Kind


class DecodeError(ValueError):
    """The payload is not one that this codec knows; the message says what is wrong with it."""


class CannotEncode(LookupError):
    """The model sends no frames of this sort."""


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
    battery_low: bool | None = None
    """What the device itself says of its battery; None where it says nothing."""


Fields = tuple[tuple[str, str, str], ...]
"""A codec's table: (fPort, bytes, meaning). Bits are numbered from 0, the least."""

Decoder = Callable[[int, bytes], Reading]
"""(fPort, payload) → what it says. Raises DecodeError and nothing else."""

StatusEncoder = Callable[[bool], tuple[int, bytes]]
"""occupied → (fPort, payload)"""

HeartbeatEncoder = Callable[[bool, float, float], tuple[int, bytes]]
"""(occupied, battery in volts, temperature in °C) → (fPort, payload)"""


class Codec(msgspec.Struct, frozen=True):
    """The codec of a model and a firmware line.

    The encoders make a device's own frames, for the simulator and for tests. A counter watches no space
    and has none.
    """

    vendor: str
    model: str
    fields: Fields
    decode: Decoder
    status_encoder: StatusEncoder | None = None
    heartbeat_encoder: HeartbeatEncoder | None = None
    firmware_line: str = ""
    """Where a model's payloads changed with its firmware; empty for the newest."""

    @property
    def name(self) -> str:
        """Vendor, model and firmware line, as people write them."""
        return " ".join(filter(None, (self.vendor, self.model, self.firmware_line)))

    def encode_status(self, occupied: bool) -> tuple[int, bytes]:
        """(fPort, payload) of a status. Raises CannotEncode for a counter."""
        if self.status_encoder is None:
            raise CannotEncode(f"{self.name} does not watch a space")
        return self.status_encoder(occupied)

    def encode_heartbeat(self, occupied: bool, battery_v: float, temperature_c: float) -> tuple[int, bytes]:
        """(fPort, payload) of a heartbeat, as far as the model reports these. Raises CannotEncode."""
        if self.heartbeat_encoder is None:
            raise CannotEncode(f"{self.name} does not watch a space")
        return self.heartbeat_encoder(occupied, battery_v, temperature_c)


def need(data: bytes, least: int, most: int | None = None) -> None:
    """Raise DecodeError unless the payload has `least` to `most` bytes (no upper limit where None)."""
    if len(data) < least or (most is not None and len(data) > most):
        wanted = f"{least}" if most == least else f"{least} to {most}" if most else f"at least {least}"
        raise DecodeError(f"payload has {len(data)} bytes, expected {wanted}")


def unknown_port(fport: int, known: str) -> DecodeError:
    """The error for an fPort that the model does not use."""
    return DecodeError(f"fPort {fport} is not one of this model's ({known})")


def cause(byte: int, known: Mapping[int, str]) -> str:
    """A reset cause by its name. One that nobody published does not cost what else the frame says."""
    return known.get(byte, f"unknown ({byte})")


def version(data: bytes) -> str:
    """A firmware version a.b.c, one byte each."""
    return ".".join(str(part) for part in data)


def signed(byte: int) -> int:
    """A byte as a two's-complement number."""
    return byte - 256 if byte > 127 else byte


def clamp(value: float, low: int, high: int) -> int:
    """The nearest whole number within low..high, for encoders."""
    return min(max(round(value), low), high)

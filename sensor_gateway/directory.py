"""Which device is where: the directory that the platform's registry publishes and the gateway reads.

It lives in Redis hashes. Writers (the registry) call the `*_field` helpers for names and `encode_*` for
values, then append the changed field names to CHANGES_STREAM so that running gateways follow.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

DEVICES_HASH = "parking:directory:devices"
"""field: `device_field(…)` of every name a device goes by; value: DeviceEntry as JSON."""
SOURCES_HASH = "parking:directory:sources"
"""field: SHA-256 hex digest of an API key; value: SourceEntry as JSON."""
CHANGES_STREAM = "parking:directory:changes"
"""Entries {"h": hash, "f": field}; a field not in the hash any more was removed; "*": reload all."""


class DeviceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device as the gateway needs to know it."""

    device_id: UUID
    facility_id: UUID
    vendor: str
    model: str
    source: str
    """Key of the source that may speak for it, such as `chirpstack`, `the-things-stack`, `observations`."""
    space_id: UUID | None = None
    firmware_line: str = ""
    capacity: int | None = None
    """Capacity of the facility, for counters: counts outside 0..capacity are flagged."""


class SourceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who an API key stands for, and what it may send."""

    source: str
    scopes: tuple[str, ...]
    """Of `uplinks`, `signed-uplinks` and `observations`."""
    any_device: bool = False
    """True: may speak for every device (an aggregator of the city's own); else only for its own devices."""


def device_field(name: str) -> str:
    """The hash field of a device name: DevEUI (16 hex digits, any case), external id or device UUID."""
    return name.strip().lower()


_device = msgspec.json.Decoder(DeviceEntry)
_source = msgspec.json.Decoder(SourceEntry)


def encode_entry(entry: DeviceEntry | SourceEntry) -> bytes:
    """An entry as JSON, as stored in its hash."""
    return msgspec.json.encode(entry)


def decode_device(body: bytes) -> DeviceEntry:
    """JSON → DeviceEntry. Raises msgspec.DecodeError."""
    return _device.decode(body)


def decode_source(body: bytes) -> SourceEntry:
    """JSON → SourceEntry. Raises msgspec.DecodeError."""
    return _source.decode(body)

"""What a sensor said: the one message that the gateway publishes.

Published contract: the platform's projector reads these from the Redis streams named here.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

import msgspec

STREAM_PREFIX = "parking:observations:"
DEAD_LETTER_STREAM = "parking:dead-letter"
BODY_FIELD = b"o"
"""The one field of a stream entry: the Observation as MessagePack."""

OLDEST = timedelta(days=30)
"""An observation older than this on arrival is refused."""
MOST_AHEAD = timedelta(minutes=5)
"""An observation further in the future than this is refused."""


class Kind(StrEnum):
    """Why the device spoke."""

    STATUS = "status"
    HEARTBEAT = "heartbeat"
    STARTUP = "startup"
    COUNT = "count"


class Quality(StrEnum):
    """How far an observation can be taken at its word."""

    GOOD = "good"
    OUT_OF_RANGE = "out_of_range"
    """A count below zero or above capacity; kept as reported, shown clamped."""
    FUTURE = "future"
    """Dated ahead of its arrival, within MOST_AHEAD; held to the arrival time."""


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decoded statement of one device.

    Exactly one of `occupied` and `free` may be set; both are None where the frame says nothing about
    occupancy. `id` is derived from the content, so the same frame always has the same id.
    """

    id: UUID
    device_id: UUID
    facility_id: UUID
    kind: Kind
    observed_at: datetime
    received_at: datetime
    source: str
    space_id: UUID | None = None
    occupied: bool | None = None
    free: int | None = None
    frame_counter: int | None = None
    battery_v: float | None = None
    temperature_c: float | None = None
    quality: Quality = Quality.GOOD


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What could not become an Observation: why, and everything needed to try again.

    `raw` holds the bytes as they arrived; `transport` and `origin` (topic or path) say where.
    """

    reason: str
    """Stable code, such as `unknown-device`, `undecodable-payload`, `malformed-message`, `absurd-time`."""
    detail: str
    transport: str
    origin: str
    raw: bytes
    received_at: datetime
    source: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Observation)


def encode(observation: Observation) -> bytes:
    """Observation → MessagePack, as stored in a stream entry."""
    return _encoder.encode(observation)


def decode(body: bytes) -> Observation:
    """MessagePack → Observation. Raises msgspec.DecodeError (ValidationError included) on anything else."""
    return _decoder.decode(body)


def observation_id(device_id: UUID, observed_at: datetime, frame_counter: int | None, body: bytes) -> UUID:
    """The identity of a statement: same device, moment, frame and bytes give the same id, always."""
    digest = blake2b(device_id.bytes, digest_size=16)
    digest.update(observed_at.astimezone(UTC).isoformat(timespec="microseconds").encode())
    digest.update(b"|" if frame_counter is None else b"|%d|" % frame_counter)
    digest.update(body)
    value = bytearray(digest.digest())
    # UUIDv8 (RFC 9562: contents of our own making); uuid.UUID takes version 8 only from Python 3.14 on.
    value[6] = 0x80 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    return UUID(bytes=bytes(value))


def stream_for(facility_id: UUID, shards: int) -> str:
    """The stream of a facility. All its observations share one, so that one batch sees them in order."""
    return f"{STREAM_PREFIX}{zlib.crc32(facility_id.bytes) % shards}"


def streams(shards: int) -> list[str]:
    """All observation streams for a number of shards."""
    return [f"{STREAM_PREFIX}{shard}" for shard in range(shards)]

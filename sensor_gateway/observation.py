"""What a sensor said: the one message that the gateway publishes.

Published contract: the platform's projector reads these from the Redis streams named here.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

import msgspec

RUNNING_COUNT_WRAPS = 65_536
STREAM_PREFIX = "parking:observations:"
DEAD_LETTER_STREAM = "parking:dead-letter"
DEAD_LETTERS_KEPT = 50_000
RAW_KEPT = 8_000
"""Bytes of a dead letter's message that are kept; no uplink is longer. So all letters together stay within
400 MB, and a sender of junk cannot fill Redis, which would hold back everybody else."""
BODY_FIELD = b"o"
"""The one field of a stream entry: a list of Observations as MessagePack, in order of arrival."""

OLDEST = timedelta(days=30)
"""An observation older than this on arrival is refused."""
MOST_AHEAD = timedelta(minutes=5)
"""An observation further in the future than this is refused."""
SAME_FRAME = timedelta(minutes=2)
"""The same frame heard twice within this is one statement; later, its counter has come round again."""


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


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One decoded statement of one device.

    At most one of `occupied`, `free`, `running_count` and `entered` with `left` is set; none where the
    frame says nothing about occupancy. `id` is derived from the content: a frame heard by several network
    servers, or sent again, has the same id whenever it arrives. On the wire it is a MessagePack array in
    this order, so fields are only ever added at the end.
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
    sent_at: datetime | None = None
    """The sender's own time, where `observed_at` was held to the arrival instead."""
    running_count: int | None = None
    """Of a counter: passages so far, wrapping at `RUNNING_COUNT_WRAPS`."""
    entered: int | None = None
    left: int | None = None
    """Of a counter: vehicles in and out since its statement before."""
    battery_low: bool | None = None
    """What the device itself says of its battery; None where it says nothing."""


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


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(list[Observation])


def encode(observations: Sequence[Observation]) -> bytes:
    """Observations → MessagePack, as stored in one stream entry."""
    return _encoder.encode(observations)


def decode(body: bytes) -> list[Observation]:
    """MessagePack → Observations. Raises msgspec.DecodeError (ValidationError included) on anything else."""
    try:
        return _decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def frame_id(device_id: UUID, address: str, frame_counter: int, f_port: int, payload: bytes) -> UUID:
    """The identity of a radio frame, which no network server's clock has a part in.

    `address` is the device's session address (LoRaWAN DevAddr): it changes when a device joins anew, so
    a counter that starts again after that is told apart.
    """
    return _content_id(device_id, b"f%s|%d|%d|" % (address.encode(), frame_counter, f_port), payload)


def statement_id(device_id: UUID, stated_at: datetime, body: bytes) -> UUID:
    """The identity of a statement in plain form: same device, same time of the sender, same content."""
    return _content_id(device_id, stated_at.astimezone(UTC).isoformat("|", "microseconds").encode(), body)


def _content_id(device_id: UUID, head: bytes, body: bytes) -> UUID:
    digest = blake2b(device_id.bytes, digest_size=16)
    digest.update(head)
    digest.update(body)
    value = bytearray(digest.digest())
    # UUIDv8 (RFC 9562: contents of our own making); uuid.UUID takes version 8 only from Python 3.14 on.
    value[6] = 0x80 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    return UUID(bytes=bytes(value))


def shard_of(device_id: UUID, shards: int) -> int:
    """The shard of a device: always the same, so that its statements stay in order."""
    return zlib.crc32(device_id.bytes) % shards


def streams(shards: int) -> list[str]:
    """All observation streams for a number of shards."""
    return [f"{STREAM_PREFIX}{shard}" for shard in range(shards)]

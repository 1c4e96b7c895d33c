"""What gates, cameras and patrols said: the records that the gateway publishes beside observations.

Published contract. Every record has an id of its sender's own (`record_id`), so that sent again it is the
same record. Plates are sealed at the door: nothing behind the intake ever holds one in the clear.

A time ahead of the record's arrival is held to the arrival, and the sender's own is kept as `sent_at`. On the
wire a record is a MessagePack array in its fields' order, so fields are only ever added at the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

import msgspec

RECORDS_PREFIX = "parking:records:"
RECORDS_FIELD = b"r"
"""The one field of a stream entry: a list of records as MessagePack."""


class Direction(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"


class PlateColor(StrEnum):
    """Colours by name; operators' systems number them differently (docs/integrators.md has the table)."""

    BLUE = "blue"
    YELLOW = "yellow"
    WHITE = "white"
    BLACK = "black"
    GREEN = "green"
    YELLOW_GREEN = "yellow_green"
    BLUE_WHITE = "blue_white"
    OTHER = "other"


class SealedPlate(msgspec.Struct, frozen=True, array_like=True):
    """A plate that only the key opens, and the keyed hash that finds it again (32 bytes)."""

    sealed: bytes
    hash: bytes


class GateEvent(msgspec.Struct, frozen=True, tag="gate", array_like=True):
    """A vehicle passed a gate."""

    source: str
    record_id: str
    device_id: UUID
    facility_id: UUID
    direction: Direction
    occurred_at: datetime
    received_at: datetime
    lane: str = ""
    plate: SealedPlate | None = None
    plate_color: PlateColor | None = None
    confidence: float | None = None
    """Of the plate's reading, 0..1."""
    picture: str = ""
    """The sender's reference to its picture."""
    confirmed: bool = False
    """A person has checked the plate."""
    sent_at: datetime | None = None
    """The sender's own time, where `occurred_at` was held to the arrival instead."""


class Corrects(StrEnum):
    """What a correction is of."""

    GATE_EVENT = "gate-event"
    SIGHTING = "sighting"


class Correction(msgspec.Struct, frozen=True, tag="correction", array_like=True):
    """Of an earlier gate event or sighting of the same source: it was void, or something was different.

    A duty of operators in practice (Putian's 平台联网管理细则, 2024, art. 5 lists 数据修正 and 数据作废).
    None leaves a part as it was. `occurred_at` is as the sender said it, so it may be ahead of the arrival:
    whoever applies it holds it to the arrival. It may lie years back.
    """

    source: str
    record_id: str
    corrects: str
    stated_at: datetime
    received_at: datetime
    void: bool = False
    direction: Direction | None = None
    occurred_at: datetime | None = None
    plate: SealedPlate | None = None
    plate_color: PlateColor | None = None
    reason: str = ""
    sent_at: datetime | None = None
    """The sender's own time, where `stated_at` was held to the arrival instead."""
    of: Corrects = Corrects.GATE_EVENT


class Sighting(msgspec.Struct, frozen=True, tag="sighting", array_like=True):
    """A vehicle was seen at a place by a patrol vehicle, a camera, a drone or a person."""

    source: str
    record_id: str
    seen_by: str
    seen_at: datetime
    received_at: datetime
    lat: float
    lon: float
    crs: str
    """`wgs84`, `gcj02` or `bd09`, as the sender declared it."""
    plate_hash: bytes | None = None
    plate_sealed: bytes | None = None
    plate_color: PlateColor | None = None
    confidence: float | None = None
    picture: str = ""
    device_id: UUID | None = None
    sent_at: datetime | None = None
    """The sender's own time, where `seen_at` was held to the arrival instead."""


Record = GateEvent | Correction | Sighting

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(list[Record])


def encode_records(records: Sequence[Record]) -> bytes:
    """Records → MessagePack, as stored in one stream entry."""
    return _encoder.encode(records)


def decode_records(body: bytes) -> list[Record]:
    """MessagePack → records. Raises msgspec.DecodeError (ValidationError included) on anything else."""
    try:
        return _decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def record_streams(shards: int) -> list[str]:
    """All record streams for a number of shards."""
    return [f"{RECORDS_PREFIX}{shard}" for shard in range(shards)]


def record_shard(source: str, shards: int) -> int:
    """The shard of a source: its corrections follow what they correct."""
    return zlib.crc32(source.encode()) % shards


def content_of(record: Record) -> bytes:
    """16 bytes that differ where a record sent again under the same id says something else.

    Seals differ each time and arrival times do too, so neither has a part in it, nor has a time that was held
    to the arrival: the sender's own stands in its place.
    """
    plain = msgspec.structs.asdict(record) | {"received_at": None, "plate_sealed": None}
    own_time = plain.pop("sent_at")
    if own_time is not None:
        plain[_time_field(record)] = own_time
    if isinstance(record, GateEvent | Correction):
        plain["plate"] = record.plate.hash if record.plate else None
    if isinstance(record, Correction) and record.of is Corrects.GATE_EVENT:
        del plain["of"]  # as it was before there were any others: what was kept then stays the same
    return blake2b(_encoder.encode(plain), digest_size=16).digest()


def _time_field(record: Record) -> str:
    match record:
        case GateEvent():
            return "occurred_at"
        case Correction():
            return "stated_at"
        case Sighting():
            return "seen_at"

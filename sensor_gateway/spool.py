"""The spool: stream entries on disk while Redis is away, given back in the order they came.

One append-only file a segment: each record is its length and checksum (little-endian, 4 bytes each) and a
MessagePack list of entries. Beside them, `position` says how far the oldest segment has been given back.
A record cut short by a crash was never acknowledged to anyone, so reading ends there and the file goes on
after it. Giving back is at least once: what a crash repeats has no second effect, for entries carry
observations with ids of their own.
"""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

_HEAD = struct.Struct("<II")
_SUFFIX = ".spool"


class StreamEntry(NamedTuple):
    """An entry for a Redis stream; `keep`: the stream is cut to about so many entries (0: never)."""

    stream: str
    fields: dict[str, bytes]
    keep: int = 0


class SpoolFull(RuntimeError):
    """The spool holds as much as it may; nothing of the batch was kept."""


_decoder = msgspec.msgpack.Decoder(list[StreamEntry])


class Spool:
    """Batches of stream entries in `folder`, at most `limit_bytes` of them. One process owns a folder."""

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int = 16_000_000) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._segment_bytes = segment_bytes
        self._lock = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._segments = sorted(folder.glob(f"*{_SUFFIX}"))
        self._position = self._read_position()
        for segment in self._segments[-1:]:
            _cut_torn_end(segment)
        self._bytes = sum(segment.stat().st_size for segment in self._segments) - self._position

    @property
    def waiting_bytes(self) -> int:
        """Bytes not yet given back; 0: the spool is empty."""
        return self._bytes

    async def append(self, entries: Sequence[StreamEntry]) -> None:
        """Keep a batch; on disk (fdatasync) when this returns. Raises SpoolFull, OSError."""
        body = msgspec.msgpack.encode(entries)
        record = _HEAD.pack(len(body), zlib.crc32(body)) + body
        async with self._lock:
            if self._bytes + len(record) > self._limit:
                raise SpoolFull(f"the spool holds {self._bytes} bytes, its limit is {self._limit}")
            await asyncio.to_thread(self._write, record)
            self._bytes += len(record)

    def oldest(self) -> tuple[list[StreamEntry], int] | None:
        """The oldest batch and its length on disk, to be passed to `given_back`; None where empty."""
        if not self._segments:
            return None
        record = next(_records(self._segments[0], self._position), None)
        return None if record is None else (_decoder.decode(record), _HEAD.size + len(record))

    async def given_back(self, length: int) -> None:
        """The oldest batch has been taken elsewhere: go past it, and delete a segment that is done."""
        async with self._lock:
            self._position += length
            self._bytes -= length
            if self._position >= self._segments[0].stat().st_size:
                # The position first: a crash in between gives a segment back twice rather than never.
                self._write_position(0)
                self._segments.pop(0).unlink()
            else:
                self._write_position(self._position)

    def _write(self, record: bytes) -> None:
        if not self._segments or self._segments[-1].stat().st_size > self._segment_bytes:
            number = int(self._segments[-1].stem) + 1 if self._segments else 1
            self._segments.append(self._folder / f"{number:012d}{_SUFFIX}")
        path = self._segments[-1]
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            try:
                file.write(record)
                file.flush()
                os.fdatasync(file.fileno())
            except OSError:
                file.truncate(before)  # a disk that is full keeps no half record
                raise

    def _read_position(self) -> int:
        try:
            return int((self._folder / "position").read_text())
        except (OSError, ValueError):
            return 0

    def _write_position(self, position: int) -> None:
        draft = self._folder / "position.new"
        draft.write_text(str(position))
        draft.replace(self._folder / "position")
        self._position = position


def _records(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            body = file.read(length)
            if len(body) < length or zlib.crc32(body) != checksum:
                return
            yield body


def _cut_torn_end(path: Path) -> None:
    whole = sum(_HEAD.size + len(body) for body in _records(path, 0))
    if whole < path.stat().st_size:
        os.truncate(path, whole)

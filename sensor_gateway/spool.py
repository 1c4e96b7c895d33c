"""The spool: stream entries on disk while Redis is away, given back in the order they came.

One append-only file a segment: each record is its length and checksum (little-endian, 4 bytes each) and a
MessagePack list of entries. Beside them, `position` names the oldest segment and how far it has been given
back. A record cut short by a crash was never acknowledged to anyone: it is cut off at the next start. One
that went bad on the disk is passed over, and its segment kept as `.damaged`. Giving back is at least once:
what a crash repeats has no second effect, for entries carry observations with ids of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import structlog

_HEAD = struct.Struct("<II")
_SUFFIX = ".spool"

log = structlog.get_logger(__name__)


class StreamEntry(NamedTuple):
    """An entry for a Redis stream; `keep`: the stream is cut to about so many entries (0: never)."""

    stream: str
    fields: dict[str, bytes]
    keep: int = 0


class SpoolTaken(RuntimeError):
    """Another process has this folder for its spool."""


class SpoolFull(RuntimeError):
    """The spool holds as much as it may; nothing of the batch was kept."""


_decoder = msgspec.msgpack.Decoder(list[StreamEntry])


def own(folder: Path) -> BinaryIO:
    """The folder for this process alone, until the file that is returned is closed or the process ends.

    Raises SpoolTaken where another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SpoolTaken(f"{folder} is the spool of another process") from error
    return lock


class Spool:
    """Batches of stream entries in `folder`, at most `limit_bytes` of them. One process owns a folder."""

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int = 16_000_000) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._segment_bytes = segment_bytes
        self._lock = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._segments = sorted(folder.glob(f"*{_SUFFIX}"))
        self._newest, self._position = self._where_we_were()
        self._begin_segment = False
        for segment in self._segments[-1:]:
            _cut_torn_end(segment)
        self._bytes = self._count()

    @property
    def waiting_bytes(self) -> int:
        """Bytes not yet given back; 0: the spool is empty."""
        return self._bytes

    async def append(self, entries: Sequence[StreamEntry]) -> None:
        """Keep a batch; on disk (fdatasync) when this returns. Raises SpoolFull, OSError."""
        body = msgspec.msgpack.encode(entries)
        # Who waits may be cancelled, the thread that writes cannot: the count stays with what is written.
        await asyncio.shield(self._append(_HEAD.pack(len(body), zlib.crc32(body)) + body))

    async def _append(self, record: bytes) -> None:
        async with self._lock:
            if self._bytes + len(record) > self._limit:
                raise SpoolFull(f"the spool holds {self._bytes} bytes, its limit is {self._limit}")
            try:
                await asyncio.to_thread(self._write, record)
            finally:
                self._bytes = self._count()

    async def oldest(self, most_bytes: int) -> tuple[list[StreamEntry], int] | None:
        """The oldest batches and their length on disk, to be passed to `given_back`; None where empty.

        Many at a time: given back one by one, they would not get fewer while others are being appended.
        """
        async with self._lock:
            while self._bytes:
                with self._segments[0].open("rb") as file:
                    bodies = list(_records(file, self._position, most_bytes))
                    if bodies:
                        entries = [entry for body in bodies for entry in _decoder.decode(body)]
                        return entries, sum(_HEAD.size + len(body) for body in bodies)
                    after = _after_damage(file, self._position)
                if after > self._position:  # else it is one that was begun, and nothing came of it
                    self._keep_damaged(self._segments[0], after - self._position)
                self._go_past(after - self._position)
            return None

    async def given_back(self, length: int) -> None:
        """The oldest batches have been taken elsewhere: go past them, and delete a segment that is done."""
        async with self._lock:
            self._go_past(length)

    def _go_past(self, length: int) -> None:
        self._position += length
        if self._position < self._segments[0].stat().st_size:
            self._note_position()
        else:
            self._segments.pop(0).unlink()
            self._position = 0
        self._bytes = self._count()

    def _note_position(self) -> None:
        """So that a restart need not give everything back again; where the disk is full, it will."""
        try:
            draft = self._folder / "position.new"
            draft.write_text(f"{self._segments[0].stem} {self._position}")
            draft.replace(self._folder / "position")
        except OSError as error:
            log.warning("how far the spool has been given back cannot be noted", error=str(error))

    def _write(self, record: bytes) -> None:
        full = bool(self._segments) and self._segments[-1].stat().st_size > self._segment_bytes
        if full or self._begin_segment or not self._segments:
            self._new_segment()
        # Unbuffered: a buffer would write its bytes after all when the file is closed.
        with self._segments[-1].open("ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                rest = memoryview(record)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fdatasync(file.fileno())
            except OSError:
                self._begin_segment = True  # should cutting fail too, nothing is written behind half a record
                file.truncate(before)
                self._begin_segment = False
                raise

    def _new_segment(self) -> None:
        self._newest += 1  # first: where the rest fails, the next try takes a number of its own
        path = self._folder / f"{self._newest:012d}{_SUFFIX}"
        path.touch(exist_ok=False)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # else a power cut may take the file's name, and with it all that was kept
        finally:
            os.close(folder)
        self._segments.append(path)
        self._begin_segment = False

    def _where_we_were(self) -> tuple[int, int]:
        """The highest number that a segment has had, and how far the oldest has been given back.

        A position of a segment that is gone says nothing about the next, so numbers are not used twice.
        """
        numbers = [int(segment.stem) for segment in self._segments]
        try:
            number, position = map(int, (self._folder / "position").read_text().split())
        except (OSError, ValueError):
            return max(numbers, default=0), 0
        ours = numbers[:1] == [number] and position <= self._segments[0].stat().st_size
        return max([number, *numbers]), position if ours else 0

    def _count(self) -> int:
        return sum(segment.stat().st_size for segment in self._segments) - self._position

    def _keep_damaged(self, segment: Path, length: int) -> None:
        log.error("the spool is damaged; a part is passed over", segment=segment.name, bytes=length)
        with contextlib.suppress(OSError):  # it is there from an earlier part, or the disk knows no links
            segment.with_suffix(".damaged").hardlink_to(segment)


def _records(file: BinaryIO, position: int, most_bytes: int) -> Iterator[bytes]:
    """The bodies of whole records one after another; at least one, where there is one."""
    end = position + most_bytes
    while (body := _record_at(file, position)) is not None:
        yield body
        position += _HEAD.size + len(body)
        if position >= end:
            return


def _record_at(file: BinaryIO, position: int) -> bytes | None:
    """The body of a whole record; None where there is none, or it is not as it was written."""
    file.seek(position)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    # A length of 0 is what a power cut leaves where the file grew before its content came: nulls.
    if not length or length > os.fstat(file.fileno()).st_size - file.tell():
        return None
    body = file.read(length)
    return body if zlib.crc32(body) == checksum else None


def _after_damage(file: BinaryIO, position: int) -> int:
    """Where to read on behind a bad record: at the next, where its length still leads there; else the end."""
    file.seek(position)
    head = file.read(_HEAD.size)
    if len(head) == _HEAD.size:
        following = position + _HEAD.size + int(_HEAD.unpack(head)[0])
        if _record_at(file, following) is not None:
            return following
    return os.fstat(file.fileno()).st_size


def _cut_torn_end(path: Path) -> None:
    """Cut off what a crash has left behind the last whole record."""
    position, whole = 0, 0
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        while position < size:
            records = _records(file, position, size)
            whole = position + sum(_HEAD.size + len(body) for body in records)
            position = _after_damage(file, whole)
        file.truncate(whole)

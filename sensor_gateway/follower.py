"""The gateway's copy of the directory: loaded whole, kept up with the changes stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway.directory import (
    CHANGES_STREAM,
    DEVICES_HASH,
    SOURCES_HASH,
    DeviceEntry,
    SourceEntry,
    decode_device,
    decode_source,
    device_field,
)
from sensor_gateway.streams import Entry, newest_id, read_after

_PAGE = 2_000

log = structlog.get_logger(__name__)


class DirectoryEmpty(RuntimeError):
    """The directory is not there, as where Redis was emptied and has not been filled again: no time to call
    anyone unknown."""


class Copy(msgspec.Struct, frozen=True):
    """What the directory says, by the fields of its two hashes."""

    devices: dict[str, DeviceEntry]
    sources: dict[str, SourceEntry]

    def keep(self, name: str, field: str, body: bytes | None) -> None:
        """Take over what a hash has in a field now; None: nothing."""
        try:
            if name == DEVICES_HASH:
                self.devices.pop(field, None)
                if body is not None:
                    self.devices[field] = decode_device(body)
            else:
                self.sources.pop(field, None)
                if body is not None:
                    self.sources[field] = decode_source(body)
        except msgspec.DecodeError as error:
            log.error("a directory entry cannot be read", hash=name, field=field, error=str(error))


class DirectoryFollower:
    """Devices and sources by name. A name that is not here is asked of Redis before it counts as unknown."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._copy = Copy({}, {})
        self._position = "0-0"
        self._loaded = False
        self._whole = False
        """A load has found devices, or the registry has spoken since: who is not in the copy is unknown."""
        self.changed = asyncio.Event()
        """Set whenever the copy has changed; for who keeps a snapshot of it, to clear."""

    async def load(self) -> None:
        """Read both hashes whole. What changes while they are read comes again by the stream.

        Where Redis goes away meanwhile, what was known before stays known. So it does where Redis knows
        nobody: that is one that was emptied, and is about to be filled again.
        """
        position = await newest_id(self._redis, CHANGES_STREAM)
        fresh = Copy({}, {})
        for name in (DEVICES_HASH, SOURCES_HASH):
            async for field, body in self._redis.hscan_iter(name, count=_PAGE):
                fresh.keep(name, field.decode(), body)
        if fresh.devices or not self._copy.devices:
            self._copy = fresh
            self.changed.set()
        self._whole = bool(self._copy.devices)
        self._position, self._loaded = position, True
        log.info("directory loaded", names=len(fresh.devices), sources=len(fresh.sources))

    def recall(self, copy: Copy) -> None:
        """Begin with what was known at an earlier time; `follow` loads what is so now, as soon as it can."""
        self._copy, self._whole = copy, bool(copy.devices)
        log.info("directory recalled", names=len(copy.devices), sources=len(copy.sources))

    def copy(self) -> Copy:
        """What is known now, on its own."""
        return Copy(dict(self._copy.devices), dict(self._copy.sources))

    async def follow(self) -> None:
        """Keep up with changes until cancelled; Redis being away is waited out."""
        delay = 0.1
        while True:
            try:
                if not self._loaded:
                    await self.load()
                entries = await read_after(
                    self._redis, CHANGES_STREAM, self._position, count=_PAGE, block_ms=1000
                )
                if entries:
                    await self._apply(entries)
                delay = 0.1
            except (RedisError, OSError) as error:
                log.warning("directory changes cannot be read; trying again", error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _apply(self, entries: list[Entry]) -> None:
        changed = {(fields[b"h"].decode(), fields[b"f"].decode()) for _, fields in entries}
        if any(field == "*" for _, field in changed):
            await self.load()
            return
        for name in (DEVICES_HASH, SOURCES_HASH):
            fields = sorted(field for where, field in changed if where == name)
            if fields:
                for field, body in zip(fields, await self._hmget(name, fields), strict=True):
                    self._copy.keep(name, field, body)
        self._whole = True
        self.changed.set()
        self._position = entries[-1][0].decode()

    async def devices(self, names: Iterable[str]) -> dict[str, DeviceEntry]:
        """Those of `names` that exist, by the name as given. Raises DirectoryEmpty."""
        names = set(names)
        missing = sorted({device_field(name) for name in names} - self._copy.devices.keys())
        if missing:
            for field, body in zip(missing, await self._hmget(DEVICES_HASH, missing), strict=True):
                self._copy.keep(DEVICES_HASH, field, body)
        return self.devices_here(names)

    def devices_here(self, names: Iterable[str]) -> dict[str, DeviceEntry]:
        """Those of `names` in this copy, by the name as given; Redis is not asked. Raises DirectoryEmpty."""
        known, wanted = self._copy.devices, {name: device_field(name) for name in names}
        found = {name: known[field] for name, field in wanted.items() if field in known}
        if len(found) < len(wanted) and not self._whole:
            raise DirectoryEmpty("the directory of devices is not there")
        return found

    def keys_of(self, source: str) -> list[tuple[str, SourceEntry]]:
        """The keys of a source, by their SHA-256: one, or two while a new one takes the old one's place."""
        return [(key, entry) for key, entry in self._copy.sources.items() if entry.source == source]

    def need_sources(self) -> None:
        """Raises DirectoryEmpty where no source at all is known, so that none can be told from a stranger."""
        if not self._copy.sources:
            raise DirectoryEmpty("the directory of sources is not there")

    async def source(self, key_hash: str) -> SourceEntry | None:
        """Whose key it is, by its SHA-256. Raises DirectoryEmpty."""
        if key_hash not in self._copy.sources:
            (body,) = await self._hmget(SOURCES_HASH, [key_hash])
            self._copy.keep(SOURCES_HASH, key_hash, body)
        self.need_sources()
        return self._copy.sources.get(key_hash)

    async def _hmget(self, name: str, fields: list[str]) -> list[bytes | None]:
        return await cast("Awaitable[list[bytes | None]]", self._redis.hmget(name, fields))

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


class DirectoryFollower:
    """Devices and sources by name. A name that is not here is asked of Redis before it counts as unknown."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._devices: dict[str, DeviceEntry] = {}
        self._sources: dict[str, SourceEntry] = {}
        self._position = "0-0"

    async def load(self) -> None:
        """Read both hashes whole. What changes while they are read comes again by the stream."""
        self._position = await newest_id(self._redis, CHANGES_STREAM)
        self._devices = {}
        async for field, body in self._redis.hscan_iter(DEVICES_HASH, count=_PAGE):
            self._keep(DEVICES_HASH, field.decode(), body)
        self._sources = {}
        async for field, body in self._redis.hscan_iter(SOURCES_HASH, count=_PAGE):
            self._keep(SOURCES_HASH, field.decode(), body)
        log.info("directory loaded", names=len(self._devices), sources=len(self._sources))

    async def follow(self) -> None:
        """Keep up with changes until cancelled; Redis being away is waited out."""
        delay = 0.1
        while True:
            try:
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
                    self._keep(name, field, body)
        self._position = entries[-1][0].decode()

    async def devices(self, names: Iterable[str]) -> dict[str, DeviceEntry]:
        """Those of `names` that exist, by the name as given."""
        names = set(names)
        missing = sorted({device_field(name) for name in names} - self._devices.keys())
        if missing:
            for field, body in zip(missing, await self._hmget(DEVICES_HASH, missing), strict=True):
                self._keep(DEVICES_HASH, field, body)
        return self.devices_here(names)

    def devices_here(self, names: Iterable[str]) -> dict[str, DeviceEntry]:
        """Those of `names` that are in this copy, by the name as given; Redis is not asked."""
        wanted = {name: device_field(name) for name in names}
        return {name: self._devices[field] for name, field in wanted.items() if field in self._devices}

    def keys_of(self, source: str) -> list[tuple[str, SourceEntry]]:
        """The keys of a source, by their SHA-256: one, or two while a new one takes the old one's place."""
        return [(key_hash, entry) for key_hash, entry in self._sources.items() if entry.source == source]

    async def source(self, key_hash: str) -> SourceEntry | None:
        """Whose key it is, by its SHA-256."""
        if key_hash not in self._sources:
            (body,) = await self._hmget(SOURCES_HASH, [key_hash])
            self._keep(SOURCES_HASH, key_hash, body)
        return self._sources.get(key_hash)

    async def _hmget(self, name: str, fields: list[str]) -> list[bytes | None]:
        return await cast("Awaitable[list[bytes | None]]", self._redis.hmget(name, fields))

    def _keep(self, name: str, field: str, body: bytes | None) -> None:
        try:
            if name == DEVICES_HASH:
                self._devices.pop(field, None)
                if body is not None:
                    self._devices[field] = decode_device(body)
            else:
                self._sources.pop(field, None)
                if body is not None:
                    self._sources[field] = decode_source(body)
        except msgspec.DecodeError as error:
            log.error("a directory entry cannot be read", hash=name, field=field, error=str(error))

"""The directory on disk, so that a gateway that starts while Redis is away knows whose frames it gets.

It holds the digests of API keys, which sign NB-IoT pushes: only its owner may read it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import structlog

from sensor_gateway.follower import Copy, DirectoryFollower

_PAUSE_S = 30.0
"""A city whose devices change all the time is not written anew each time."""

log = structlog.get_logger(__name__)


class Snapshot:
    """The directory's snapshot in a file, written whole or not at all."""

    def __init__(self, path: Path, pause_s: float = _PAUSE_S) -> None:
        self._path = path
        self._pause_s = pause_s

    def read(self) -> Copy | None:
        """What was written last; None where there is nothing, or nothing that can be read."""
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=Copy)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("the directory's snapshot cannot be read", error=str(error))
            return None

    def write(self, copy: Copy) -> None:
        """Keep it; on disk when this returns. Raises OSError."""
        draft = self._path.with_name(self._path.name + ".new")
        draft.unlink(missing_ok=True)  # one with other rights would keep them
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.msgpack.encode(copy))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    async def keep(self, directory: DirectoryFollower) -> None:
        """Write it whenever the directory has changed, now and then, until cancelled."""
        while True:
            await directory.changed.wait()
            directory.changed.clear()
            try:
                await asyncio.to_thread(self.write, directory.copy())
            except OSError as error:
                log.warning("the directory's snapshot cannot be written", error=str(error))
                directory.changed.set()
            await asyncio.sleep(self._pause_s)

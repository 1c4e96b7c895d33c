"""Gates that wait for news of their lists: one look at the versions for all that wait in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

_LOOK_S = 0.25

log = structlog.get_logger(__name__)


class ListWatch:
    """Wakes who waits for a facility's list to move past a version."""

    def __init__(self, reading: async_sessionmaker[AsyncSession]) -> None:
        """`reading`: sessions whose statements stand alone."""
        self._reading = reading
        self._waiting: dict[asyncio.Future[None], tuple[UUID, int]] = {}
        self._somebody = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            for waiting in self._waiting:
                waiting.cancel()

    async def moved(self, facility_id: UUID, past: int, seconds: float) -> bool:
        """True once the list's version is above `past`; False after so many seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (facility_id, past)
        self._somebody.set()
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)
        return True

    async def _run(self) -> None:
        while True:
            await self._somebody.wait()
            if not self._waiting:
                self._somebody.clear()
                continue
            try:
                await self._look()
            except SQLAlchemyError:
                log.warning("the lists of gates could not be looked at")
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> None:
        async with self._reading() as session:
            rows = await session.execute(
                text("select facility_id, version from gate_allow_list where facility_id = any(:ids)"),
                {"ids": list({facility for facility, _ in self._waiting.values()})},
            )
            versions = {row.facility_id: row.version for row in rows}
        for future, (facility, past) in list(self._waiting.items()):
            if not future.done() and versions.get(facility, 0) > past:
                future.set_result(None)

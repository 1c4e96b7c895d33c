"""What every board shows, kept in each API process for a second or two; and who has asked for it.

However many boards ask, the tables are read once in a while; and when they asked is written in one go, also
after the tables were away.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.guidance.signs.listening import note_listening
from parking_cloud.guidance.signs.reading import Board, Shown, load_boards, numbers_of, show
from parking_cloud.guidance.signs.rules import Way
from parking_cloud.guidance.signs.service import Heard, SignNotFound, hash_of, hear
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.problems import Problem

_FRESH_S = 1.5
"""Numbers on boards are no older than this when they are sent."""
_FLUSH_S = 5.0

log = structlog.get_logger(__name__)


class WrongSignKey(Problem):
    slug = "wrong-sign-key"
    status = 401
    title = {"zh-CN": "诱导屏密钥不正确", "en": "This is not the board's key"}
    detail = {
        "zh-CN": "请检查 X-Sign-Key；密钥可在管理后台重新生成。",
        "en": "Check X-Sign-Key; staff can make a new key in the console.",
    }


class SignBook:
    """The boards in use, what they show, and when each was last heard by this process."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._boards: dict[str, Board] = {}
        self._shown: dict[str, Shown] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._heard: dict[UUID, Heard] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes down who was heard, for as long as the context is open and once more at its end."""
        task = asyncio.create_task(self._keep_writing())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._write_heard()

    async def fetched(self, code: str, key: str, version: str | None) -> Shown:
        """What a board shows, asked for by itself: that counts as a sign of life.

        `version` is what it shows until now. Raises SignNotFound, WrongSignKey. It fails where the tables
        cannot be read, but the board has been heard.
        """
        try:
            await self._refresh()
        except (SQLAlchemyError, OSError):
            if code in self._boards:
                self._note(code, key, version)
            raise
        self._note(code, key, version)
        return self._shown[code]

    def _note(self, code: str, key: str, version: str | None) -> None:
        board = self._board(code)
        if not hmac.compare_digest(hash_of(key), board.sign.key_hash):
            raise WrongSignKey()
        self._heard[board.sign.id] = Heard(self._clock.now(), version)

    async def content(self, code: str) -> Shown:
        """What a board shows, for anybody. Raises SignNotFound."""
        await self._refresh()
        self._board(code)
        return self._shown[code]

    async def boards(self) -> list[Board]:
        """The boards in use, by code."""
        await self._refresh()
        return list(self._boards.values())

    def forget(self) -> None:
        """Read everything anew at the next question: something was changed here."""
        self._read_at = float("-inf")

    async def flush(self) -> None:
        """Write down that this process listens, and who was heard since the last time."""
        heard, self._heard = self._heard, {}
        try:
            async with transaction(self._sessions) as session:
                await note_listening(session, Way.POLL, self._clock.now())
                if heard:
                    await hear(session, heard)
        except BaseException:
            self._heard = heard | self._heard
            raise

    def _board(self, code: str) -> Board:
        board = self._boards.get(code)
        if board is None:
            raise SignNotFound()
        return board

    async def _refresh(self) -> None:
        if monotonic() - self._read_at < _FRESH_S:
            return
        async with self._reading:
            if monotonic() - self._read_at < _FRESH_S:
                return
            began, now = monotonic(), self._clock.now()
            async with self._sessions() as session:
                boards = await load_boards(session)
                numbers = await numbers_of(session, boards, now)
            self._boards = {board.sign.code: board for board in boards}
            self._shown = {board.sign.code: show(board, numbers, now) for board in boards}
            self._read_at = began

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            await self._write_heard()

    async def _write_heard(self) -> None:
        try:
            await self.flush()
        except (SQLAlchemyError, OSError) as error:
            log.warning("cannot write down which boards asked; trying again", error=str(error))

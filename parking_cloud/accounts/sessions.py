"""Where a driver is signed in: a list they can read, and end.

A token names its session. Each process asks the database about a session once a minute at most, so what was
ended is out everywhere within that minute.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.driver_models import DriverSession
from parking_cloud.accounts.tokens import SESSION_LIFETIME
from parking_cloud.kernel.problems import NotFound

log = structlog.get_logger(__name__)

TRUSTED_FOR = timedelta(minutes=1)
_KEPT = 20_000
_SYSTEMS = (
    ("MicroMessenger", "微信 WeChat"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
_BROWSERS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))


class SessionNotFound(NotFound):
    slug = "session-not-found"
    title = {"zh-CN": "没有这个登录", "en": "There is no such session"}


class SessionOut(msgspec.Struct, frozen=True, kw_only=True):
    """`current`: the one that asks."""

    id: UUID
    device: str
    begun_at: datetime
    until: datetime
    current: bool


def device_of(user_agent: str) -> str:
    """Two words of what a browser says of itself."""
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    return " · ".join(part for part in (system, browser) if part) or "—"


async def begin(session: AsyncSession, user_id: UUID, user_agent: str, now: datetime) -> UUID:
    """A driver is signed in somewhere from now on."""
    begun = DriverSession(
        user_id=user_id, device=device_of(user_agent), begun_at=now, until=now + SESSION_LIFETIME
    )
    session.add(begun)
    await session.flush()
    return begun.id


async def sessions_of(
    session: AsyncSession, user_id: UUID, current: UUID | None, now: datetime
) -> list[SessionOut]:
    """Where a driver is signed in, the newest first."""
    rows = await session.execute(
        text(
            "select id, device, begun_at, until from driver_session"
            " where user_id = :user and ended_at is null and until > :now order by id desc"
        ),
        {"user": user_id, "now": now},
    )
    return [
        SessionOut(id=id_, device=device, begun_at=begun, until=until, current=id_ == current)
        for id_, device, begun, until in rows
    ]


async def end(session: AsyncSession, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """Sign one of them out. Raises SessionNotFound."""
    ended = await session.scalar(
        text(
            "update driver_session set ended_at = coalesce(ended_at, :now)"
            " where id = :id and user_id = :user returning true"
        ),
        {"id": session_id, "user": user_id, "now": now},
    )
    if not ended:
        raise SessionNotFound()


async def end_all(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """Sign a driver out everywhere."""
    await session.execute(
        text("update driver_session set ended_at = :now where user_id = :user and ended_at is null"),
        {"user": user_id, "now": now},
    )


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """What ended or ran out a month ago, and codes that can no longer be typed; a regular job."""
    await session.execute(
        text("delete from driver_session where least(until, ended_at) < :before"),
        {"before": now - timedelta(days=30)},
    )
    await session.execute(text("delete from phone_code where expires_at < :now"), {"now": now})


class SessionWatch:
    """What one process knows of sessions that are alive."""

    def __init__(self, reading: async_sessionmaker[AsyncSession]) -> None:
        self._reading = reading
        self._alive: OrderedDict[UUID, datetime] = OrderedDict()

    async def alive(self, session_id: UUID, now: datetime) -> bool:
        """Whether a session is neither ended nor over; as of a minute ago at most."""
        seen = self._alive.get(session_id)
        if seen is not None and timedelta(0) <= now - seen < TRUSTED_FOR:
            return True
        try:
            found = await self._look(session_id, now)
        except SQLAlchemyError:
            # What needs the database says so itself; what is answered from memory still is.
            log.warning("a session could not be looked up: its token stands")
            return True
        if not found:
            self._alive.pop(session_id, None)
            return False
        self._alive[session_id] = now
        self._alive.move_to_end(session_id)
        while len(self._alive) > _KEPT:
            self._alive.popitem(last=False)
        return True

    async def _look(self, session_id: UUID, now: datetime) -> bool:
        async with self._reading() as session:
            found = await session.scalar(
                text(
                    "select true from driver_session s join user_account u on u.id = s.user_id"
                    " where s.id = :id and s.ended_at is null and s.until > :now and u.active"
                ),
                {"id": session_id, "now": now},
            )
        return bool(found)

    def forget(self, session_id: UUID) -> None:
        """It was ended here: this process need not wait for its minute."""
        self._alive.pop(session_id, None)

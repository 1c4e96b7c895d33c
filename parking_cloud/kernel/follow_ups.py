"""What is to be done about a thing because it changed: kept until it is done, each in a transaction of its
own.

The outbox only notes it here. One that fails is tried again later, with its reason kept, and holds up nothing
else: neither the outbox nor other things.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base, transaction
from parking_cloud.kernel.outbox import Handler, OutboxMessage

Deed = Callable[[AsyncSession, UUID, datetime], Awaitable[None]]
"""What is done about one thing, by its id; done again it must do no harm."""
DeedForMany = Callable[[AsyncSession, Sequence[UUID], datetime], Awaitable[None]]
"""The same for several things at once, in one transaction."""

_AT_ONCE = 50
_SIDE_BY_SIDE = 5
_LEASE = timedelta(minutes=2)
_LONGEST = timedelta(minutes=30)

FAILED = Counter(
    "parking_follow_ups_failed", "Follow-ups that ended in an error and are tried again", ["kind"]
)

log = structlog.get_logger(__name__)


class FollowUp(Base):
    """One thing that one kind of deed is still to be done about."""

    __tablename__ = "follow_up"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(primary_key=True)
    try_again_at: Mapped[datetime] = mapped_column(index=True, server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    failure: Mapped[str] = mapped_column(default="", server_default="")


class NotYet(Exception):
    """It cannot be done now, and nothing is wrong: it is tried again."""


def note(*kinds: str) -> Handler:
    """An outbox handler that has these deeds done about what a topic tells of."""

    async def handler(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
        await session.execute(
            text(
                "insert into follow_up (kind, key, try_again_at) select k.kind, n.key, now()"
                " from unnest(cast(:kinds as text[])) as k(kind), unnest(cast(:keys as uuid[])) as n(key)"
                " order by k.kind, n.key on conflict (kind, key)"
                " do update set try_again_at = now(), attempts = 0, failure = ''"
            ),
            {"kinds": sorted(kinds), "keys": list({UUID(message.key) for message in messages})},
        )

    return handler


class _Job(NamedTuple):
    kind: str
    key: UUID
    attempts: int
    leased: datetime


class FollowUps:
    """Does what was noted; several may work side by side."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        deeds: Mapping[str, Deed],
        for_many: Mapping[str, DeedForMany] | None = None,
    ) -> None:
        """`for_many`: how deeds of some kinds are done together; where that fails, each is done by itself."""
        self._sessions = sessions
        self._deeds = deeds
        self._for_many = for_many or {}

    async def do_some(self, now: datetime) -> int:
        """Do what is due; how many were tried."""
        async with transaction(self._sessions) as session:
            rows = await session.execute(
                text(
                    "update follow_up f set try_again_at = :leased, attempts = f.attempts + 1 from"
                    " (select kind, key from follow_up where try_again_at <= :now and kind = any(:kinds)"
                    "  order by try_again_at limit :most for update skip locked) d"
                    " where f.kind = d.kind and f.key = d.key returning f.kind, f.key, f.attempts"
                ),
                {"now": now, "leased": now + _LEASE, "kinds": list(self._deeds), "most": _AT_ONCE},
            )
            jobs = [_Job(kind, key, attempts, now + _LEASE) for kind, key, attempts in rows]
        left = list(jobs)
        for kind, deed in self._for_many.items():
            together = [job for job in jobs if job.kind == kind]
            if len(together) > 1 and await self._done_together(deed, together, now):
                left = [job for job in left if job.kind != kind]
        few = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def do(job: _Job) -> None:
            async with few:
                await self._do(job, now)

        await asyncio.gather(*(do(job) for job in left))
        return len(jobs)

    async def _done_together(self, deed: DeedForMany, jobs: Sequence[_Job], now: datetime) -> bool:
        """False: one of them failed, and nothing was done."""
        try:
            async with transaction(self._sessions) as session:
                await deed(session, [job.key for job in jobs], now)
                await _forget(session, jobs)
        except Exception as error:
            log.info("follow-ups are done one by one", kind=jobs[0].kind, why=type(error).__name__)
            return False
        return True

    async def _do(self, job: _Job, now: datetime) -> None:
        try:
            async with transaction(self._sessions) as session:
                await self._deeds[job.kind](session, job.key, now)
                await _forget(session, [job])
        except NotYet:
            await self._put_off(job, now, "not yet")
        except Exception as error:
            FAILED.labels(job.kind).inc()
            log.exception("a follow-up failed", kind=job.kind, key=str(job.key))
            await self._put_off(job, now, type(error).__name__)

    async def _put_off(self, job: _Job, now: datetime, why: str) -> None:
        pause = min(timedelta(seconds=2) * (1 << min(job.attempts, 20)), _LONGEST)
        async with transaction(self._sessions) as session:
            await session.execute(
                text(
                    "update follow_up set try_again_at = :at, failure = :why"
                    " where kind = :kind and key = :key and try_again_at = :leased"
                ),
                {"kind": job.kind, "key": job.key, "at": now + pause, "why": why, "leased": job.leased},
            )


async def _forget(session: AsyncSession, jobs: Sequence[_Job]) -> None:
    """They are done, all of one kind. What was noted again meanwhile stays: it may have changed since it was
    read here."""
    await session.execute(
        text("delete from follow_up where kind = :kind and key = any(:keys) and try_again_at = :leased"),
        {"kind": jobs[0].kind, "keys": [job.key for job in jobs], "leased": jobs[0].leased},
    )

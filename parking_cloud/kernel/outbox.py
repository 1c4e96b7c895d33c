"""The outbox: what must happen after a commit is written in the same transaction, and relayed afterwards.

Relaying is at least once: a handler that is told the same thing twice must do no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from sqlalchemy import BigInteger, Identity, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base

MOST_AT_ONCE = 1000

Handler = Callable[[AsyncSession, "Redis", Sequence["OutboxMessage"]], Awaitable[None]]
"""Told the waiting messages of its topic, oldest first."""


class OutboxMessage(NamedTuple):
    """One thing to pass on, as handlers are told of it."""

    id: int
    topic: str
    key: str
    payload: dict[str, Any]


class OutboxRow(Base):
    """The table of what is to be passed on."""

    __tablename__ = "outbox_message"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    topic: Mapped[str]
    key: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def add(session: AsyncSession, topic: str, key: str, payload: dict[str, Any]) -> None:
    """Leave one message, to be relayed once this transaction has committed."""
    await add_many(session, topic, [(key, payload)])


async def add_many(session: AsyncSession, topic: str, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Leave several messages of one topic in one round trip."""
    if messages:
        await session.execute(
            text(
                "insert into outbox_message (topic, key, payload)"
                " select :topic, n.key, cast(n.payload as jsonb)"
                " from unnest(cast(:keys as text[]), cast(:payloads as text[])) as n(key, payload)"
            ),
            {
                "topic": topic,
                "keys": [key for key, _ in messages],
                "payloads": [msgspec.json.encode(payload).decode() for _, payload in messages],
            },
        )


async def relay(
    session: AsyncSession, redis: Redis, handlers: Mapping[str, Handler], limit: int = MOST_AT_ONCE
) -> int:
    """Pass on up to `limit` waiting messages and remove them; the number passed on.

    Several relays may run: each takes rows that no other holds. A topic without a handler is left alone.
    """
    rows = await session.execute(
        text(
            "select id, topic, key, payload from outbox_message where topic = any(:topics)"
            " order by id limit :limit for update skip locked"
        ),
        {"topics": list(handlers), "limit": limit},
    )
    taken = [OutboxMessage(*row) for row in rows]
    by_topic: dict[str, list[OutboxMessage]] = {}
    for message in taken:
        by_topic.setdefault(message.topic, []).append(message)
    for topic, handler in handlers.items():  # in one order, so that relays side by side lock in one order
        if topic in by_topic:
            await handler(session, redis, by_topic[topic])
    if taken:
        await session.execute(
            text("delete from outbox_message where id = any(:ids)"), {"ids": [m.id for m in taken]}
        )
    return len(taken)

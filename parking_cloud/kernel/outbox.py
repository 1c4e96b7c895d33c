"""The outbox: what must happen after a commit is written in the same transaction, and relayed afterwards.

Relaying is at least once: a handler that is told the same thing twice must do no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import BigInteger, Identity, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base

Handler = Callable[[AsyncSession, "Redis", Sequence["OutboxMessage"]], Awaitable[None]]
"""Told the waiting messages of its topic, oldest first."""


class OutboxMessage(Base):
    """One thing to pass on."""

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
        rows = [{"topic": topic, "key": key, "payload": payload} for key, payload in messages]
        await session.execute(insert(OutboxMessage), rows)


async def relay(
    session: AsyncSession, redis: Redis, handlers: Mapping[str, Handler], limit: int = 1000
) -> int:
    """Pass on up to `limit` waiting messages and remove them; the number passed on.

    Several relays may run: each takes rows that no other holds. A topic without a handler is left alone.
    """
    taken = (
        await session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.topic.in_(list(handlers)))
            .order_by(OutboxMessage.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    by_topic: dict[str, list[OutboxMessage]] = {}
    for message in taken:
        by_topic.setdefault(message.topic, []).append(message)
    for topic, messages in by_topic.items():
        await handlers[topic](session, redis, messages)
    if taken:
        await session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_([m.id for m in taken])))
    return len(taken)

"""`Idempotency-Key`: a request said again after a lost answer gets the first answer; nothing is done twice.

The answer is kept in the transaction of the deed: the two stand or fall together. What was refused is not
kept, so a request that is put right may use its key again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.connection import Request
from litestar.params import Parameter
from sqlalchemy import Index, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.problems import Problem

KEPT_FOR = timedelta(days=2)
T = TypeVar("T")

IdempotencyKey = Annotated[str | None, Parameter(header="Idempotency-Key", min_length=1, max_length=255)]


class KeyReused(Problem):
    slug = "idempotency-key-reused"
    status = 422
    title = {"zh-CN": "幂等键已用于其他请求", "en": "This Idempotency-Key was used for another request"}
    detail = {"zh-CN": "不同的请求请使用新的键。", "en": "Use a new key for a different request."}


class IdempotentAnswer(Base):
    """The first answer by caller, route and key; null: a deed of two transactions stopped between them."""

    __tablename__ = "idempotent_answer"
    __table_args__ = (Index("ix_idempotent_answer_created_at", "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    answer: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def claim(session: AsyncSession, *, caller: str, route: str, key: str, body: bytes) -> bytes | None:
    """The answer given before, if any; else the key is this transaction's, and others wait for it.

    Raises KeyReused where the body is another.
    """
    told = {"caller": caller, "route": route, "key": key, "hash": sha256(body).digest()}
    first = await session.scalar(
        text(
            "insert into idempotent_answer (caller, route, key, body_hash)"
            " values (:caller, :route, :key, :hash) on conflict do nothing returning true"
        ),
        told,
    )
    if first:
        return None
    before = (
        await session.execute(
            text(
                "select body_hash, answer from idempotent_answer"
                " where caller = :caller and route = :route and key = :key for update"
            ),
            told,
        )
    ).one()
    if bytes(before.body_hash) != told["hash"]:
        raise KeyReused()
    return None if before.answer is None else bytes(before.answer)


async def keep(session: AsyncSession, *, caller: str, route: str, key: str, answer: bytes) -> None:
    """Keep the answer to a claimed key."""
    await session.execute(
        text(
            "update idempotent_answer set answer = :answer"
            " where caller = :caller and route = :route and key = :key"
        ),
        {"caller": caller, "route": route, "key": key, "answer": answer},
    )


async def once(
    session: AsyncSession,
    request: Request[Any, Any, Any],
    key: str | None,
    shape: type[T],
    deed: Callable[[], Awaitable[T]],
) -> T:
    """What `deed` answers, or answered to this signed-in caller's request with this key before."""
    if key is None:
        return await deed()
    whose = {"caller": str(request.user.user_id), "route": request.url.path, "key": key}
    before = await claim(session, **whose, body=await request.body())
    if before is not None:
        return msgspec.json.decode(before, type=shape)
    answer = await deed()
    await keep(session, **whose, answer=msgspec.json.encode(answer))
    return answer


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Remove answers that nobody asks for any more; a regular job."""
    await session.execute(
        text("delete from idempotent_answer where created_at < :before"), {"before": now - KEPT_FOR}
    )

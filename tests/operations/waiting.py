"""Whether a session waits for another."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def waits(session: AsyncSession, pid: int) -> bool:
    """True while the backend with this process id waits for a lock."""
    return bool(
        await session.scalar(
            text("select exists (select from pg_locks where pid = :pid and not granted)"), {"pid": pid}
        )
    )

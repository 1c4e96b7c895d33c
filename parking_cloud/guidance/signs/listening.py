"""Since when boards can reach us: while nobody of ours listened, a board's silence is no fault of its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.signs.models import SignListening
from parking_cloud.guidance.signs.rules import LISTENS_UNTIL, Listening, Way


async def note_listening(session: AsyncSession, way: Way, now: datetime) -> None:
    """A process listens; every few seconds. Where nobody had for longer, it is since now."""
    await session.execute(
        text(
            "insert into sign_listening as l (way, since, until) values (:way, :now, :now)"
            " on conflict (way) do update set until = greatest(l.until, excluded.until),"
            " since = case when excluded.until - l.until > :gap then excluded.since else l.since end"
        ),
        {"way": way.value, "now": now, "gap": LISTENS_UNTIL},
    )


async def listening(session: AsyncSession) -> dict[Way, Listening]:
    """By the way that boards reach us, from when until when they could."""
    rows = await session.scalars(select(SignListening))
    return {Way(row.way): Listening(row.since, row.until) for row in rows}

"""The health of data sources: when each was last heard, and whether it is late.

For those that send of themselves: network servers, institutions, counters, gates. (What the gateway polls,
it watches itself: `/health/sources` on the intake.)
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.occupancy.clocks import source_clocks
from parking_cloud.operations.events import SOURCE_HEALTH
from parking_cloud.operations.models import SourceWatch
from parking_cloud.operations.rules import Rhythm, heard_again, is_late, late_after
from parking_cloud.operations.schemas import SourceOut, SourceState

_APART = timedelta(seconds=1)
"""Words of a source closer together than this are one."""


class Received(Protocol):
    """An observation, or a record of a gate: who sent it, and when it arrived."""

    @property
    def source(self) -> str: ...

    @property
    def received_at(self) -> datetime: ...


class SourceEar:
    """Gathers in memory when sources were heard; `flush` writes it, every second and outside the batches."""

    def __init__(self) -> None:
        self._words: dict[str, list[datetime]] = {}

    def note(self, received: Iterable[Received]) -> None:
        """Take in what arrived."""
        for one in received:
            words = self._words.setdefault(one.source, [])
            if not words or abs(one.received_at - words[-1]) >= _APART:
                words.append(one.received_at)

    async def flush(self, session: AsyncSession) -> None:
        """Carry each source's rhythm on by what was heard of it since the last flush."""
        if not self._words:
            return
        heard, self._words = self._words, {}  # what is noted meanwhile is for the next flush
        rows = await session.scalars(
            select(SourceWatch)
            .where(SourceWatch.source.in_(list(heard)))
            .order_by(SourceWatch.source)
            .with_for_update()
        )
        before = {row.source: _rhythm(row) for row in rows}
        after = {name: _after(before.get(name), words) for name, words in sorted(heard.items())}
        await session.execute(
            text(
                "insert into source_watch (source, heard_at, usual_s, watched_s)"
                " select * from unnest(cast(:sources as text[]), cast(:times as timestamptz[]),"
                " cast(:usual as float8[]), cast(:watched as float8[])) on conflict (source) do update"
                " set heard_at = excluded.heard_at, usual_s = excluded.usual_s,"
                " watched_s = excluded.watched_s"
            ),
            {
                "sources": list(after),
                "times": [r.heard_at for r in after.values()],
                "usual": [r.usual_s for r in after.values()],
                "watched": [r.watched_s for r in after.values()],
            },
        )


def _rhythm(row: SourceWatch) -> Rhythm | None:
    return None if row.heard_at is None else Rhythm(row.heard_at, row.usual_s, row.watched_s)


def _after(rhythm: Rhythm | None, words: list[datetime]) -> Rhythm:
    first, *more = sorted(words)
    rhythm = heard_again(rhythm, first)
    for at in more:
        rhythm = heard_again(rhythm, at)
    return rhythm


async def judge_sources(session: AsyncSession, now: datetime) -> None:
    """Tell operations of each source that has fallen late, and of each that is back; every minute."""
    rows = await session.scalars(select(SourceWatch).order_by(SourceWatch.source).with_for_update())
    events = []
    for row in rows:
        late = is_late(row.heard_at, row.duty_since, late_after(row.usual_s, row.duty_s), now)
        if late == (row.late_since is not None):
            continue
        row.late_since = now if late else None
        events.append((row.source, {"state": "late" if late else "back", "at": now.isoformat()}))
    await session.flush()
    await outbox.add_many(session, SOURCE_HEALTH, events)


async def list_sources(session: AsyncSession, now: datetime) -> list[SourceOut]:
    """All sources that were heard or have a duty, by name."""
    watched = {row.source: row for row in await session.scalars(select(SourceWatch))}
    clocks = {clock.source: clock for clock in await source_clocks(session)}
    found = []
    for name, row in sorted(watched.items()):
        clock = clocks.get(name)
        limit = late_after(row.usual_s, row.duty_s)
        late = is_late(row.heard_at, row.duty_since, limit, now)
        found.append(
            SourceOut(
                source=name,
                state=SourceState.LATE if late else SourceState.OK,
                last_heard=row.heard_at,
                late_since=row.late_since,
                usual_s=None if row.usual_s is None else round(row.usual_s, 1),
                duty_s=row.duty_s,
                late_after_s=None if limit is None else limit.total_seconds(),
                skew_s=None if clock is None else clock.skew_s,
                ahead=0 if clock is None else clock.ahead,
            )
        )
    return found


async def set_duty(session: AsyncSession, source: str, every_s: int | None, now: datetime) -> None:
    """Say how often a source has to send something (None: as it usually does); also before it ever did."""
    await session.execute(
        text(
            "insert into source_watch as s (source, watched_s, duty_s, duty_since)"
            " values (:source, 0, :every, :since) on conflict (source) do update"
            " set duty_s = excluded.duty_s, duty_since = excluded.duty_since"
        ),
        {"source": source, "every": every_s, "since": None if every_s is None else now},
    )
    await session.execute(text("delete from source_watch where heard_at is null and duty_s is null"))

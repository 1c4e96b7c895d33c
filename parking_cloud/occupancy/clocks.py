"""Clock skew: how far each source's clock is from ours, by the statements that arrive at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

import msgspec
from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from sensor_gateway.observation import Observation

_FRESH = timedelta(minutes=10)
"""What arrives later than this after its own time was held up on its way: it says nothing of a clock."""
_SAMPLES = 1_000
_WEIGHT = 0.2

SKEW = Gauge("parking_source_skew_seconds", "Arrival minus the source's own time, moving mean", ["source"])


class SourceClock(msgspec.Struct, frozen=True):
    """A source's clock as measured. `skew_s` below zero: it is ahead of ours."""

    source: str
    received_at: datetime
    skew_s: float
    ahead: int
    """Statements dated ahead of their arrival, so far."""


class ClockWatch:
    """Gathers delays in memory; `flush` writes them, every few seconds and outside the batches."""

    def __init__(self) -> None:
        self._delays: dict[str, list[float]] = {}
        self._ahead: dict[str, int] = {}
        self._newest: dict[str, datetime] = {}

    def note(self, fresh: Iterable[Observation]) -> None:
        """Take in what a batch recorded."""
        for o in fresh:
            delay = o.received_at - (o.sent_at or o.observed_at)
            if delay > _FRESH:
                continue
            delays = self._delays.setdefault(o.source, [])
            if len(delays) < _SAMPLES:
                delays.append(delay.total_seconds())
            self._ahead[o.source] = self._ahead.get(o.source, 0) + (o.sent_at is not None)
            self._newest[o.source] = max(o.received_at, self._newest.get(o.source, o.received_at))

    async def flush(self, session: AsyncSession) -> None:
        """Write the medians since the last flush into each source's moving mean."""
        if not self._delays:
            return
        delays, ahead, newest = self._delays, self._ahead, self._newest
        self._delays, self._ahead, self._newest = {}, {}, {}  # what is noted meanwhile is for the next time
        sources = sorted(delays)
        rows = await session.execute(
            text(
                """
                insert into source_state as s (source, received_at, skew_s, ahead)
                select * from unnest(cast(:sources as text[]), cast(:times as timestamptz[]),
                    cast(:skews as float8[]), cast(:ahead as bigint[]))
                on conflict (source) do update set
                    received_at = greatest(s.received_at, excluded.received_at),
                    skew_s = s.skew_s + :weight * (excluded.skew_s - s.skew_s),
                    ahead = s.ahead + excluded.ahead
                returning source, skew_s
                """
            ),
            {
                "sources": sources,
                "times": [newest[name] for name in sources],
                "skews": [median(delays[name]) for name in sources],
                "ahead": [ahead[name] for name in sources],
                "weight": _WEIGHT,
            },
        )
        for source, skew in rows:
            SKEW.labels(source).set(skew)


async def source_clocks(session: AsyncSession) -> list[SourceClock]:
    """The clocks of all sources that have spoken, by name."""
    rows = await session.execute(
        text("select source, received_at, skew_s, ahead from source_state order by source")
    )
    return [SourceClock(*row) for row in rows]

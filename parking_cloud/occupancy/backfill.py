"""`parking-cloud backfill-series`: counted facilities' series from the history, of days before it began.

Full counts alone: how a facility stood between them, or what its sensors said then, is not worked out again.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings, load_settings
from parking_cloud.occupancy.profiling import LOOKED_AT
from parking_cloud.occupancy.series import ensure_months

_COUNTS = text(
    """
    insert into facility_series (facility_id, at, free, occupied, capacity)
    select f.id, n.at, least(greatest(n.free, 0), f.capacity),
        f.capacity - least(greatest(n.free, 0), f.capacity), f.capacity
    from (
        select distinct on (o.facility_id, at) o.facility_id, o.free,
            date_bin('5 minutes', o.observed_at, 'epoch') + interval '5 minutes' as at
        from observation o
        where o.kind = 'count' and o.free is not null and o.observed_at >= :since and o.observed_at < :until
        order by o.facility_id, at, o.observed_at desc, o.id desc
    ) n join facility_now f on f.id = n.facility_id and f.counting = 'counter'
    on conflict (facility_id, at) do nothing
    """
)


async def backfill_day(session: AsyncSession, day: date) -> int:
    """Write what facilities counted on a day (UTC), each at the next moment of the grid. How many rows."""
    since = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
    until = since + timedelta(days=1)
    await ensure_months(session, {day, until.date()})
    result: Any = await session.execute(_COUNTS, {"since": since, "until": until})
    return int(result.rowcount)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=LOOKED_AT.days, help="how far back")


def run(args: argparse.Namespace) -> int:
    """Day by day; running it again adds what is missing."""
    asyncio.run(_backfill(load_settings(), args.days))
    return 0


async def _backfill(settings: Settings, days: int) -> None:
    engine = make_engine(settings)
    sessions = make_sessions(engine)
    today = datetime.now(UTC).date()
    try:
        for ago in range(1, days + 1):
            day = today - timedelta(days=ago)
            async with transaction(sessions) as session:
                print(f"{day}: {await backfill_day(session, day)} numbers", flush=True)
    finally:
        await engine.dispose()

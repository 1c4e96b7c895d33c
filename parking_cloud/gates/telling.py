"""What gates tell counting: entries less exits of stretches of time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.counters import Net, Span


async def told_by_gates(session: AsyncSession, spans: Sequence[Span]) -> list[Net | None]:
    """Entries less exits of each span. None: no gate event; one that is void shows that there is a gate."""
    rows = await session.execute(
        text(
            "select n.place, count(*) filter (where not p.voided and p.direction = 'entry')"
            " - count(*) filter (where not p.voided and p.direction = 'exit'),"
            " max(p.occurred_at) filter (where not p.voided)"
            " from unnest(cast(:places as int[]), cast(:facilities as uuid[]),"
            " cast(:starts as timestamptz[]), cast(:ends as timestamptz[]))"
            " as n(place, facility_id, after, until)"
            " join gate_passage p on p.facility_id = n.facility_id and p.occurred_at > n.after"
            " and p.occurred_at <= coalesce(n.until, 'infinity') group by n.place"
        ),
        {
            "places": list(range(len(spans))),
            "facilities": [span.facility_id for span in spans],
            "starts": [span.after for span in spans],
            "ends": [span.until for span in spans],
        },
    )
    nets: list[Net | None] = [None] * len(spans)
    for place, vehicles, newest in rows:
        nets[place] = Net(vehicles, newest, by_gates=True)
    return nets

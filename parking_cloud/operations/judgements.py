"""Whether a device was right, by what people found and by what the check of a disagreement showed.

A disagreement counts against the sensor until its check says otherwise: `person_wrong` counts for it,
`moved_meanwhile` counts for neither, and what was found before a device was `replaced` says nothing of it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_JUDGED = """
    select f.device_id, f.facility_id, f.found_at, f.id,
        case when f.agrees or c.outcome = 'person_wrong' then true
            when c.outcome = 'moved_meanwhile' then null else false end as was_right
    from finding f left join sensor_check c on c.id = f.check_id
    where f.agrees is not null and f.found_at > coalesce(
        (select max(r.closed_at) from sensor_check r
            where r.device_id = f.device_id and r.outcome = 'replaced'), '-infinity')
"""


async def last_judgements(
    session: AsyncSession, count: int, *, least: int
) -> dict[UUID, tuple[UUID, list[bool]]]:
    """Of devices with at least so many disagreements: facility, last `count` judgements, newest first."""
    # So it costs as much as there are such devices, however many findings there are.
    rows = await session.execute(
        text(
            "with suspects as (select device_id from finding where not agrees"
            " group by device_id having count(*) >= :least)"
            " select s.device_id, min(cast(facility_id as text)),"
            " array_agg(was_right order by found_at desc, j.id desc)"
            f" from suspects s, lateral (select * from ({_JUDGED} and f.device_id = s.device_id) all_of_it"
            " where was_right is not null order by found_at desc, id desc limit :count) j"
            " group by s.device_id"
        ),
        {"count": count, "least": least},
    )
    return {device: (UUID(facility), list(right)) for device, facility, right in rows}


async def counts_of(session: AsyncSession, device_id: UUID) -> tuple[int, int]:
    """How often a device was right and wrong."""
    row = (
        await session.execute(
            text(
                f"select count(*) filter (where was_right), count(*) filter (where not was_right)"
                f" from ({_JUDGED} and f.device_id = :device) j"
            ),
            {"device": device_id},
        )
    ).one()
    return int(row[0]), int(row[1])


async def by_month(session: AsyncSession, device_id: UUID) -> list[tuple[str, int, int]]:
    """(month of the city's calendar, right, judged), newest first."""
    rows = await session.execute(
        text(
            "select to_char(found_at at time zone 'Asia/Shanghai', 'YYYY-MM') as month,"
            " count(*) filter (where was_right), count(*) from"
            f" ({_JUDGED} and f.device_id = :device) j where was_right is not null"
            " group by 1 order by 1 desc"
        ),
        {"device": device_id},
    )
    return [(month, int(right), int(total)) for month, right, total in rows]


async def wrong_by_facility(
    session: AsyncSession, since: datetime, until: datetime
) -> dict[UUID, tuple[int, int]]:
    """Of what people found in a time: how often sensors were wrong, and how often they were judged at all."""
    rows = await session.execute(
        text(
            "select facility_id, count(*) filter (where not was_right), count(*) from"
            f" ({_JUDGED} and f.found_at >= :since and f.found_at < :until) j where was_right is not null"
            " group by facility_id"
        ),
        {"since": since, "until": until},
    )
    return {facility: (int(wrong), int(total)) for facility, wrong, total in rows}

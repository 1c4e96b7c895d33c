"""How sure each facility's numbers are: what people found of its devices, and how old its statements are.

Per facility the sums stand in `facility_state`, written by the worker every 20 seconds: so a reader pays
nothing for them. Between two runs they are carried on by their age (rules.carried_on).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.rules import PRIOR_RIGHT, PRIOR_TOTAL

# rules.certainty and rules.accuracy, for all spaces at once. A space that several devices watch counts by
# the one that says most; a counted facility by the average of those that tell of counts or passages.
# All tables whole, by hash: 100,000 spaces take some tenths of a second.
_TRUST = """(cast(:right as float8) + coalesce(a.agreed, 0))
    / (:total + coalesce(a.agreed, 0) + coalesce(a.disagreed, 0)) * case when a.doubted then 0.5 else 1 end"""
_FADED = "power(0.5, greatest(extract(epoch from :now - {at}), 0) / cast(:limit_s as float8))"
_SUMS = text(
    f"""
    with spaces as (
        select s.facility_id, s.observed_at, max({_TRUST}) as trust, bool_or(a.doubted is not true) as known
        from space_state s
            join device_watch w on w.space_id = s.space_id
            left join device_accuracy a on a.device_id = w.device_id
        where s.observed_at >= :oldest group by s.space_id
    ), summed as (
        select facility_id, count(*) filter (where known) as known,
            sum(trust * {_FADED.format(at="observed_at")}) as certain
        from spaces group by facility_id
    ), counters as (
        select w.facility_id, avg({_TRUST}) as trust
        from device_watch w
            left join device_state d on d.device_id = w.device_id
            left join device_heard h on h.device_id = w.device_id
            left join device_accuracy a on a.device_id = w.device_id
        where w.space_id is null and (d.device_id is not null or h.passage_at is not null)
        group by w.facility_id
    )
    select f.facility_id, coalesce(s.known, 0) as known,
        case when n.counting = 'spaces' then coalesce(s.certain, 0)
            when n.counted_at >= :oldest and n.counted_free is not null
            then n.capacity * coalesce(c.trust, cast(:right as float8) / :total)
                * {_FADED.format(at="n.counted_at")}
            else 0 end as certain
    from facility_state f
        join facility_now n on n.id = f.facility_id
        left join summed s on s.facility_id = f.facility_id
        left join counters c on c.facility_id = f.facility_id
    order by f.facility_id
    """
)


async def refresh_certainty(session: AsyncSession, now: datetime, *, stale_after: timedelta) -> int:
    """Write anew how much of each facility is known, and how surely; the number of facilities."""
    rows = (
        await session.execute(
            _SUMS,
            {
                "now": now,
                "oldest": now - stale_after,
                "limit_s": stale_after.total_seconds(),
                "right": PRIOR_RIGHT,
                "total": PRIOR_TOTAL,
            },
        )
    ).all()
    # Summed up without a lock; locked in the projector's order, for as long as it takes to write.
    await session.execute(text("select from facility_state order by facility_id for no key update"))
    await session.execute(
        text(
            "update facility_state f set known_spaces = n.known, certain_spaces = n.certain,"
            " certain_at = :now"
            " from unnest(cast(:ids as uuid[]), cast(:known as int[]), cast(:certain as float8[]))"
            " as n(facility_id, known, certain) where f.facility_id = n.facility_id"
        ),
        {
            "now": now,
            "ids": [row.facility_id for row in rows],
            "known": [row.known for row in rows],
            "certain": [row.certain for row in rows],
        },
    )
    return len(rows)


async def set_accuracy(session: AsyncSession, device_id: UUID, *, agreed: int, disagreed: int) -> None:
    """Take over how often people found a device right and wrong."""
    await session.execute(
        text(
            "insert into device_accuracy as a (device_id, agreed, disagreed, doubted)"
            " values (:device, :agreed, :disagreed, false) on conflict (device_id) do update"
            " set agreed = excluded.agreed, disagreed = excluded.disagreed"
        ),
        {"device": device_id, "agreed": agreed, "disagreed": disagreed},
    )


async def set_doubted(session: AsyncSession, devices: Collection[UUID]) -> None:
    """Say that an open fault puts in doubt what these devices say, and of no others."""
    ids = {"ids": list(devices)}
    await session.execute(
        text(
            "insert into device_accuracy as a (device_id, agreed, disagreed, doubted)"
            " select id, 0, 0, true from unnest(cast(:ids as uuid[])) as n(id) order by id"
            " on conflict (device_id) do update set doubted = true where not a.doubted"
        ),
        ids,
    )
    await session.execute(
        text(
            "update device_accuracy a set doubted = false where a.doubted and not exists"
            " (select from unnest(cast(:ids as uuid[])) as n(id) where n.id = a.device_id)"
        ),
        ids,
    )

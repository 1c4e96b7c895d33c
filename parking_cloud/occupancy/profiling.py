"""Profiles made from the series, some facilities at a time so that it holds up no live numbers.

Each facility's turn comes once a day. Its kind's profile is made of its fellows' of the day before. One of
which nothing was known has its turn as well, so that it is not looked for again every minute: its profile
rests on no days, and counts for none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.profile import SLOTS, UNKNOWN, HalfHours, Profile, build, pooled
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.occupancy.profiles import (
    RESTS_ON_DAYS,
    keep_kind_profiles,
    keep_profiles,
    kind_profiles,
    kind_profiles_made,
    profile_of,
)
from parking_cloud.occupancy.series import HALF_HOUR_S, HalfHourShares, half_hours

LOOKED_AT = timedelta(days=56)
AGAIN_AFTER = timedelta(hours=20)
_AT_ONCE = 200
_FELLOWS = 500
"""A kind's profile is made of at most so many facilities'."""

_DUE = text(
    "select f.id, f.kind from facility_now f left join occupancy_profile p on p.facility_id = f.id"
    " where p.made_at is null or p.made_at < :before order by p.made_at nulls first, f.code limit :most"
)


async def refresh_profiles(session: AsyncSession, now: datetime) -> int:
    """Make the profiles whose turn it is, and of what was made the kinds'. How many had their turn."""
    since = now - LOOKED_AT
    due = await session.execute(_DUE, {"before": now - AGAIN_AFTER, "most": _AT_ONCE})
    facilities = {row.id: row.kind for row in due}
    if facilities:
        seen = await half_hours(session, list(facilities), since, now)
        usual = await kind_profiles(session)
        await keep_profiles(session, _made(facilities, seen, usual, now), now)
    await _refresh_kinds(session, now)
    return len(facilities)


def _made(
    facilities: Mapping[UUID, str], seen: HalfHourShares, usual: Mapping[str, Profile], now: datetime
) -> dict[UUID, Profile]:
    today = city_time(now).date()
    offset = city_time(now).utcoffset() or timedelta(0)
    local = seen.half_hour + int(offset.total_seconds()) // HALF_HOUR_S
    ordinals, slots = np.divmod(local, SLOTS)
    days = np.unique(ordinals)
    kinds = np.array([int(day_of(_date(int(day)))[0]) for day in days], np.intp)
    day_kinds = kinds[np.searchsorted(days, ordinals)] if len(days) else np.zeros(0, np.intp)
    ago = (today - date(1970, 1, 1)).days - ordinals
    profiles: dict[UUID, Profile] = {}
    order = np.argsort(seen.facility, kind="stable")
    bounds = np.searchsorted(seen.facility[order], np.arange(len(facilities) + 1))
    for number, (facility_id, kind) in enumerate(facilities.items()):
        at = order[bounds[number] : bounds[number + 1]]
        of_facility = HalfHours(
            ago[at].astype(np.float64),
            day_kinds[at],
            slots[at].astype(np.intp),
            seen.share[at],
            seen.within[at],
        )
        profiles[facility_id] = build(of_facility, usual.get(kind, UNKNOWN))
    return profiles


def _date(days: int) -> date:
    return date(1970, 1, 1) + timedelta(days=days)


async def _refresh_kinds(session: AsyncSession, now: datetime) -> None:
    """Once a day, and for a kind that has none yet."""
    made = await kind_profiles_made(session)
    there = await session.scalars(
        text(
            "select distinct f.kind from facility_now f join occupancy_profile p on p.facility_id = f.id"
            f" where {RESTS_ON_DAYS}"
        )
    )
    due = [kind for kind in there if made.get(kind, datetime.min.replace(tzinfo=UTC)) < now - AGAIN_AFTER]
    for kind in due:
        fellows = await _fellows(session, kind)
        await keep_kind_profiles(session, {kind: (pooled(fellows), len(fellows))}, now)


async def _fellows(session: AsyncSession, kind: str) -> Sequence[Profile]:
    rows: Any = await session.execute(
        text(
            "select p.means, p.sds from occupancy_profile p join facility_now f on f.id = p.facility_id"
            f" where f.kind = :kind and {RESTS_ON_DAYS} order by p.made_at desc, f.code limit :most"
        ),
        {"kind": kind, "most": _FELLOWS},
    )
    return [profile_of(row.means, row.sds) for row in rows]

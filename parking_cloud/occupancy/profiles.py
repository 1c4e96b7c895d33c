"""Profiles in the database: kept, and read by the thousand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.profile import DAYS, SLOTS, Profile

_PAGE = 5_000
RESTS_ON_DAYS = "p.work_days + p.rest_days + p.holidays > 0"
"""Of a row `p`: something was seen of the place, so this is more than what is usual for its kind."""


class StoredProfile(NamedTuple):
    """A facility's profile as it lies in the database."""

    facility_id: UUID
    means: bytes
    sds: bytes
    made_at: datetime


async def stored_profiles(
    session: AsyncSession, since: datetime | None = None
) -> AsyncIterator[list[StoredProfile]]:
    """All profiles of places that were seen, or those made after `since`, some thousand at a time."""
    rows = await session.stream(
        text(
            f"select facility_id, means, sds, made_at from occupancy_profile p where {RESTS_ON_DAYS}"
            " and (cast(:since as timestamptz) is null or made_at > :since)"
        ),
        {"since": since},
    )
    async for page in rows.partitions(_PAGE):
        yield [StoredProfile(*row) for row in page]


async def kind_profiles(session: AsyncSession) -> dict[str, Profile]:
    """By kind of facility, where anything was seen of it."""
    rows = await session.execute(text("select kind, means, sds from kind_profile"))
    return {row.kind: profile_of(row.means, row.sds) for row in rows}


async def kind_profiles_made(session: AsyncSession) -> dict[str, datetime]:
    """When each kind's was made."""
    rows = await session.execute(text("select kind, made_at from kind_profile"))
    return {row.kind: row.made_at for row in rows}


def profile_of(means: bytes, sds: bytes) -> Profile:
    """A profile from its bytes."""
    return Profile(
        np.frombuffer(means, np.uint8).reshape(DAYS, SLOTS),
        np.frombuffer(sds, np.uint8).reshape(DAYS, SLOTS),
    )


async def keep_profiles(session: AsyncSession, profiles: Mapping[UUID, Profile], now: datetime) -> None:
    """Write facilities' profiles over those they had."""
    await session.execute(
        text(
            "insert into occupancy_profile"
            " (facility_id, means, sds, work_days, rest_days, holidays, made_at)"
            " select n.*, :now from unnest(cast(:ids as uuid[]), cast(:means as bytea[]),"
            " cast(:sds as bytea[]), cast(:work as float8[]), cast(:rest as float8[]),"
            " cast(:holidays as float8[])) as n"
            " on conflict (facility_id) do update set means = excluded.means, sds = excluded.sds,"
            " work_days = excluded.work_days, rest_days = excluded.rest_days,"
            " holidays = excluded.holidays, made_at = excluded.made_at"
        ),
        {
            "ids": list(profiles),
            "means": [profile.means.tobytes() for profile in profiles.values()],
            "sds": [profile.sds.tobytes() for profile in profiles.values()],
            "work": [profile.days[0] for profile in profiles.values()],
            "rest": [profile.days[1] for profile in profiles.values()],
            "holidays": [profile.days[2] for profile in profiles.values()],
            "now": now,
        },
    )


async def keep_kind_profiles(
    session: AsyncSession, kinds: Mapping[str, tuple[Profile, int]], now: datetime
) -> None:
    """Write the kinds' profiles, each with the number of facilities it is made of."""
    for kind, (profile, facilities) in kinds.items():
        await session.execute(
            text(
                "insert into kind_profile (kind, means, sds, facilities, made_at)"
                " values (:kind, :means, :sds, :facilities, :now)"
                " on conflict (kind) do update set means = excluded.means, sds = excluded.sds,"
                " facilities = excluded.facilities, made_at = excluded.made_at"
            ),
            {
                "kind": kind,
                "means": profile.means.tobytes(),
                "sds": profile.sds.tobytes(),
                "facilities": facilities,
                "now": now,
            },
        )

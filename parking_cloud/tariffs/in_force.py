"""Which tariffs hold where, for those who price in memory: in pages, with sums that tell what has changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.tariffs import rules
from parking_cloud.tariffs.models import TariffVersion
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.schemas import VehicleClass

_SUMS = text(
    "select get_byte(uuid_send(a.facility_id), 15), bit_xor(hashtextextended(a::text, 0))"
    " from tariff_assignment a group by 1"
)
_PAGE = text(
    "select id, facility_id, tariff_id, valid_from, valid_until from tariff_assignment"
    " where id > :after and get_byte(uuid_send(facility_id), 15) = any(:buckets)"
    " and coalesce(valid_until, 'infinity') > :since order by id limit :limit"
)


class Assigned(NamedTuple):
    """A tariff holds at a facility from one moment to another."""

    id: UUID
    facility_id: UUID
    tariff_id: UUID
    valid_from: datetime
    valid_until: datetime | None


class Version(NamedTuple):
    """What a tariff says from one moment to another."""

    tariff_id: UUID
    version_id: UUID
    effective_from: datetime
    effective_until: datetime | None


async def assignment_sums(session: AsyncSession) -> dict[int, int]:
    """For each bucket of facilities (registry/guide.py) a sum that changes when an assignment does."""
    return {row[0]: row[1] for row in await session.execute(_SUMS)}


async def assignments_page(
    session: AsyncSession, buckets: Collection[int], *, since: datetime, after: UUID, limit: int = 500
) -> list[Assigned]:
    """What holds at facilities of these buckets at some time after `since`; by id, those after `after`."""
    values = {"buckets": list(buckets), "since": since, "after": after, "limit": limit}
    return [Assigned(*row) for row in await session.execute(_PAGE, values)]


async def versions_since(session: AsyncSession, since: datetime) -> list[Version]:
    """Every version that is in force at some time after `since`, by tariff and time."""
    ends = TariffVersion.effective_until
    rows = await session.execute(
        select(TariffVersion.tariff_id, TariffVersion.id, TariffVersion.effective_from, ends)
        .where(or_(ends.is_(None), ends > since))
        .order_by(TariffVersion.tariff_id, TariffVersion.effective_from)
    )
    return [Version(*row) for row in rows]


def amount_of(plan: Plan, vehicle: VehicleClass, entered_at: datetime, left_at: datetime) -> int | None:
    """What a stay without a permit costs; None where that hangs on holidays that nobody knows yet."""
    try:
        return rules.price(plan, vehicle=vehicle, entered_at=entered_at, left_at=left_at).amount
    except UnknownHolidayYear:
        return None

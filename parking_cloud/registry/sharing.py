"""What the registry knows of facilities that share spaces."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.models import Facility, Institution, Space


class SharedSpace(NamedTuple):
    """A space that its institution shares."""

    id: UUID
    number: str
    kind: str


class SharingFacility(NamedTuple):
    """An institution's facility: what it has, and how much of it is shared."""

    id: UUID
    code: str
    name: str
    district: str
    operator_id: UUID
    institution_id: UUID | None
    institution: str
    spaces: int
    chargers: int
    shared: int
    shared_chargers: int


async def shared_spaces(
    session: AsyncSession, facility_ids: Collection[UUID]
) -> dict[UUID, list[SharedSpace]]:
    """The shared spaces of these facilities, by number; those without any are left out."""
    rows = await session.execute(
        select(Space.facility_id, Space.id, Space.number, Space.kind)
        .where(Space.facility_id.in_(facility_ids), Space.shared)
        .order_by(Space.facility_id, Space.number)
    )
    found: dict[UUID, list[SharedSpace]] = {}
    for row in rows:
        found.setdefault(row.facility_id, []).append(SharedSpace(row.id, row.number, row.kind))
    return found


async def facility_of_spaces(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """All spaces of these facilities, also those that are not shared any more: the facility of each."""
    rows = await session.execute(
        select(Space.id, Space.facility_id).where(Space.facility_id.in_(facility_ids))
    )
    return {row.id: row.facility_id for row in rows}


async def sharing_facilities(
    session: AsyncSession,
    *,
    facility_ids: Collection[UUID] | None = None,
    institution_id: UUID | None = None,
) -> list[SharingFacility]:
    """Institutions' facilities by code; these, or one institution's, where they are given."""
    query = select(
        Facility.id,
        Facility.code,
        Facility.name,
        Facility.district,
        Facility.operator_id,
        Facility.institution_id,
        Institution.name,
        Facility.capacity,
    ).join(Institution, Institution.id == Facility.institution_id)
    if facility_ids is not None:
        query = query.where(Facility.id.in_(facility_ids))
    if institution_id is not None:
        query = query.where(Facility.institution_id == institution_id)
    rows = (await session.execute(query.order_by(Facility.code))).all()
    counted = await session.execute(
        text(
            "select facility_id, count(*) filter (where kind = 'charging') as chargers,"
            " count(*) filter (where shared) as shared,"
            " count(*) filter (where shared and kind = 'charging') as shared_chargers"
            " from space where facility_id = any(:ids) group by facility_id"
        ),
        {"ids": [row.id for row in rows]},
    )
    counts = {row.facility_id: (row.chargers, row.shared, row.shared_chargers) for row in counted}
    return [SharingFacility(*row, *counts.get(row.id, (0, 0, 0))) for row in rows]


async def facilities_near(session: AsyncSession, facility_id: UUID, metres: int) -> list[UUID]:
    """Other facilities within so many metres of one, nearest first."""
    rows = await session.scalars(
        text(
            "select o.id from facility f join facility o on o.id <> f.id"
            " and st_dwithin(o.position, f.position, :metres) where f.id = :id"
            " order by st_distance(o.position, f.position), o.id limit 200"
        ),
        {"id": facility_id, "metres": metres},
    )
    return list(rows)


async def institution_ids(session: AsyncSession) -> dict[str, UUID]:
    """All institutions, by code."""
    rows = await session.execute(select(Institution.code, Institution.id).order_by(Institution.code))
    return {row.code: row.id for row in rows}

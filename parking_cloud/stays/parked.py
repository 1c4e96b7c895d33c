"""“I'm parked”: a driver finds the space they stand on, and says so with one press.

A position finds the nearest spaces, with the driver's consent, and is not kept. Without it the space is found
by the number painted on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import Purpose
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import held_vehicle, holdings
from parking_cloud.kernel.coordinates import Position
from parking_cloud.registry.naming import facilities_named
from parking_cloud.registry.service import (
    facility_label,
    facility_labels,
    space_by_number,
    space_numbers,
    spaces_near,
)
from parking_cloud.stays import marking
from parking_cloud.stays.marking import SpaceNotFound
from parking_cloud.stays.models import StayMark
from sensor_gateway.sealing import PlateVault

_METRES = 80.0
"""A phone among houses is seldom surer than that."""
_MOST = 8


class NearestSpace(msgspec.Struct, frozen=True, kw_only=True):
    """A space that may be the one; `metres` from the position, where one was given."""

    space_id: UUID
    number: str
    facility: str
    metres: int | None


class ParkedOut(msgspec.Struct, frozen=True, kw_only=True):
    """An open stay that began with the driver's own word."""

    stay_id: UUID
    vehicle_id: UUID
    facility: str
    space: str
    since: datetime


async def nearest(session: AsyncSession, who: Identity, here: Position) -> list[NearestSpace]:
    """The spaces nearest to a driver. Raises ConsentNeeded."""
    await consents.needed(session, who.user_id, Purpose.POSITION)
    found = (await spaces_near(session, [(who.user_id, here.lat, here.lon)], _METRES)).get(who.user_id, [])
    found = found[:_MOST]
    numbers = await space_numbers(session, [space.space_id for space in found])
    places = await facility_labels(session, {space.facility_id for space in found})
    return [
        NearestSpace(
            space_id=space.space_id,
            number=numbers[space.space_id],
            facility=places[space.facility_id].name,
            metres=round(space.distance_m),
        )
        for space in found
    ]


async def by_number(session: AsyncSession, facility: str, number: str) -> NearestSpace:
    """The space of that number at a facility (its id, code or name). Raises SpaceNotFound."""
    place = await facility_label(session, facility)
    if place is None:
        named = [found for found in await facilities_named(session, facility, 2) if found.name == facility]
        place = await facility_label(session, named[0].code) if len(named) == 1 else None
    space = await space_by_number(session, place.id, number.strip()) if place else None
    if place is None or space is None:
        raise SpaceNotFound()
    return NearestSpace(space_id=space, number=number.strip(), facility=place.name, metres=None)


async def park(
    session: AsyncSession, vault: PlateVault, who: Identity, vehicle_id: UUID, space_id: UUID, now: datetime
) -> UUID:
    """One's vehicle stands on a space from now on; its stay.

    Raises ClaimNotFound, SpaceNotFound, AlreadyThere.
    """
    held = await held_vehicle(session, who.user_id, vehicle_id)
    plate = vault.open(held.plate_sealed).reveal()
    return await marking.start(
        session, vault, who, space_id=space_id, plate=plate, color=None, at=now, now=now
    )


async def parked(session: AsyncSession, user_id: UUID) -> list[ParkedOut]:
    """Where one's vehicles stand by one's own word; such a stay one ends oneself."""
    held = {holding.plate_hash: holding.binding_id for holding in await holdings(session, user_id)}
    rows = (
        await session.execute(
            text(
                "select distinct s.id, s.plate_hash, s.facility_id, s.space_id, s.entered_at from stay s"
                " join stay_mark m on m.plate_hash = s.plate_hash and m.facility_id = s.facility_id"
                " and m.kind = 'start' and m.at = s.derived_entered_at and m.said_by = :user"
                " where s.plate_hash = any(:plates) and s.state = 'open' and s.opened_by = 'driver'"
                " and s.entry_event_id is null order by s.entered_at desc"
            ),
            {"user": user_id, "plates": list(held)},
        )
    ).all()
    places = await facility_labels(session, {row.facility_id for row in rows})
    numbers = await space_numbers(session, {row.space_id for row in rows if row.space_id})
    return [
        ParkedOut(
            stay_id=row.id,
            vehicle_id=held[bytes(row.plate_hash)],
            facility=places[row.facility_id].name,
            space=numbers.get(row.space_id, ""),
            since=row.entered_at,
        )
        for row in rows
    ]


async def said_by(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """What a driver said of their stays: for the document of all that is kept about them."""
    rows = await session.execute(
        select(StayMark.facility_id, StayMark.space_id, StayMark.kind, StayMark.at)
        .where(StayMark.said_by == user_id)
        .order_by(StayMark.id)
    )
    return [dict(row) for row in rows.mappings()]

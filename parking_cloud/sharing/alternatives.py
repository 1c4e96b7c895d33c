"""Where else to park, now: for whoever was turned away, or will be."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.money import Fen
from parking_cloud.occupancy.schemas import FacilityNow
from parking_cloud.occupancy.service import get_facilities, near
from parking_cloud.sharing.rules import STEP
from parking_cloud.sharing.schemas import Bookable
from parking_cloud.sharing.service import bookable
from parking_cloud.sharing.times import Span
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.service import price_stay

WITHIN_M = 3000.0
SHOWN = 3
_LOOKED_AT = 60
_FOR_EVERYBODY = ("public_offstreet", "on_street", "park_and_ride")


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """A place with room; `price` in fen for the rest of the time, None where it is not known."""

    facility_id: UUID
    code: str
    name: str
    name_en: str
    lat: float
    lon: float
    distance_m: int
    """From where the driver was turned away."""
    free: int | None
    bookable: bool
    price: Fen | None


async def alternatives(
    session: AsyncSession, facility_id: UUID, until: datetime, now: datetime, stale_after: timedelta
) -> list[Alternative]:
    """The nearest places with room from now until then: to book, or open to everybody with free spaces."""
    here = await get_facilities(session, [facility_id], now=now, stale_after=stale_after)
    if not here or here[0].position is None:
        return []
    position = here[0].position
    around = await near(
        session,
        lat=position.lat,
        lon=position.lon,
        radius_m=WITHIN_M,
        limit=_LOOKED_AT,
        now=now,
        stale_after=stale_after,
    )
    span = Span(_on_the_step(now), max(until, now + STEP))
    offers = await bookable(
        session, start=span.start, end=span.end, now=now, facility_ids=[place.id for place, _ in around]
    )
    found: list[Alternative] = []
    for place, metres in around:
        if place.id != facility_id and len(found) < SHOWN:
            one = await _offered(session, place, metres, offers.get(place.id), span)
            if one is not None:
                found.append(one)
    return found


def _on_the_step(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // STEP.total_seconds() * STEP.total_seconds(), at.tzinfo)


async def _offered(
    session: AsyncSession, place: FacilityNow, metres: float, offer: Bookable | None, span: Span
) -> Alternative | None:
    """What a place offers; nothing where it is full, or nobody knows and it cannot be booked."""
    free = None if place.stale else place.free
    if place.position is None or free == 0:
        return None
    to_book = offer is not None and offer.left > 0 and offer.price is not None
    open_to_all = place.kind in _FOR_EVERYBODY or (offer is not None and offer.walk_in)
    if not to_book and (not open_to_all or free is None):
        return None
    price = offer.price if offer is not None and to_book else await _by_tariff(session, place.id, span)
    return Alternative(
        facility_id=place.id,
        code=place.code,
        name=place.name,
        name_en=place.name_en,
        lat=place.position.lat,
        lon=place.position.lon,
        distance_m=round(metres),
        free=free,
        bookable=to_book,
        price=price,
    )


async def _by_tariff(session: AsyncSession, facility_id: UUID, span: Span) -> Fen | None:
    try:
        price = await price_stay(
            session,
            facility_id=facility_id,
            vehicle=VehicleClass.SMALL,
            entered_at=span.start,
            left_at=span.end,
            plate_hash=None,
        )
    except (NoTariff, UnknownHolidayYear):
        return None
    return price.amount

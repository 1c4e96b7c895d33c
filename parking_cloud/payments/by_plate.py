"""Pay by plate: who knows a plate learns an amount and a token. Never a place, a time or a history.

A plate that is not known gets the same answer, of nothing, no sooner than one that is.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.limits import Limit, Limiter, network_of
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.payments.offers import Offer, charges_for, keep_offer, offer_for
from parking_cloud.payments.places import PlaceNotFound, place_of
from parking_cloud.payments.schemas import Via
from parking_cloud.stays.service import open_stays
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_BY_ADDRESS = (("m", 30, _MINUTE), ("h", 300, _HOUR))
"""Generous: mobile networks have many phones behind one address."""
_BY_PLATE_AND_ADDRESS = (("m", 6, _MINUTE), ("h", 30, _HOUR))
_BY_PLATE = (("m", 60, _MINUTE), ("h", 600, _HOUR))
"""Wide, from everywhere: asking for a neighbour's plate does not keep the neighbour from paying."""
_BY_PLACE = 240
"""A minute, at one code: more than vehicles can pass."""
MISSES_BY_ADDRESS = 60
"""An hour: who types many plates at which nothing is owed is guessing."""
MOST_MISSES = 3000
"""In ten minutes, from everywhere: past this, only who has scanned a code is answered."""
SOONEST_S = 0.05
"""No answer comes sooner: a plate that is not known is not told by its speed."""


class OfferAsk(msgspec.Struct, frozen=True, kw_only=True):
    plate: Annotated[str, msgspec.Meta(max_length=40)]
    place: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    """The code that was scanned, if one was."""


class OfferOut(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` in fen; the token redeems it for ten minutes."""

    amount: Fen
    token: str


class PlateUnreadable(InvalidInput):
    slug = "plate-unreadable"
    title = {"zh-CN": "无法识别该车牌", "en": "This number plate cannot be read"}
    detail = {"zh-CN": "请检查车牌号码。", "en": "Check the number plate."}


async def offer_by_plate(
    session: AsyncSession,
    redis: Redis,
    limiter: Limiter,
    vault: PlateVault,
    ask: OfferAsk,
    *,
    address: str,
    secret_key: str,
    now: datetime,
) -> OfferOut:
    """What a vehicle owes now, for its stay and from before: the same whatever code was scanned. Codes hang
    in the open, so an amount of one place alone would tell where a vehicle is.

    Raises PlateUnreadable, PlaceNotFound, TooManyTries.
    """
    began = time.monotonic()
    try:
        plate_hash = vault.lookup_hash(parse_plate(ask.plate))
    except NoPlate as error:
        raise PlateUnreadable() from error
    asked_by = hmac.digest(secret_key.encode(), network_of(address).encode(), "sha256").hex()[:32]
    of_address, of_all = _miss_limits(asked_by)
    # Before anything is known of the plate: being refused tells nothing of it.
    unless_past = [of_address] if ask.place else [of_address, of_all]
    await limiter.count(_limits(ask, plate_hash, asked_by), now, unless_past=unless_past)
    offer = await _offer(session, ask, plate_hash, now)
    if offer.amount == 0:
        await limiter.note(of_address, now)
        await limiter.note(of_all, now)
    token = await keep_offer(redis, offer)
    await asyncio.sleep(max(0.0, SOONEST_S - (time.monotonic() - began)))
    return OfferOut(amount=Fen(offer.amount), token=token)


async def _offer(session: AsyncSession, ask: OfferAsk, plate_hash: bytes, now: datetime) -> Offer:
    scanned = await place_of(session, ask.place) if ask.place else None
    if ask.place and scanned is None:
        raise PlaceNotFound()
    stays = await open_stays(session, plate_hash)
    charges = await charges_for(session, plate_hash, [stay.id for stay in stays])
    offer = await offer_for(session, stays, charges, Via.SCAN if scanned else Via.PLATE, now)
    return msgspec.structs.replace(offer, scanned_facility_id=scanned.facility_id if scanned else None)


def _limits(ask: OfferAsk, plate_hash: bytes, asked_by: str) -> list[Limit]:
    limits = [Limit(f"address:{name}:{asked_by}", most, window) for name, most, window in _BY_ADDRESS]
    plate = plate_hash.hex()
    limits += [Limit(f"plate:{name}:{plate}", most, window) for name, most, window in _BY_PLATE]
    limits += [
        Limit(f"plate:{name}:{plate}:{asked_by}", most, window)
        for name, most, window in _BY_PLATE_AND_ADDRESS
    ]
    if ask.place:
        limits.append(Limit(f"place:{ask.place}", _BY_PLACE, _MINUTE))
    return limits


def _miss_limits(asked_by: str) -> tuple[Limit, Limit]:
    """Guessing shows in many plates at which nothing is owed: from one address, or from many at once."""
    return (
        Limit(f"misses:{asked_by}", MISSES_BY_ADDRESS, _HOUR),
        Limit("misses", MOST_MISSES, 10 * _MINUTE),
    )

"""Offers: an amount that holds for ten minutes, behind a token that tells nothing.

What is offered lies in Redis under the token's hash: who reads Redis can redeem nothing, and it has no plate
in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.problems import Problem
from parking_cloud.payments.charging import (
    assess_before_leaving,
    follow_stay,
    hold_stays,
    lock_charges,
    new_charge,
)
from parking_cloud.payments.models import Charge
from parking_cloud.payments.pricing import Quote, quote
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import stay_facts
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import Price

HOLDS_FOR = timedelta(minutes=10)
_KEY = "parking:pay:offer:"


class OfferExpired(Problem):
    slug = "offer-expired"
    status = 410
    title = {"zh-CN": "报价已过期", "en": "This offer has expired"}
    detail = {"zh-CN": "请重新输入车牌查询金额。", "en": "Enter the plate again to see the amount."}


class OfferPart(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for one charge; or for a stay, with the price it was offered at."""

    asked: int
    charge_id: UUID | None = None
    stay_id: UUID | None = None
    whose: bytes = b""
    """By what a vehicle is known again, and only for this charge or stay; empty where it does not matter."""
    price: Price | None = None
    until: datetime | None = None
    amount: int = 0
    """Of a stay: what it comes to in all, paid or not."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    parts: list[OfferPart]
    via: Via
    payer_id: UUID | None = None
    """The signed-in driver to whom it was made."""
    scanned_facility_id: UUID | None = None
    """Where a code was scanned, or a gate asked."""
    at_lane: bool = False
    """A gate asked, for the vehicle that stands at it."""

    @property
    def amount(self) -> int:
        return sum(part.asked for part in self.parts)


def token_hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def keep_offer(redis: Redis, offer: Offer) -> str:
    """Make it redeemable for a while; the token (256 random bits)."""
    token = secrets.token_urlsafe(32)
    await redis.set(_key(token), msgspec.json.encode(offer), ex=HOLDS_FOR)
    return token


async def read_offer(redis: Redis, token: str) -> Offer:
    """What a token stands for. Raises OfferExpired, also for one that never was."""
    kept = await redis.get(_key(token))
    if kept is None:
        raise OfferExpired()
    return msgspec.json.decode(kept, type=Offer)


def _key(token: str) -> str:
    return _KEY + token_hash(token).hex()


async def offer_for(
    session: AsyncSession, stays: Sequence[StayFacts], charges: Sequence[Charge], via: Via, now: datetime
) -> Offer:
    """What is owed now: of open stays, and of charges that are due and that nobody objects to. `charges`
    holds the stays' own too."""
    of_stay = {charge.stay_id: charge for charge in charges if charge.state == ChargeState.OPEN}
    parts = [
        OfferPart(
            charge_id=charge.id,
            asked=charge.amount - charge.paid,
            whose=known_by(charge.id, charge.plate_hash),
        )
        for charge in charges
        if charge.state == ChargeState.DUE and charge.amount > charge.paid and charge.disputed_at is None
    ]
    for stay in stays:
        try:
            quoted = await quote(session, stay, of_stay.get(stay.id), now)
        except (NoTariff, UnknownHolidayYear):
            continue  # nothing may be asked where no price is known
        if quoted.owed > 0:
            parts.append(part_of(stay, quoted))
    return Offer(parts=parts, via=via)


def part_of(stay: StayFacts, quoted: Quote) -> OfferPart:
    """A quoted stay as an offer's part."""
    return OfferPart(
        stay_id=stay.id,
        whose=known_by(stay.id, stay.plate_hash),
        asked=quoted.owed,
        price=quoted.price,
        until=quoted.until,
        amount=quoted.amount,
    )


def known_by(of: UUID, plate_hash: bytes | None) -> bytes:
    """Of a charge or a stay: whose it is, without telling that, or which others are the same vehicle's."""
    return b"" if plate_hash is None else sha256(of.bytes + plate_hash).digest()


async def charges_for(session: AsyncSession, plate_hash: bytes, stay_ids: Sequence[UUID]) -> list[Charge]:
    """The charges of these stays, and those of the vehicle that are due."""
    due = (Charge.plate_hash == plate_hash) & (Charge.state == ChargeState.DUE.value)
    found = await session.scalars(select(Charge).where(Charge.stay_id.in_(stay_ids) | due))
    return list(found)


async def redeem(session: AsyncSession, offer: Offer, now: datetime) -> dict[UUID, int]:
    """Have the offer's charges be as it was offered, locked; what is asked of each, by charge.

    A stay that has ended since, or was corrected, costs what it costs: of it no more is asked than offered.
    For one that turned out to be another vehicle's nothing is asked at all.
    """
    stay_ids = [part.stay_id for part in offer.parts if part.stay_id is not None]
    charge_ids = [part.charge_id for part in offer.parts if part.charge_id is not None]
    await hold_stays(session, stay_ids)
    stays = await stay_facts(session, stay_ids) if stay_ids else {}
    locked = await lock_charges(session, ids=charge_ids, stay_ids=stay_ids)
    charges = {charge.stay_id: charge for charge in locked}
    plates = {charge.id: charge.plate_hash for charge in locked}
    asked: dict[UUID, int] = {
        part.charge_id: part.asked
        for part in offer.parts
        if part.charge_id and part.whose in (b"", known_by(part.charge_id, plates.get(part.charge_id)))
    }
    for part in offer.parts:
        stay = stays.get(part.stay_id) if part.stay_id else None
        if stay is None or part.price is None or part.until is None:
            continue
        if part.whose not in (b"", known_by(stay.id, stay.plate_hash)):
            continue
        charge = charges.get(stay.id) or await new_charge(session, stay, now)
        if stay.state is StayState.CLOSED or charge.plate_hash != stay.plate_hash:
            await follow_stay(session, stay, charge, now)  # it may have left just now, or been corrected
        quoted = Quote(part.price, part.until, part.amount, part.asked)
        await assess_before_leaving(session, stay, charge, quoted, now)
        asked[charge.id] = part.asked
    return asked

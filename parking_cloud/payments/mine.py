"""What a signed-in driver sees of their own vehicles: stays, charges and what is owed. Nothing of before
their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.vehicles import holdings
from parking_cloud.kernel.problems import NotFound
from parking_cloud.payments.facts import (
    ChargeFacts,
    charge_facts,
    charges_of_plates,
    charges_of_stays,
    payments_by,
    receipt_token,
)
from parking_cloud.payments.offers import Offer, OfferPart, known_by
from parking_cloud.payments.schemas import ChargeState, Via
from parking_cloud.registry.service import facility_labels
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import stay_facts, stays_of_plates


class MyCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge of one's own. Amounts in fen; `receipts`: tokens of what one has paid for it oneself."""

    id: UUID
    facility: str
    entered_at: datetime
    left_at: datetime | None
    state: ChargeState
    amount: int
    paid: int
    owed: int
    lines: list[Any]
    receipts: list[str]


class MyStay(msgspec.Struct, frozen=True, kw_only=True):
    """A stay of one's own; `charge` where there is one."""

    id: UUID
    vehicle_id: UUID
    facility: str
    entered_at: datetime
    left_at: datetime | None
    state: StayState
    charge: MyCharge | None


class StayPage(msgspec.Struct, frozen=True):
    """`next_before` leads to older ones."""

    items: list[MyStay]
    next_before: datetime | None


class ChargePage(msgspec.Struct, frozen=True):
    items: list[MyCharge]
    next_cursor: UUID | None


class NotYours(NotFound):
    slug = "charge-not-found"
    title = {"zh-CN": "没有这笔账单", "en": "There is no such charge"}


async def my_stays(
    session: AsyncSession, user_id: UUID, secret_key: str, *, before: datetime | None, limit: int
) -> StayPage:
    """The stays of one's verified vehicles, the newest first."""
    held = {holding.plate_hash: holding for holding in await holdings(session, user_id)}
    since = {plate: holding.since for plate, holding in held.items()}
    stays = await stays_of_plates(session, since, before, limit)
    charges = await charges_of_stays(session, [stay.id for stay in stays])
    by_stay = {stay.id: stay for stay in stays}
    shown = await _shown(session, user_id, list(charges.values()), by_stay, secret_key)
    names = await facility_labels(session, {stay.facility_id for stay in stays})
    items = [
        MyStay(
            id=stay.id,
            vehicle_id=held[stay.plate_hash].binding_id if stay.plate_hash else stay.id,
            facility=names[stay.facility_id].name,
            entered_at=stay.entered_at,
            left_at=stay.exited_at,
            state=stay.state,
            charge=shown.get(charges[stay.id].id) if stay.id in charges else None,
        )
        for stay in stays
    ]
    return StayPage(items, stays[-1].entered_at if len(stays) == limit else None)


async def my_charges(
    session: AsyncSession, user_id: UUID, secret_key: str, *, before: UUID | None, limit: int
) -> ChargePage:
    """The charges of one's verified vehicles, the newest first."""
    held = {holding.plate_hash: holding.since for holding in await holdings(session, user_id)}
    mine: list[ChargeFacts] = []
    stays: dict[UUID, StayFacts] = {}
    while len(mine) < limit:  # what is left out leaves no gap, nor a cursor that tells of it
        found = await charges_of_plates(session, held, before=before, limit=limit)
        stays |= await stay_facts(session, [charge.stay_id for charge in found if charge.stay_id])
        mine += [charge for charge in found if _is_mine(charge, stays, held)]
        if len(found) < limit:
            break
        before = found[-1].id
    mine = mine[:limit]
    shown = await _shown(session, user_id, mine, stays, secret_key)
    return ChargePage([shown[charge.id] for charge in mine], mine[-1].id if len(mine) == limit else None)


def _is_mine(charge: ChargeFacts, stays: dict[UUID, StayFacts], held: dict[bytes, datetime]) -> bool:
    stay = stays.get(charge.stay_id) if charge.stay_id else None
    return stay is not None and stay.plate_hash in held and stay.entered_at >= held[stay.plate_hash]


async def offer_of(session: AsyncSession, user_id: UUID, charge_ids: Sequence[UUID]) -> Offer:
    """An offer of what is due of these charges of one's own. Raises NotYours."""
    held = {holding.plate_hash: holding.since for holding in await holdings(session, user_id)}
    charges = await charge_facts(session, charge_ids)
    stays = await stay_facts(session, [charge.stay_id for charge in charges.values() if charge.stay_id])
    if len(charges) != len(set(charge_ids)) or not all(
        _is_mine(charge, stays, held) for charge in charges.values()
    ):
        raise NotYours()
    parts = [
        OfferPart(charge_id=c.id, asked=c.owed, whose=known_by(c.id, c.plate_hash))
        for c in charges.values()
        if c.owed
    ]
    return Offer(parts=parts, via=Via.APP, payer_id=user_id)


async def _shown(
    session: AsyncSession,
    user_id: UUID,
    charges: Sequence[ChargeFacts],
    stays: dict[UUID, StayFacts],
    secret_key: str,
) -> dict[UUID, MyCharge]:
    names = await facility_labels(session, {charge.facility_id for charge in charges})
    paid = await payments_by(session, user_id, [charge.id for charge in charges])
    return {
        charge.id: MyCharge(
            id=charge.id,
            facility=names[charge.facility_id].name,
            entered_at=stays[charge.stay_id].entered_at,
            left_at=stays[charge.stay_id].exited_at,
            state=charge.state,
            amount=charge.amount,
            paid=charge.paid,
            owed=charge.owed,
            lines=charge.lines,
            receipts=[receipt_token(secret_key, payment) for payment in paid.get(charge.id, [])],
        )
        for charge in charges
        if charge.stay_id in stays
    }

"""What a stay comes to: in full, or only up to where its driver had paid for it, or was let out.

It depends on what was told, paid and done, and when; not on when we heard of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments import rules
from parking_cloud.payments.models import Charge, ChargeAssessment, Payment, PaymentPart
from parking_cloud.payments.rules import PaidAt, Told
from parking_cloud.payments.schemas import PaymentState
from parking_cloud.stays.schemas import StayFacts
from parking_cloud.tariffs.schemas import Price
from parking_cloud.tariffs.service import price_stay


class Assessment(NamedTuple):
    """What a charge was assessed at."""

    at: datetime
    amount: int
    why: str
    until: datetime | None
    stay_version: int | None


class Quote(NamedTuple):
    """What a stay comes to if the vehicle leaves at some time."""

    price: Price
    until: datetime
    """Up to when it is priced: earlier than that time where what was told before still holds."""
    amount: int
    """Fen: the price, less what a person has waived."""
    owed: int


async def history(session: AsyncSession, charge: Charge) -> list[Assessment]:
    """A charge's assessments, oldest first."""
    if not charge.assessments:
        return []
    rows = await session.execute(
        select(
            ChargeAssessment.at,
            ChargeAssessment.amount,
            ChargeAssessment.why,
            ChargeAssessment.until,
            ChargeAssessment.stay_version,
        )
        .where(ChargeAssessment.charge_id == charge.id)
        .order_by(ChargeAssessment.number)
    )
    return [Assessment(*row) for row in rows]


async def quote(session: AsyncSession, stay: StayFacts, charge: Charge | None, at: datetime) -> Quote:
    """What an open stay comes to if the vehicle leaves at `at`. Raises NoTariff, UnknownHolidayYear."""
    if charge is None:
        price = await price_to(session, stay, at)
        return Quote(price, at, price.amount, price.amount)
    return await price_of(session, stay, charge, await history(session, charge), at)


async def price_of(
    session: AsyncSession, stay: StayFacts, charge: Charge, known: Sequence[Assessment], left_at: datetime
) -> Quote:
    """What a stay comes to whose vehicle leaves, or left, at `left_at`; `known` is its charge's history.

    Who had paid all that it cost up to then, or was let out, and left within the tariff's grace, owes
    nothing more. The stay's present facts count: one that is known to have begun earlier was not wholly paid.
    """
    price, until = await _held(session, stay, charge.id, known, left_at)
    amount = rules.not_above(price.amount, _waived_to(known))
    paid = charge.paid if charge.plate_hash in (stay.plate_hash, None) else 0
    return Quote(price, until, amount, max(amount - paid, 0))


def _waived_to(known: Sequence[Assessment]) -> int | None:
    """To what a person has waived it last, for the vehicle whose it is now."""
    waived = None
    for assessment in known:
        if assessment.why == "waived":
            waived = assessment.amount
        elif assessment.why == "other_vehicle":
            waived = None
    return waived


async def _held(
    session: AsyncSession, stay: StayFacts, charge_id: UUID, known: Sequence[Assessment], left_at: datetime
) -> tuple[Price, datetime]:
    whole = await price_to(session, stay, left_at)
    told = [
        Told(assessment.at, assessment.until, assessment.why == "let_out")
        for assessment in known
        if assessment.why in ("before_leaving", "let_out") and assessment.until is not None
    ]
    if not any(stay.entered_at <= each.until < left_at for each in told):
        return whole, left_at
    paid = await _paid(session, charge_id)
    for until, most in rules.prices_held(told, paid, left_at, whole.exit_grace):
        if until < stay.entered_at:
            continue
        then = await price_to(session, stay, until)
        if then.amount <= (whole.amount if most is None else min(most, whole.amount)):
            return then, until
    return whole, left_at


async def price_to(session: AsyncSession, stay: StayFacts, until: datetime) -> Price:
    """A stay's price up to some time. Raises NoTariff, UnknownHolidayYear."""
    return await price_stay(
        session,
        facility_id=stay.facility_id,
        vehicle=stay.vehicle_class,
        entered_at=stay.entered_at,
        left_at=max(until, stay.entered_at),
        plate_hash=stay.plate_hash,
        charging_minutes=stay.charging_minutes,
    )


async def _paid(session: AsyncSession, charge_id: UUID) -> list[PaidAt]:
    """What has arrived for a charge, by when it was begun: how long the provider took is not the driver's."""
    rows = await session.execute(
        select(Payment.created_at, PaymentPart.amount)
        .join(PaymentPart, PaymentPart.payment_id == Payment.id)
        .where(
            PaymentPart.charge_id == charge_id,
            PaymentPart.disowned.is_(False),
            Payment.state == PaymentState.SUCCEEDED.value,
        )
    )
    return [PaidAt(*row) for row in rows]

"""A charge with all that made it what it is, as staff see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.payments import refunds
from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.models import ChargeAssessment, Payment, PaymentPart, Refund
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import ChargeState, PaymentState, RefundState, Via
from parking_cloud.payments.staff import ChargeNotFound


class AssessmentOut(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    amount: int
    why: str
    until: datetime | None
    lines: list[Any]


class PartOut(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID
    amount: int
    method: Method
    via: Via
    state: PaymentState
    at: datetime


class RefundOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    charge_id: UUID
    payment_id: UUID
    amount: int
    why: str
    state: RefundState
    failure: str
    attempts: int
    created_at: datetime
    done_at: datetime | None


class ChargeOut(msgspec.Struct, frozen=True, kw_only=True):
    """A charge with all that made it what it is. Amounts in fen."""

    id: UUID
    stay_id: UUID | None
    facility_id: UUID
    state: ChargeState
    amount: int
    paid: int
    final_at: datetime | None
    assessments: list[AssessmentOut]
    payments: list[PartOut]
    refunds: list[RefundOut]


async def waiting_refunds(session: AsyncSession, who: Identity, limit: int) -> list[RefundOut]:
    """Refunds that wait for a person: of cash, and those that the provider will not pay."""
    operator = who.operator_id if who.role is Role.OPERATOR_STAFF else None
    return [_refund_out(refund) for refund in await refunds.due_by_hand(session, operator, limit)]


async def look(session: AsyncSession, who: Identity, charge_id: UUID) -> ChargeOut:
    """A charge with its history. Raises ChargeNotFound, NotAllowed."""
    facts = (await charge_facts(session, [charge_id])).get(charge_id)
    if facts is None:
        raise ChargeNotFound()
    if who.role is Role.OPERATOR_STAFF and who.operator_id != facts.operator_id:
        raise NotAllowed()
    assessments = await session.scalars(
        select(ChargeAssessment)
        .where(ChargeAssessment.charge_id == charge_id)
        .order_by(ChargeAssessment.number)
    )
    parts = await session.execute(
        select(Payment, PaymentPart.amount)
        .join(PaymentPart, PaymentPart.payment_id == Payment.id)
        .where(PaymentPart.charge_id == charge_id)
        .order_by(Payment.id)
    )
    back = await session.scalars(select(Refund).where(Refund.charge_id == charge_id).order_by(Refund.id))
    return ChargeOut(
        id=facts.id,
        stay_id=facts.stay_id,
        facility_id=facts.facility_id,
        state=facts.state,
        amount=facts.amount,
        paid=facts.paid,
        final_at=facts.final_at,
        assessments=[
            AssessmentOut(at=a.at, amount=a.amount, why=a.why, until=a.until, lines=a.lines)
            for a in assessments
        ],
        payments=[_part_out(payment, amount) for payment, amount in parts],
        refunds=[_refund_out(refund) for refund in back],
    )


def _part_out(payment: Payment, amount: int) -> PartOut:
    return PartOut(
        payment_id=payment.id,
        amount=amount,
        method=Method(payment.method),
        via=Via(payment.via),
        state=PaymentState(payment.state),
        at=payment.succeeded_at or payment.created_at,
    )


def _refund_out(refund: Refund) -> RefundOut:
    return RefundOut(
        id=refund.id,
        charge_id=refund.charge_id,
        payment_id=refund.payment_id,
        amount=refund.amount,
        why=refund.why,
        state=RefundState(refund.state),
        failure=refund.failure,
        attempts=refund.attempts,
        created_at=refund.created_at,
        done_at=refund.done_at,
    )

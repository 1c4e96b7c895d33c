"""Charges and payments, as the slices above see them."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from sqlalchemy import exists, false, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.models import Charge, ChargeAssessment, Chargeback, Payment, PaymentPart, Refund
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import ChargeKind, ChargeState, PaymentState, RefundState, Via


class ChargeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A charge. Amounts in fen; `lines` are those of its newest assessment, tariffs.schemas.Line."""

    id: UUID
    kind: ChargeKind
    stay_id: UUID | None
    facility_id: UUID
    operator_id: UUID
    plate_hash: bytes | None
    state: ChargeState
    amount: int
    paid: int
    assessments: int
    final_at: datetime | None
    disputed_at: datetime | None
    created_at: datetime
    lines: list[Any]

    @property
    def owed(self) -> int:
        return max(self.amount - self.paid, 0) if self.state is ChargeState.DUE else 0


class Part(msgspec.Struct, frozen=True):
    """What of a payment went to which charge."""

    charge_id: UUID
    amount: int


class PaidBack(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of a payment."""

    id: UUID
    charge_id: UUID
    amount: int
    state: RefundState
    done_at: datetime | None


class PaymentFacts(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    provider: str
    method: Method
    via: Via
    amount: int
    state: PaymentState
    failure: str
    payer_id: UUID | None
    scanned_facility_id: UUID | None
    created_at: datetime
    succeeded_at: datetime | None
    parts: list[Part]
    refunds: list[PaidBack]


async def charge_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, ChargeFacts]:
    """Those of these charges that exist."""
    charges = (await session.scalars(select(Charge).where(Charge.id.in_(ids)))).all()
    return {facts.id: facts for facts in await _with_lines(session, charges)}


async def settled(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those of these charges that are paid."""
    if not ids:
        return set()
    paid = select(Charge.id).where(Charge.id.in_(ids), Charge.state == ChargeState.SETTLED)
    return set(await session.scalars(paid))


async def charges_of_stays(session: AsyncSession, stay_ids: Collection[UUID]) -> dict[UUID, ChargeFacts]:
    """The charges of these stays, by stay."""
    charges = (await session.scalars(select(Charge).where(Charge.stay_id.in_(stay_ids)))).all()
    return {facts.stay_id: facts for facts in await _with_lines(session, charges) if facts.stay_id}


async def _with_lines(session: AsyncSession, charges: Sequence[Charge]) -> list[ChargeFacts]:
    """One statement for all: a plain select sees what this transaction wrote, the ORM's copy may be older."""
    newest = [(charge.id, charge.assessments) for charge in charges]
    key = tuple_(ChargeAssessment.charge_id, ChargeAssessment.number)
    rows = await session.execute(
        select(ChargeAssessment.charge_id, ChargeAssessment.lines).where(key.in_(newest))
    )
    lines: dict[UUID, list[Any]] = {row.charge_id: row.lines for row in rows}
    return [
        ChargeFacts(
            id=charge.id,
            kind=ChargeKind(charge.kind),
            stay_id=charge.stay_id,
            facility_id=charge.facility_id,
            operator_id=charge.operator_id,
            plate_hash=charge.plate_hash,
            state=ChargeState(charge.state),
            amount=charge.amount,
            paid=charge.paid,
            assessments=charge.assessments,
            final_at=charge.final_at,
            disputed_at=charge.disputed_at,
            created_at=charge.created_at,
            lines=lines.get(charge.id, []),
        )
        for charge in charges
    ]


async def payment_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PaymentFacts]:
    """Those of these payments that exist, with their parts and refunds."""
    payments = (await session.scalars(select(Payment).where(Payment.id.in_(ids)))).all()
    parts: dict[UUID, list[Part]] = {}
    query = select(PaymentPart).where(PaymentPart.payment_id.in_(ids)).order_by(PaymentPart.charge_id)
    for part in await session.scalars(query):
        parts.setdefault(part.payment_id, []).append(Part(part.charge_id, part.amount))
    refunds: dict[UUID, list[PaidBack]] = {}
    going_back = select(Refund).where(Refund.payment_id.in_(ids), Refund.state != RefundState.REPLACED)
    for refund in await session.scalars(going_back.order_by(Refund.id)):
        refunds.setdefault(refund.payment_id, []).append(
            PaidBack(
                id=refund.id,
                charge_id=refund.charge_id,
                amount=refund.amount,
                state=RefundState(refund.state),
                done_at=refund.done_at,
            )
        )
    return {
        payment.id: PaymentFacts(
            id=payment.id,
            provider=payment.provider,
            method=Method(payment.method),
            via=Via(payment.via),
            amount=payment.amount,
            state=PaymentState(payment.state),
            failure=payment.failure,
            payer_id=payment.payer_id,
            scanned_facility_id=payment.scanned_facility_id,
            created_at=payment.created_at,
            succeeded_at=payment.succeeded_at,
            parts=parts.get(payment.id, []),
            refunds=refunds.get(payment.id, []),
        )
        for payment in payments
    }


async def charges_of_plates(
    session: AsyncSession, since: Mapping[bytes, datetime], *, before: UUID | None, limit: int
) -> list[ChargeFacts]:
    """Charges of vehicles, each from its time in `since` on, newest first. Their stays may have begun
    earlier."""
    in_time = [(Charge.plate_hash == plate) & (Charge.created_at >= begun) for plate, begun in since.items()]
    query = select(Charge).where(or_(false(), *in_time))
    if before is not None:
        query = query.where(Charge.id < before)
    query = query.order_by(Charge.id.desc()).limit(limit)
    return await _with_lines(session, (await session.scalars(query)).all())


async def taken_by_mandate(session: AsyncSession, user_id: UUID, since: datetime) -> int:
    """Fen that a driver's mandate has taken, or is taking, since then."""
    live = ("created", "pending", "succeeded")
    total = await session.scalar(
        select(func.coalesce(func.sum(Payment.amount), 0)).where(
            Payment.payer_id == user_id,
            Payment.via == Via.MANDATE.value,
            Payment.state.in_(live),
            Payment.created_at >= since,
        )
    )
    return int(total or 0)


async def in_doubt(session: AsyncSession, stay_id: UUID) -> bool:
    """Whether a stay's charge was corrected once it was final, or a bank has taken money of it back."""
    corrected = exists().where(ChargeAssessment.charge_id == Charge.id, ChargeAssessment.why == "corrected")
    taken_back = exists().where(
        PaymentPart.charge_id == Charge.id,
        PaymentPart.payment_id == Chargeback.payment_id,
        Chargeback.state != "won",
    )
    found = await session.scalar(select(Charge.id).where(Charge.stay_id == stay_id, corrected | taken_back))
    return found is not None


def receipt_token(secret_key: str, payment_id: UUID) -> str:
    """The 256 bits by which a payment's receipts are read: only who paid is given them, and nobody can guess
    them. They follow from the payment, so that a second asking gives the same ones."""
    key = hmac.digest(secret_key.encode(), b"parking-cloud receipt", sha256)
    return urlsafe_b64encode(hmac.digest(key, payment_id.bytes, sha256)).decode().rstrip("=")


def sealed_charge(secret_key: str, charge_id: UUID) -> UUID:
    """A charge's id as its receipts name it: the id itself tells when it was made, which is when the vehicle
    left. One block, and each id is another: there is nothing for a mode to chain."""
    return UUID(bytes=_charge_cipher(secret_key).encryptor().update(charge_id.bytes))


def opened_charge(secret_key: str, sealed: UUID) -> UUID:
    """The charge that a receipt names so."""
    return UUID(bytes=_charge_cipher(secret_key).decryptor().update(sealed.bytes))


def _charge_cipher(secret_key: str) -> Cipher[ECB]:
    return Cipher(AES(hmac.digest(secret_key.encode(), b"parking-cloud receipt charge", sha256)), ECB())


async def receipt_opens(session: AsyncSession, token: str, charge_id: UUID, secret_key: str) -> bool:
    """Whether a receipt's token is of a payment that was for this charge."""
    paid = await session.scalars(select(PaymentPart.payment_id).where(PaymentPart.charge_id == charge_id))
    tokens = (receipt_token(secret_key, payment) for payment in paid)
    return any(hmac.compare_digest(own.encode(), token.encode()) for own in tokens)


async def payments_by(
    session: AsyncSession, user_id: UUID, charge_ids: Collection[UUID]
) -> dict[UUID, list[UUID]]:
    """The payments of these charges that a signed-in driver made, where they succeeded."""
    rows = await session.execute(
        select(PaymentPart.charge_id, Payment.id)
        .join(Payment, Payment.id == PaymentPart.payment_id)
        .where(
            PaymentPart.charge_id.in_(charge_ids),
            Payment.payer_id == user_id,
            Payment.state == PaymentState.SUCCEEDED.value,
            Payment.via.in_((Via.APP.value, Via.MANDATE.value)),
        )
        .order_by(Payment.id)
    )
    found: dict[UUID, list[UUID]] = {}
    for charge, payment in rows:
        found.setdefault(charge, []).append(payment)
    return found

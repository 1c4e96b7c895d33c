"""Receipts: made when a payment has succeeded, read by whoever holds the payment's token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.invoices.models import Invoice, Receipt
from parking_cloud.invoices.rules import shows_the_stay
from parking_cloud.invoices.schemas import (
    InvoiceOut,
    InvoiceState,
    PaidBackOut,
    PaidOut,
    ReceiptOut,
    ReceiptPart,
)
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import NotFound
from parking_cloud.payments.facts import (
    ChargeFacts,
    PaidBack,
    PaymentFacts,
    charge_facts,
    payment_facts,
    receipt_token,
    sealed_charge,
)
from parking_cloud.payments.schemas import PaymentState
from parking_cloud.registry.service import facility_names, operator_names
from parking_cloud.stays.schemas import StayFacts
from parking_cloud.stays.service import masked_plates, stay_facts
from sensor_gateway.sealing import PlateVault


class ReceiptNotFound(NotFound):
    slug = "receipt-not-found"
    title = {"zh-CN": "没有这张收据", "en": "There is no such receipt"}
    detail = {
        "zh-CN": "请使用付款后得到的完整链接；刚付款时请稍候再试。",
        "en": "Use the whole link that you were given after paying; just after it, try again in a moment.",
    }


def hash_of(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def make_receipts(
    session: AsyncSession, payment_ids: Sequence[UUID], secret_key: str, now: datetime
) -> None:
    """A receipt of each operator for these payments, where they succeeded; those that there are stay."""
    payments = await payment_facts(session, payment_ids)
    paid = [p for _, p in sorted(payments.items()) if p.state is PaymentState.SUCCEEDED]
    charges = await charge_facts(session, {part.charge_id for p in paid for part in p.parts})
    stays = await stay_facts(session, {c.stay_id for c in charges.values() if c.stay_id})
    facilities = await facility_names(session, {c.facility_id for c in charges.values()})
    operators = await operator_names(session, {c.operator_id for c in charges.values()})
    for payment in paid:
        by_operator: dict[UUID, list[ReceiptPart]] = {}
        for part in payment.parts:
            charge = charges[part.charge_id]
            stay = stays.get(charge.stay_id) if charge.stay_id else None
            shown = _part(part.amount, charge, stay, facilities[charge.facility_id])
            by_operator.setdefault(charge.operator_id, []).append(shown)
        for operator_id, parts in sorted(by_operator.items()):
            code = operators[operator_id].code
            await _make(session, payment, operator_id, code, parts, secret_key, now)


def _part(amount: int, charge: ChargeFacts, stay: StayFacts | None, facility: str) -> ReceiptPart:
    return ReceiptPart(
        charge_id=charge.id,
        kind=charge.kind.value,
        facility=facility,
        amount=amount,
        charged=charge.amount,
        entered_at=stay.entered_at if stay else None,
        left_at=stay.exited_at if stay else None,
        lines=charge.lines,
    )


async def _make(
    session: AsyncSession,
    payment: PaymentFacts,
    operator_id: UUID,
    code: str,
    parts: list[ReceiptPart],
    secret_key: str,
    now: datetime,
) -> None:
    await alone(session, f"receipts of {payment.id}")
    there = select(Receipt.id).where(Receipt.payment_id == payment.id, Receipt.operator_id == operator_id)
    if await session.scalar(there) is not None:
        return
    assert payment.succeeded_at is not None
    year = city_time(payment.succeeded_at).year
    serial = await _next_serial(session, operator_id, year)
    await session.execute(
        insert(Receipt).values(
            id=new_id(),
            number=f"{code.upper()}-{year}-{serial:07d}",
            operator_id=operator_id,
            year=year,
            serial=serial,
            payment_id=payment.id,
            token_hash=hash_of(receipt_token(secret_key, payment.id)),
            amount=sum(part.amount for part in parts),
            method=payment.method.value,
            paid_at=payment.succeeded_at,
            parts=msgspec.to_builtins(parts),
            created_at=now,
        )
    )


async def _next_serial(session: AsyncSession, operator_id: UUID, year: int) -> int:
    serial = await session.scalar(
        text(
            "insert into receipt_counter (operator_id, year, last) values (:operator, :year, 1)"
            " on conflict (operator_id, year) do update set last = receipt_counter.last + 1 returning last"
        ),
        {"operator": operator_id, "year": year},
    )
    assert isinstance(serial, int)
    return serial


async def receipts_of(session: AsyncSession, token: str) -> list[Receipt]:
    """The receipts that a token opens. Raises ReceiptNotFound."""
    query = select(Receipt).where(Receipt.token_hash == hash_of(token)).order_by(Receipt.number)
    receipts = list(await session.scalars(query))
    if not receipts:
        raise ReceiptNotFound()
    return receipts


async def read(session: AsyncSession, token: str, *, plate_key: str, secret_key: str) -> PaidOut:
    """All that a payer sees of what they paid. Raises ReceiptNotFound."""
    receipts = await receipts_of(session, token)
    payment = (await payment_facts(session, [receipts[0].payment_id]))[receipts[0].payment_id]
    operators = await operator_names(session, {receipt.operator_id for receipt in receipts})
    invoices = await invoices_of(session, [receipt.id for receipt in receipts])
    charges = await charge_facts(session, [part.charge_id for part in payment.parts])
    shown = []
    for receipt in receipts:
        parts = msgspec.convert(receipt.parts, list[ReceiptPart])
        mine = {part.charge_id for part in parts}
        shown.append(
            ReceiptOut(
                number=receipt.number,
                operator=operators[receipt.operator_id].name,
                amount=receipt.amount,
                parts=[_shown(part, payment, charges[part.charge_id], secret_key) for part in parts],
                refunds=[_paid_back(r) for r in payment.refunds if r.charge_id in mine],
                invoice=invoices.get(receipt.id),
            )
        )
    return PaidOut(
        amount=payment.amount,
        method=payment.method.value,
        paid_at=receipts[0].paid_at,
        plate=await _plate(session, charges.values(), plate_key),
        receipts=shown,
    )


def _shown(part: ReceiptPart, payment: PaymentFacts, charge: ChargeFacts, secret_key: str) -> ReceiptPart:
    """A part as its payer may see it."""
    name = sealed_charge(secret_key, part.charge_id)
    there = payment.scanned_facility_id is not None and payment.scanned_facility_id == charge.facility_id
    if shows_the_stay(payment.via, payment.created_at, scanned_there=there, left_at=part.left_at):
        return msgspec.structs.replace(part, charge_id=name)
    return ReceiptPart(
        charge_id=name,
        kind=part.kind,
        facility="",
        amount=part.amount,
        charged=part.amount,
        entered_at=None,
        left_at=None,
        lines=[],
    )


async def _plate(session: AsyncSession, charges: Iterable[ChargeFacts], plate_key: str) -> str:
    """The vehicle that was paid for, masked; none where there were several."""
    stays = [charge.stay_id for charge in charges if charge.stay_id]
    plates = set((await masked_plates(session, stays, PlateVault(plate_key))).values()) if stays else set()
    return plates.pop() if len(plates) == 1 else ""


def _paid_back(refund: PaidBack) -> PaidBackOut:
    return PaidBackOut(amount=refund.amount, state=refund.state.value, done_at=refund.done_at)


async def invoices_of(session: AsyncSession, receipt_ids: Sequence[UUID]) -> dict[UUID, InvoiceOut]:
    """The newest invoice of each of these receipts, with what red ones took of it."""
    query = select(Invoice).where(Invoice.receipt_id.in_(receipt_ids)).order_by(Invoice.id)
    invoices = (await session.scalars(query)).all()
    red: dict[UUID, int] = {}
    for invoice in invoices:
        if invoice.red_of is not None and invoice.state == InvoiceState.ISSUED:
            red[invoice.red_of] = red.get(invoice.red_of, 0) + invoice.amount
    return {
        invoice.receipt_id: InvoiceOut(
            state=InvoiceState(invoice.state),
            number=invoice.number,
            url=invoice.url,
            failure=invoice.failure,
            asked_at=invoice.asked_at,
            taken_back=red.get(invoice.id, 0),
        )
        for invoice in invoices
        if invoice.red_of is None
    }

"""Invoices' verbs: ask for one with a receipt, and take back what was refunded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.invoices.models import Invoice, Receipt
from parking_cloud.invoices.receipts import ReceiptNotFound, invoices_of, receipts_of
from parking_cloud.invoices.schemas import Buyer, InvoiceIn, InvoiceOut, InvoiceState, ReceiptPart, TitleKind
from parking_cloud.invoices.tax_numbers import BadTaxNumber, TaxNumberKind, parse_tax_number
from parking_cloud.kernel.contacts import Channel, ContactVault, checked
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.problems import InvalidInput, Problem
from parking_cloud.payments.facts import PaidBack, payment_facts

_LIVE = (InvoiceState.REQUESTED, InvoiceState.ISSUED, InvoiceState.REVERSED)


class TaxNumberNotValid(InvalidInput):
    slug = "tax-number-not-valid"
    title = {"zh-CN": "税号有误", "en": "The tax number is not right"}
    detail = {
        "zh-CN": "税号的位数或校验码不符，请与营业执照核对后重新填写。企业抬头必须填写税号。",
        "en": "Its length or its check digit does not fit: compare it with the business licence."
        " A company's invoice needs one.",
    }


class NothingToInvoice(Problem):
    slug = "nothing-to-invoice"
    status = 409
    title = {"zh-CN": "没有可开票的金额", "en": "There is nothing to invoice"}
    detail = {
        "zh-CN": "该笔款项已全部退还。",
        "en": "All of what was paid has been paid back.",
    }


class InvoicedAlready(Problem):
    slug = "invoiced-already"
    status = 409
    title = {"zh-CN": "该收据已申请过发票", "en": "An invoice was asked for already"}
    detail = {
        "zh-CN": "每张收据开具一张发票；如抬头有误，请联系停车场经营者红冲后重开。",
        "en": "There is one invoice for a receipt. Where its title is wrong, ask the operator to reverse it.",
    }


async def request(session: AsyncSession, asked: InvoiceIn, vault: ContactVault, now: datetime) -> InvoiceOut:
    """Ask for a receipt's invoice; asked again in the same words, it is the same one.

    Raises ReceiptNotFound, TaxNumberNotValid, NoSuchAddress, NothingToInvoice, InvoicedAlready.
    """
    receipt = _chosen(await receipts_of(session, asked.receipt), asked.number)
    buyer = _buyer(asked)
    await alone(session, f"invoice of {receipt.id}")
    standing = await session.scalar(
        select(Invoice).where(
            Invoice.receipt_id == receipt.id, Invoice.red_of.is_(None), Invoice.state.in_(_LIVE)
        )
    )
    if standing is not None:
        if msgspec.json.decode(vault.open(standing.details_sealed), type=Buyer) != buyer:
            raise InvoicedAlready()
        return (await invoices_of(session, [receipt.id]))[receipt.id]
    refunded = sum(refund.amount for refund in await _refunds(session, receipt))
    if refunded >= receipt.amount:
        raise NothingToInvoice()
    session.add(
        Invoice(
            receipt_id=receipt.id,
            amount=receipt.amount - refunded,
            details_sealed=vault.seal(msgspec.json.encode(buyer).decode()),
            language="zh-CN",
            state=InvoiceState.REQUESTED.value,
            try_again_at=now,
            asked_at=now,
        )
    )
    await session.flush()
    return (await invoices_of(session, [receipt.id]))[receipt.id]


def _chosen(receipts: Sequence[Receipt], number: str) -> Receipt:
    if not number and len(receipts) == 1:
        return receipts[0]
    for receipt in receipts:
        if receipt.number == number:
            return receipt
    raise ReceiptNotFound()


def _buyer(asked: InvoiceIn) -> Buyer:
    """A company's tax number is needed and checked; a person's may be left out."""
    number = asked.tax_number.strip()
    if number or asked.title_kind is TitleKind.COMPANY:
        try:
            number, kind = parse_tax_number(number)
        except BadTaxNumber as error:
            raise _bad(error.why) from error
        if asked.title_kind is TitleKind.COMPANY and kind is TaxNumberKind.PERSON and len(number) == 18:
            raise _bad("a company has no identity number")
    title = asked.title.strip()
    if not title:
        raise InvalidInput(errors=[{"field": "title", "message": "is empty"}])
    mail = checked(Channel.MAIL, asked.email)
    return Buyer(title_kind=asked.title_kind, title=title, tax_number=number, mail=mail)


def _bad(why: str) -> TaxNumberNotValid:
    return TaxNumberNotValid(errors=[{"field": "tax_number", "message": why}])


async def _refunds(session: AsyncSession, receipt: Receipt) -> list[PaidBack]:
    """What was decided to be paid back of a receipt, oldest first."""
    mine = {part.charge_id for part in msgspec.convert(receipt.parts, list[ReceiptPart])}
    payment = (await payment_facts(session, [receipt.payment_id]))[receipt.payment_id]
    return [refund for refund in payment.refunds if refund.charge_id in mine]


class _Red(NamedTuple):
    refund_id: UUID
    amount: int


def red_due(receipt_amount: int, invoice_amount: int, refunds: Sequence[PaidBack]) -> list[_Red]:
    """What red invoices take of an invoice: each refund but those, the oldest, that it was asked for
    without."""
    left_out = receipt_amount - invoice_amount
    due = []
    for refund in refunds:
        inside = min(left_out, refund.amount)
        left_out -= inside
        if refund.amount > inside:
            due.append(_Red(refund.id, refund.amount - inside))
    return due


def reds_to_ask(due: Sequence[_Red], asked: Mapping[UUID, int], refunds: Sequence[PaidBack]) -> list[_Red]:
    """What is not asked yet of the red invoices that are due. `asked`: amounts, by refund; those of refunds
    that others have replaced count for these."""
    there = {refund.id for refund in refunds}
    spare = sum(amount for refund_id, amount in asked.items() if refund_id not in there)
    wanted = []
    for red in due:
        known = asked.get(red.refund_id)
        covered = min(spare, red.amount if known is None else red.amount - known)
        spare -= covered
        if known is None and red.amount > covered:
            wanted.append(_Red(red.refund_id, red.amount - covered))
    return wanted


async def reverse_refunded(session: AsyncSession, payment_ids: Sequence[UUID], now: datetime) -> None:
    """Ask for the red invoice of each refund of these payments, where there is an invoice; again asks
    nothing."""
    found = await session.execute(
        select(Invoice, Receipt)
        .join(Receipt, Receipt.id == Invoice.receipt_id)
        .where(Receipt.payment_id.in_(payment_ids), Invoice.red_of.is_(None), Invoice.state.in_(_LIVE))
        .order_by(Invoice.id)
    )
    for invoice, receipt in found.all():
        await alone(session, f"invoice of {receipt.id}")
        asked_for = select(Invoice.refund_id, Invoice.amount).where(
            Invoice.red_of == invoice.id, Invoice.refund_id.is_not(None)
        )
        asked = {row.refund_id: row.amount for row in await session.execute(asked_for)}
        going_back = await _refunds(session, receipt)
        session.add_all(
            Invoice(
                receipt_id=receipt.id,
                red_of=invoice.id,
                refund_id=red.refund_id,
                amount=red.amount,
                details_sealed=invoice.details_sealed,
                language=invoice.language,
                state=InvoiceState.REQUESTED.value,
                try_again_at=now,
                asked_at=now,
            )
            for red in reds_to_ask(red_due(receipt.amount, invoice.amount, going_back), asked, going_back)
        )
        await session.flush()

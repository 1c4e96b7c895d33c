"""A payment has its receipts once, numbered without gaps; an invoice is issued once, and taken back by
refunds."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.following import deeds
from parking_cloud.invoices import receipts, service
from parking_cloud.invoices.desk import InvoiceDesk
from parking_cloud.invoices.issuing import (
    InvoiceOrder,
    InvoiceServiceAway,
    InvoiceServiceRefused,
    Issued,
)
from parking_cloud.invoices.models import Invoice, Receipt
from parking_cloud.invoices.schemas import InvoiceIn, InvoiceState, PaidOut, TitleKind
from parking_cloud.invoices.service import red_due, reds_to_ask
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.charging import assess_stay, lock_charges, waive
from parking_cloud.payments.facts import PaidBack, charges_of_stays, payment_facts, receipt_token
from parking_cloud.payments.schemas import RefundState
from parking_cloud.payments.service import record_cash
from tests.payments.parts import KEY, OWN, left, minute, parked, priced_garage
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
SECRET = "a secret only for tests, long enough"
CONTACTS = ContactVault(KEY)
COMPANY = "91350100M000100Y43"


class ScriptedService:
    """The far side of the invoice service's adapter: one number for an id, and failures as the test says."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = deque(failures)
        self.orders: dict[UUID, InvoiceOrder] = {}
        self.asked = 0

    async def issue(self, order: InvoiceOrder) -> Issued:
        self.asked += 1
        failure = self.failures.popleft() if self.failures else None
        if not isinstance(failure, InvoiceServiceRefused):
            self.orders.setdefault(order.id, order)  # it was taken; only the answer may be lost
        if failure is not None:
            raise failure
        return Issued(number=f"N{list(self.orders).index(order.id)}", url="https://invoices.example/1")

    async def close(self) -> None:
        self.orders.clear()


async def paid(session: AsyncSession, facility: UUID, hours: int = 2, at: float = 0) -> UUID:
    """A stay that has ended and was paid in cash; the payment. Committed."""
    stay = await parked(session, facility, at=at)
    await left(session, stay, at=at + 60 * hours)
    await assess_stay(session, stay, minute(at + 60 * hours))
    (charge,) = (await charges_of_stays(session, [stay])).values()
    payment = await record_cash(
        session, {charge.id: charge.amount}, charge.amount, uuid4(), minute(at + 60 * hours)
    )
    await session.commit()
    return payment.id


async def follow(settings: Settings, sessions: Sessions, *payments: UUID) -> None:
    for payment in payments:
        async with transaction(sessions) as session:
            await deeds(settings)["receipts"](session, payment, minute(500))


async def refund(session: AsyncSession, payment: UUID, amount: int) -> None:
    """Lower the payment's charge, so that so much of it goes back. Committed."""
    (part,) = (await payment_facts(session, [payment]))[payment].parts
    (charge,) = await lock_charges(session, ids=[part.charge_id])
    await waive(session, charge, charge.amount - amount, minute(500))
    await session.commit()


async def read(session: AsyncSession, payment: UUID) -> PaidOut:
    return await receipts.read(session, receipt_token(SECRET, payment), plate_key=KEY, secret_key=SECRET)


def asking(payment: UUID, **changes: Any) -> InvoiceIn:
    values = {
        "receipt": receipt_token(SECRET, payment),
        "title_kind": TitleKind.COMPANY,
        "title": "湖州某某有限公司",
        "tax_number": COMPANY,
        "email": "finance@example.com",
    }
    return InvoiceIn(**(values | changes))  # type: ignore[arg-type]


async def test_a_payment_has_one_receipt_however_often_it_is_told_of(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment, payment)
    await asyncio.gather(*(follow(settings, sessions, payment) for _ in range(4)))
    (receipt,) = await session.scalars(select(Receipt))
    assert (receipt.number, receipt.amount) == ("OP-2026-0000001", 1_200)


async def test_numbers_have_no_gaps_when_many_are_made_at_once_and_some_fail(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    garage = await priced_garage(session)
    payments = [await paid(session, garage, at=number * 300) for number in range(8)]

    async def dies_before_it_commits(payment: UUID) -> None:
        async with transaction(sessions) as given_up:
            await deeds(settings)["receipts"](given_up, payment, minute(500))
            raise RuntimeError

    async def made(number: int, payment: UUID) -> None:
        if number % 3 == 0:
            with pytest.raises(RuntimeError):
                await dies_before_it_commits(payment)
        await follow(settings, sessions, payment)

    await asyncio.gather(*(made(number, payment) for number, payment in enumerate(payments)))
    serials = await session.scalars(select(Receipt.serial).order_by(Receipt.serial))
    assert list(serials) == list(range(1, 9))


async def test_a_receipt_is_never_changed(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    for statement in ("update receipt set amount = 1", "delete from receipt"):
        with pytest.raises(DBAPIError, match="never changed"):
            await session.execute(text(statement))
        await session.rollback()


async def test_the_payer_reads_it_and_nobody_else(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await refund(session, payment, 500)
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY)) as client:
        token = receipt_token(settings.secret_key, payment)
        seen = (await client.get(f"/v1/receipts/{token}")).json()
        other = receipt_token(settings.secret_key, uuid4())
        assert (await client.get(f"/v1/receipts/{other}")).status_code == 404
    assert (seen["amount"], seen["method"], seen["plate"]) == (1_200, "cash", "浙E·**345")
    (receipt,) = seen["receipts"]
    assert [part["facility"] for part in receipt["parts"]] == ["爱山广场停车库"]
    assert [back["amount"] for back in receipt["refunds"]] == [500]
    assert OWN not in str(seen)


async def test_an_invoice_is_issued_once_though_its_answer_was_lost(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    for _ in range(2):
        asked = await service.request(session, asking(payment), CONTACTS, minute(0))
        assert asked.state is InvoiceState.REQUESTED
    await session.commit()
    far = ScriptedService(InvoiceServiceAway("ReadTimeout"), InvoiceServiceAway("HTTP 502"))
    desk = InvoiceDesk(sessions, far, CONTACTS)
    for hours in range(3):
        await desk.send_some(minute(60 * hours))
    assert (far.asked, len(far.orders)) == (3, 1)
    (order,) = far.orders.values()
    assert (order.amount, order.buyer.tax_number, order.seller) == (1_200, COMPANY, "op")
    shown = (await read(session, payment)).receipts[0].invoice
    assert shown is not None
    assert (shown.state, shown.number) == (InvoiceState.ISSUED, "N0")


async def test_another_title_is_not_a_second_invoice(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await service.request(session, asking(payment), CONTACTS, minute(0))
    with pytest.raises(service.InvoicedAlready):
        await service.request(session, asking(payment, title="另一公司"), CONTACTS, minute(1))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tax_number": "91350100M000100Y44"}, "tax_number"),
        ({"tax_number": ""}, "tax_number"),
        ({"tax_number": "11010519491231002X"}, "tax_number"),
        ({"title": "  "}, "title"),
    ],
)
async def test_what_cannot_be_invoiced_is_said(
    settings: Settings, session: AsyncSession, sessions: Sessions, changes: dict[str, str], field: str
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    with pytest.raises(service.InvalidInput) as refused:
        await service.request(session, asking(payment, **changes), CONTACTS, minute(0))
    assert [error["field"] for error in refused.value.errors or []] == [field]


async def test_a_person_needs_no_tax_number(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    asked = asking(payment, title_kind=TitleKind.PERSONAL, title="李四", tax_number="")
    assert (await service.request(session, asked, CONTACTS, minute(0))).state is InvoiceState.REQUESTED


async def test_refunds_take_the_invoice_back_once_each(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await service.request(session, asking(payment), CONTACTS, minute(0))
    await session.commit()
    far = ScriptedService()
    desk = InvoiceDesk(sessions, far, CONTACTS)
    for amount in (200, 1_000):
        await refund(session, payment, amount)
        await follow(settings, sessions, payment, payment)
    for hours in range(4):
        await desk.send_some(minute(600 + 60 * hours))
    orders = list(far.orders.values())
    assert [(order.amount, order.red_of) for order in orders] == [(1_200, ""), (200, "N0"), (1_000, "N0")]
    (blue,) = await session.scalars(select(Invoice.state).where(Invoice.red_of.is_(None)))
    assert blue == InvoiceState.REVERSED


async def test_what_was_paid_back_before_is_not_invoiced(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await refund(session, payment, 500)
    await service.request(session, asking(payment), CONTACTS, minute(0))
    await session.commit()
    await follow(settings, sessions, payment)
    (invoice,) = await session.scalars(select(Invoice))
    assert invoice.amount == 700
    await session.commit()
    await refund(session, payment, 700)
    await follow(settings, sessions, payment)
    amounts = await session.scalars(select(Invoice.amount).order_by(Invoice.id))
    assert list(amounts) == [700, 700]


async def test_a_refused_request_can_be_made_again_and_its_red_ones_fall(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await service.request(session, asking(payment), CONTACTS, minute(0))
    await session.commit()
    await refund(session, payment, 200)
    await follow(settings, sessions, payment)
    far = ScriptedService(InvoiceServiceRefused("no such seller"))
    desk = InvoiceDesk(sessions, far, CONTACTS)
    for hours in range(3):
        await desk.send_some(minute(600) + timedelta(hours=hours))
    assert list(await session.scalars(select(Invoice.state))) == ["failed", "failed"]
    again = await service.request(session, asking(payment), CONTACTS, minute(900))
    assert again.state is InvoiceState.REQUESTED


async def test_who_it_is_made_out_to_is_sealed(
    settings: Settings, session: AsyncSession, sessions: Sessions
) -> None:
    payment = await paid(session, await priced_garage(session))
    await follow(settings, sessions, payment)
    await service.request(session, asking(payment), CONTACTS, minute(0))
    stored = "".join(await session.scalars(text("select i::text from invoice i")))
    assert stored
    assert not any(secret in stored for secret in (COMPANY, "某某", "finance@"))


def back(amount: int) -> PaidBack:
    return PaidBack(id=uuid4(), charge_id=uuid4(), amount=amount, state=RefundState.DONE, done_at=None)


@given(st.lists(st.integers(1, 500), max_size=6), st.integers(0, 6))
def test_red_invoices_take_exactly_what_was_refunded_since(amounts: list[int], before: int) -> None:
    refunds = [back(amount) for amount in amounts]
    receipt = sum(amounts) + 1
    invoice = receipt - sum(amounts[:before])
    due = red_due(receipt, invoice, refunds)
    assert sum(red.amount for red in due) == sum(amounts[before:])
    assert [red.refund_id for red in due] == [refund.id for refund in refunds[before:]]


def test_a_refund_in_the_place_of_another_is_not_taken_off_the_invoice_again() -> None:
    failed, kept, anew = back(600), back(100), back(600)
    first = reds_to_ask(red_due(1_000, 1_000, [failed, kept]), {}, [failed, kept])
    asked = {red.refund_id: red.amount for red in first}
    assert asked == {failed.id: 600, kept.id: 100}
    going_back = [kept, anew]
    assert reds_to_ask(red_due(1_000, 1_000, going_back), asked, going_back) == []
    more = [kept, anew, back(300)]
    assert [red.amount for red in reds_to_ask(red_due(1_000, 1_000, more), asked, more)] == [300]

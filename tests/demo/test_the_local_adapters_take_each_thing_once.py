"""The demo's carriers and invoice service: behind the real HTTP clients, once by id, also after a restart."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from parking_cloud.demo.outside import Inbox, create_outside
from parking_cloud.invoices.issuing import (
    HttpInvoiceService,
    InvoiceOrder,
    InvoiceServiceAway,
    InvoiceServiceRefused,
)
from parking_cloud.invoices.schemas import Buyer, TitleKind
from parking_cloud.notices.senders import CarrierAway, CarrierRefused, HttpSender, Message

pytestmark = [pytest.mark.anyio]

KEY = "a key of this test"
BUYER = Buyer(title_kind=TitleKind.PERSONAL, title="李四", tax_number="", mail="li@example.com")


def reached(path: Path) -> httpx.ASGITransport:
    return httpx.ASGITransport(app=create_outside(Inbox(path), KEY))  # type: ignore[arg-type]


def order(amount: int = 100, red_of: str = "") -> InvoiceOrder:
    return InvoiceOrder(
        id=uuid4(), receipt="OP-2026-0000001", seller="op", amount=amount, buyer=BUYER, red_of=red_of
    )


async def test_a_message_is_taken_once_also_after_a_restart(tmp_path: Path) -> None:
    message = Message(id=uuid4(), to="13800001234", title="提醒", text="您有一笔停车费待缴。")
    numbers = set()
    for _ in range(2):
        sender = HttpSender("http://outside/sms", KEY, reached(tmp_path / "inbox"))
        numbers.add(await sender.send(message))
        await sender.close()
    assert len(numbers) == 1
    assert [entry["body"]["to"] for entry in Inbox(tmp_path / "inbox").newest()] == ["13800001234"]


async def test_who_has_no_key_is_refused(tmp_path: Path) -> None:
    sender = HttpSender("http://outside/sms", "another", reached(tmp_path / "inbox"))
    with pytest.raises(CarrierRefused):
        await sender.send(Message(id=uuid4(), to="1", title="", text=""))


async def test_an_invoice_has_one_number_and_a_red_one_needs_it(tmp_path: Path) -> None:
    service = HttpInvoiceService("http://outside/invoice", KEY, reached(tmp_path / "inbox"))
    blue = order()
    first, again = await service.issue(blue), await service.issue(blue)
    assert first == again
    assert (await service.issue(order(red_of=first.number))).number != first.number
    for wrong in (order(red_of="D00000000000000000999"), order(amount=0)):
        with pytest.raises(InvoiceServiceRefused):
            await service.issue(wrong)


async def test_a_service_that_does_not_answer_is_away() -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def broken(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>")

    with pytest.raises(CarrierAway):
        await HttpSender("http://x/sms", "", httpx.MockTransport(silent)).send(
            Message(id=uuid4(), to="1", title="", text="")
        )
    for far in (silent, broken):
        with pytest.raises(InvoiceServiceAway):
            await HttpInvoiceService("http://x/invoice", "", httpx.MockTransport(far)).issue(order())

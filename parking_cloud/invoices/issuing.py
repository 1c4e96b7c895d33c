"""The invoice service (the tax authority's digital invoices, by whichever provider): a small interface.

Every order carries our id: said again after a lost answer, it has no second effect. The demo runs such a
service as a process of its own.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

import httpx
import msgspec

from parking_cloud.invoices.schemas import Buyer
from parking_cloud.kernel.settings import Settings

_TIMEOUT_S = 15.0


class InvoiceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice to be issued, or with `red_of` one that takes an amount of that one back."""

    id: UUID
    receipt: str
    """The receipt's number."""
    seller: str
    """The operator's code: the service knows its tax data."""
    amount: int
    buyer: Buyer
    red_of: str = ""
    """The number of the invoice that it takes from."""


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    url: str = ""


class InvoiceServiceAway(Exception):
    """No answer, or one that says to try again."""


class InvoiceServiceRefused(Exception):
    """The service understood, and will not; its words say why."""


class InvoiceService(Protocol):
    async def issue(self, order: InvoiceOrder) -> Issued:
        """Raises InvoiceServiceAway or InvoiceServiceRefused."""
        ...

    async def close(self) -> None: ...


class HttpInvoiceService:
    """Posts orders to the service's adapter."""

    def __init__(self, url: str, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT_S, headers=headers, transport=transport, trust_env=False
        )

    async def issue(self, order: InvoiceOrder) -> Issued:
        try:
            answer = await self._client.post(
                self._url,
                content=msgspec.json.encode(order),
                headers={"Content-Type": "application/json", "Idempotency-Key": str(order.id)},
            )
        except httpx.HTTPError as error:
            raise InvoiceServiceAway(type(error).__name__) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise InvoiceServiceAway(f"HTTP {answer.status_code}")
        if answer.status_code >= 400:
            raise InvoiceServiceRefused(answer.text[:200] or f"HTTP {answer.status_code}")
        try:
            issued = msgspec.json.decode(answer.content, type=Issued)
        except msgspec.DecodeError as error:
            raise InvoiceServiceAway("an answer that cannot be read") from error
        if not issued.number:
            raise InvoiceServiceAway("an answer without a number")
        return issued

    async def close(self) -> None:
        await self._client.aclose()


def make_invoice_service(settings: Settings) -> InvoiceService | None:
    """The service that the settings name; without one, requests wait."""
    return HttpInvoiceService(settings.invoice_url, settings.invoice_key) if settings.invoice_url else None

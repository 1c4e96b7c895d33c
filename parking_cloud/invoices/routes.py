"""Receipts and invoices over HTTP. Whoever holds a receipt's token has paid it: no account is needed."""

from __future__ import annotations

from litestar import get, post
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.invoices import receipts, service
from parking_cloud.invoices.schemas import InvoiceIn, InvoiceOut, PaidOut
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.settings import Settings


@get("/v1/receipts/{token:str}", guards=[public], tags=["payments"])
async def receipt(session: AsyncSession, settings: Settings, token: str) -> PaidOut:
    """What was paid, when, how and for what, with what was paid back since."""
    return await receipts.read(session, token, plate_key=settings.plate_key, secret_key=settings.secret_key)


@post("/v1/invoices", guards=[public], tags=["payments"], status_code=202)
async def invoice(session: AsyncSession, settings: Settings, clock: Clock, data: InvoiceIn) -> InvoiceOut:
    """Ask for the electronic invoice of a receipt; it is sent to the mail address that is given."""
    return await service.request(session, data, ContactVault(settings.plate_key), clock.now())


route_handlers: list[ControllerRouterHandler] = [receipt, invoice]

"""The receipt's page: what was paid, when, how and for what. Whoever has its link has paid."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.receipt_texts import RECEIPT_TEXTS
from parking_cloud.invoices import receipts
from parking_cloud.invoices.receipts import ReceiptNotFound
from parking_cloud.invoices.schemas import PaidOut
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import drivers
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

Token = Annotated[str, Parameter(max_length=128)]


@get("/pay/receipt/{token:str}", guards=[public], include_in_schema=False)
async def receipt_page(
    request: Request[Identity | None, Any, Any],
    reading: AsyncSession,
    settings: Settings,
    clock: Clock,
    token: Token,
    lang: str = "",
) -> Template:
    """To look at, to print, and to ask for an invoice with."""
    paid: PaidOut | None = None
    # Just after paying it may not be there yet: the page says to reload.
    with suppress(ReceiptNotFound):
        paid = await receipts.read(
            reading, token, plate_key=settings.plate_key, secret_key=settings.secret_key
        )
    language = pick_language(None, lang if lang in RECEIPT_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    return Template(
        "receipt.html",
        context={
            "t": RECEIPT_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "token": token,
            "paid": paid,
            "several": paid is not None and sum(len(r.parts) for r in paid.receipts) > 1,
            "to_rate": await _to_rate(reading, request.user, clock.now()) if paid else {},
            "yuan": lambda amount: format_yuan(Fen(amount)),
            "moment": _moment,
        },
        status_code=404 if paid is None else 200,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in RECEIPT_TEXTS else [],
    )


async def _to_rate(reading: AsyncSession, who: Identity | None, now: datetime) -> dict[datetime, UUID]:
    """The reader's own stays that can be rated still, by when they began: a receipt names no stay."""
    if who is None or who.role is not Role.DRIVER:
        return {}
    stays = await drivers.open_stays(reading, who.user_id, now)
    return {stay.entered_at: stay.stay_id for stay in stays}


def _moment(at: datetime) -> str:
    return city_time(at).strftime("%Y-%m-%d %H:%M")


route_handlers: list[ControllerRouterHandler] = [receipt_page]

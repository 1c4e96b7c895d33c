"""The pay page: scan once, plate once, pay once. No account, and nothing is asked but the plate."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.driver.pay_texts import PAY_TEXTS
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.places import place_of
from parking_cloud.web.assets import pay_page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PageRequest = Request[Any, Any, Any]
Code = Annotated[str, Parameter(query="p", max_length=64)]


@get("/pay", guards=[public], include_in_schema=False)
async def pay_page(
    request: PageRequest, reading: AsyncSession, settings: Settings, code: Code = "", lang: str = ""
) -> Template:
    """Where a scanned code leads, and who pays by plate alone."""
    known = bool(code) and await place_of(reading, code) is not None
    return _page(request, settings, lang, place=code if known else "", old_code=bool(code) and not known)


@get("/pay/return", guards=[public], include_in_schema=False)
async def return_page(request: PageRequest, settings: Settings, lang: str = "") -> Template:
    """Where a provider sends the payer back to: the same page, which knows its payment.

    What the provider adds to the address is a hint that anyone could forge, and is not looked at.
    """
    return _page(request, settings, lang, returned="yes")


def _page(
    request: PageRequest,
    settings: Settings,
    lang: str,
    *,
    place: str = "",
    returned: str = "",
    old_code: bool = False,
) -> Template:
    language = pick_language(None, lang if lang in PAY_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    other = "en" if language == "zh-CN" else "zh-CN"
    return Template(
        "pay.html",
        context={
            "t": PAY_TEXTS[language],
            "language": language,
            "other": other,
            "other_href": "/pay?" + urlencode({"lang": other} | ({"p": place} if place else {})),
            "place": place,
            "returned": returned,
            "old_code": old_code,
        },
        headers=pay_page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in PAY_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [pay_page, return_page]

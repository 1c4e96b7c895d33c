"""A signed-in driver's page: what is owed, vehicles, automatic payment, stays. Paying needs none of it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.accounts.phone_codes import PhoneBook, masked_phone
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.me_texts import ME_TEXTS
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import pay_page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/me"
VisitRequest = Request[Identity | None, Any, Any]


@get(PAGE, guards=[public], include_in_schema=False)
async def my_page(
    request: VisitRequest, session: AsyncSession, settings: Settings, lang: str = ""
) -> Template | Redirect:
    """The driver's page; who is not signed in is led to the door."""
    who = request.user
    if who is None or who.role is not Role.DRIVER:
        return Redirect(f"/sign-in?next={PAGE}", status_code=303)
    phone = await masked_phone(session, PhoneBook(settings.plate_key), who.user_id)
    return _page(request, settings, lang, phone or who.username)


def _page(request: VisitRequest, settings: Settings, lang: str, name: str) -> Template:
    language = pick_language(None, lang if lang in ME_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    return Template(
        "me.html",
        context={
            "t": ME_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "name": name,
        },
        headers=pay_page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in ME_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [my_page]

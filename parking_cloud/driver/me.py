"""A signed-in driver's page: what is owed, vehicles, automatic payment, stays. Paying needs none of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import service as accounts
from parking_cloud.accounts.guards import public, signed_in
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import AccountLocked, WrongPassword
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.me_texts import ME_TEXTS
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import pay_page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from parking_cloud.web.session import no_session, session_cookie

PAGE = "/me"
VisitRequest = Request[Identity | None, Any, Any]


class SignInForm(msgspec.Struct, frozen=True):
    username: str
    password: str


@get(PAGE, guards=[public], include_in_schema=False)
async def my_page(request: VisitRequest, settings: Settings, lang: str = "") -> Template:
    """The driver's page, or for who is not signed in the door to it."""
    return _page(request, settings, lang, "")


@post(f"{PAGE}/login", guards=[public], include_in_schema=False, status_code=200)
async def sign_in(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Sets the cookie and goes to the page, or says in words what was wrong."""
    language = pick_language(None, request.cookies.get(LANGUAGE_COOKIE))
    try:
        identity = await accounts.sign_in(session, clock, data.username, data.password)
    except (WrongPassword, AccountLocked) as refusal:
        body = refusal.body(language)
        return _page(request, settings, "", f"{body['title']} {body['detail']}")
    if identity.role is not Role.DRIVER:
        return _page(request, settings, "", ME_TEXTS[language]["not_a_driver"])
    return Redirect(PAGE, status_code=303, cookies=[session_cookie(identity, settings, clock.now())])


@post(f"{PAGE}/logout", guards=[signed_in], include_in_schema=False, status_code=200)
async def sign_out() -> Redirect:
    """Takes the cookie back."""
    return Redirect(PAGE, status_code=303, cookies=[no_session()])


def _page(request: VisitRequest, settings: Settings, lang: str, error: str) -> Template:
    language = pick_language(None, lang if lang in ME_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    who = request.user
    return Template(
        "me.html",
        context={
            "t": ME_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "user": who if who is not None and who.role is Role.DRIVER else None,
            "error": error,
        },
        headers=pay_page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in ME_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [my_page, sign_in, sign_out]

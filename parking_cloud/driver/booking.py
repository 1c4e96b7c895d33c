"""The pages of booking a shared space, and of a driver's own bookings. What they show comes from the API."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.book_texts import BOOK_TEXTS
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.compression import compressed
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

VisitRequest = Request[Identity | None, Any, Any]
Facility = Annotated[str, Parameter(max_length=64)]


@get("/book", guards=[public], include_in_schema=False, middleware=[compressed()])
async def book_page(
    request: VisitRequest, settings: Settings, facility: Facility = "", lang: str = ""
) -> Template:
    """When a facility is open to bookings, and what they cost; who is signed in books here."""
    return _page("book.html", request, settings, lang, facility=facility)


@get("/bookings", guards=[public], include_in_schema=False, middleware=[compressed()])
async def bookings_page(request: VisitRequest, settings: Settings, lang: str = "") -> Template | Redirect:
    """A driver's bookings, the newest first."""
    return _own("bookings.html", request, settings, lang)


@get("/bookings/{booking_id:uuid}", guards=[public], include_in_schema=False, middleware=[compressed()])
async def booking_page(
    request: VisitRequest, settings: Settings, booking_id: UUID, lang: str = ""
) -> Template | Redirect:
    """One booking: how it stands, whether the gate knows, and what can be done."""
    return _own("booking.html", request, settings, lang, booking=str(booking_id))


def _own(
    template: str, request: VisitRequest, settings: Settings, lang: str, **more: str
) -> Template | Redirect:
    if not _is_driver(request.user):
        return Redirect(f"/sign-in?next={quote(request.url.path)}", status_code=303)
    return _page(template, request, settings, lang, **more)


def _query(request: VisitRequest) -> dict[str, str]:
    """What was asked for, without the language."""
    return {name: str(value) for name, value in request.query_params.items() if name != "lang"}


def _is_driver(who: Identity | None) -> bool:
    return who is not None and who.role is Role.DRIVER


def _page(template: str, request: VisitRequest, settings: Settings, lang: str, **more: str) -> Template:
    language = pick_language(None, lang if lang in BOOK_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    other = "en" if language == "zh-CN" else "zh-CN"
    context = {
        "t": BOOK_TEXTS[language],
        "language": language,
        "other": other,
        "other_href": "?" + urlencode({**_query(request), "lang": other}),
        "signed_in": _is_driver(request.user),
        "sign_in_href": f"/sign-in?next={quote(f'{request.url.path}?{urlencode(_query(request))}', safe='')}",
    }
    return Template(
        template,
        context=context | more,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in BOOK_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [book_page, bookings_page, booking_page]

"""A signed-in driver's page: what is owed, vehicles, automatic payment, stays. Paying needs none of it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.accounts.phone_codes import PhoneBook, masked_phone
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.data_texts import DATA_TEXTS
from parking_cloud.driver.me_texts import ME_TEXTS
from parking_cloud.driver.report_texts import REPORT_TEXTS
from parking_cloud.enforcement.service import kinds as clue_kinds
from parking_cloud.kernel.problems import LANGUAGES, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.mandates import has_mandate
from parking_cloud.registry.service import facility_label
from parking_cloud.web.assets import page_headers, pay_page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/me"
VisitRequest = Request[Identity | None, Any, Any]
Facility = Annotated[str, Parameter(max_length=64)]


@get(PAGE, guards=[public], include_in_schema=False)
async def my_page(
    request: VisitRequest, session: AsyncSession, settings: Settings, lang: str = ""
) -> Template | Redirect:
    """The driver's page; who is not signed in is led to the door."""
    who = _driver(request)
    if who is None:
        return _to_the_door(PAGE)
    phone = await masked_phone(session, PhoneBook(settings.plate_key), who.user_id)
    headers = pay_page_headers(settings)
    mandate = await has_mandate(session, who.user_id)
    return _page("me.html", request, ME_TEXTS, lang, headers, name=phone or who.username, mandate=mandate)


@get(f"{PAGE}/data", guards=[public], include_in_schema=False)
async def data_page(request: VisitRequest, settings: Settings, lang: str = "") -> Template | Redirect:
    """What is kept about a driver, what they agree to, and the way out."""
    if _driver(request) is None:
        return _to_the_door(f"{PAGE}/data")
    return _page("data.html", request, DATA_TEXTS, lang, page_headers(settings))


@get("/report", guards=[public], include_in_schema=False)
async def report_page(
    request: VisitRequest, session: AsyncSession, settings: Settings, facility: Facility = "", lang: str = ""
) -> Template | Redirect:
    """Reporting a violation, at a facility or anywhere."""
    if _driver(request) is None:
        return _to_the_door("/report" + (f"?facility={quote(facility)}" if facility else ""))
    place = await facility_label(session, facility) if facility else None
    return _page(
        "report.html",
        request,
        REPORT_TEXTS,
        lang,
        page_headers(settings),
        kinds=await clue_kinds(session, _language(request, lang)),
        facility=place.code if place else "",
        place=place.name if place else "",
        tile_url=settings.tile_url,
    )


def _driver(request: VisitRequest) -> Identity | None:
    who = request.user
    return who if who is not None and who.role is Role.DRIVER else None


def _to_the_door(page: str) -> Redirect:
    return Redirect(f"/sign-in?next={quote(page, safe='/')}", status_code=303)


def _language(request: VisitRequest, lang: str) -> str:
    return pick_language(None, lang if lang in LANGUAGES else request.cookies.get(LANGUAGE_COOKIE))


def _page(
    template: str,
    request: VisitRequest,
    texts: dict[str, dict[str, str]],
    lang: str,
    headers: dict[str, str],
    **more: Any,
) -> Template:
    language = _language(request, lang)
    return Template(
        template,
        context={
            "t": texts[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            **more,
        },
        headers=headers | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in LANGUAGES else [],
    )


route_handlers: list[ControllerRouterHandler] = [my_page, data_page, report_page]

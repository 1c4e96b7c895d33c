"""The page of codes to scan: made, ended, and printed as cards."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.health import to_the_door
from parking_cloud.console.place_texts import PLACE_TEXTS
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import places
from parking_cloud.payments.place_routes import MAY_MAKE, pay_link, qr_svg
from parking_cloud.payments.places import PlaceIn, PlaceThere
from parking_cloud.registry.service import FacilityLabel, all_facilities, facilities_of, facility_labels
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/console/places"
_SHOWN = 100
_CARDS = 48

PageRequest = Request[Identity, Any, Any]


class MakingForm(msgspec.Struct, frozen=True):
    facility: str
    """Its code, as chosen from the list."""
    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""


@get(
    PAGE,
    guards=[allow(*MAY_MAKE)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def places_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    lang: str = "",
    find: str = "",
    made: str = "",
    fault: str = "",
) -> Template:
    """All codes in use, and a form for one more."""
    t, context = _common(request, lang)
    shown = [pair for pair in await places.places_in_use(session, request.user) if _fits(pair[0], find)]
    facilities = sorted(await _theirs(session, request.user), key=lambda label: label.code)
    context |= {
        "facilities": facilities,
        "places": shown[:_SHOWN],
        "more": t["more"].format(n=_SHOWN) if len(shown) > _SHOWN else "",
        "find": find,
        "made": t["made"].format(n=made) if made else "",
        "fault": t[fault] if fault in ("there", "unknown") else "",
    }
    return _template("places.html", settings, context, lang)


@get(
    f"{PAGE}/print",
    guards=[allow(*MAY_MAKE)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def print_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    code: Annotated[list[str] | None, Parameter(query="code", max_items=_CARDS)] = None,
    lang: str = "",
) -> Template:
    """The chosen codes as cards of A6, in both languages."""
    _, context = _common(request, lang)
    wanted = set(code or [])
    context["cards"] = [
        (label, place, Markup(qr_svg(pay_link(settings, place.code)).decode()))
        for label, place in await places.places_in_use(session, request.user)
        if place.code in wanted
    ]
    return _template("places_print.html", settings, context, lang)


@post(
    PAGE,
    guards=[allow(*MAY_MAKE)],
    exception_handlers={NotSignedIn: to_the_door},
    include_in_schema=False,
    status_code=200,
)
async def make_place(
    request: PageRequest,
    session: AsyncSession,
    data: Annotated[MakingForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """One more code; then the page, with it on top of what it shows."""
    by_code = {label.code: label for label in await _theirs(session, request.user)}
    label = by_code.get(data.facility.strip())
    if label is None:
        return _back(fault="unknown")
    try:
        place = await places.make_place(session, request.user, PlaceIn(label.id, data.lane))
    except PlaceThere:
        return _back(fault="there", find=label.code)
    return _back(made=place.code, find=label.code)


@post(
    f"{PAGE}/{{code:str}}/end",
    guards=[allow(*MAY_MAKE)],
    exception_handlers={NotSignedIn: to_the_door},
    include_in_schema=False,
    status_code=200,
)
async def end_place(request: PageRequest, session: AsyncSession, clock: Clock, code: str) -> Redirect:
    """A printed code leads nowhere from now on; then the page again."""
    await places.end_place(session, request.user, code, clock.now())
    return _back()


def _fits(label: FacilityLabel, find: str) -> bool:
    return find.strip().lower() in f"{label.code} {label.name} {label.name_en}".lower()


async def _theirs(session: AsyncSession, who: Identity) -> list[FacilityLabel]:
    if who.role is Role.OPERATOR_STAFF:
        ids = await facilities_of(session, who.operator_id) if who.operator_id else []
    else:
        ids = await all_facilities(session)
    return list((await facility_labels(session, ids)).values())


def _back(**said: str) -> Redirect:
    return Redirect(f"{PAGE}?{urlencode(said)}", status_code=303)


def _common(request: PageRequest, lang: str) -> tuple[dict[str, str], dict[str, Any]]:
    chosen = lang if lang in PLACE_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    t = PLACE_TEXTS[language]
    other = "en" if language == "zh-CN" else "zh-CN"
    return t, {"t": t, "language": language, "other": other, "user": request.user}


def _template(name: str, settings: Settings, context: dict[str, Any], lang: str) -> Template:
    headers = page_headers(settings) | {"Content-Language": context["language"]}
    cookies = [language_cookie(lang)] if lang in PLACE_TEXTS else []
    return Template(name, context=context, headers=headers, cookies=cookies)


route_handlers: list[ControllerRouterHandler] = [places_page, print_page, make_place, end_place]

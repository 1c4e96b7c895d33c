"""/bookings/overstays: where a driver had not left in time, what was done, and a way to object."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.overstays_texts import OVERSTAYS_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing.overstay_desk import (
    ObjectedAlready,
    ObjectionIn,
    OverstayNotFound,
    object_to,
    overstays_of,
)
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/bookings/overstays"

VisitRequest = Request[Identity | None, Any, Any]
DriverRequest = Request[Identity, Any, Any]


class ObjectionForm(msgspec.Struct, frozen=True):
    text: str


@get(PAGE, guards=[public], include_in_schema=False)
async def overstays_page(
    request: VisitRequest, reading: AsyncSession, settings: Settings, said: str = "", lang: str = ""
) -> Template | Redirect:
    """A driver's own; who is not signed in is asked to."""
    if request.user is None or request.user.role is not Role.DRIVER:
        return Redirect(f"/sign-in?next={PAGE}", status_code=303)
    texts = OVERSTAYS_TEXTS
    language = pick_language(None, lang if lang in texts else request.cookies.get(LANGUAGE_COOKIE))
    return Template(
        "overstays.html",
        context={
            "t": texts[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "overstays": await overstays_of(reading, request.user.user_id),
            "said": said if said in ("saved", "not_saved") else "",
            "moment": lambda at: city_time(at).strftime("%Y-%m-%d %H:%M"),
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in texts else [],
    )


def _not_saved(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    return Redirect(f"{PAGE}?said=not_saved", status_code=303)


_REFUSED: dict[int | type[Exception], Any] = {ObjectedAlready: _not_saved, OverstayNotFound: _not_saved}


@post(
    f"{PAGE}/{{overstay_id:uuid}}",
    guards=[allow(Role.DRIVER)],
    exception_handlers=_REFUSED,
    include_in_schema=False,
    status_code=200,
)
async def say_it_is_wrong(
    request: DriverRequest,
    session: AsyncSession,
    clock: Clock,
    overstay_id: UUID,
    data: Annotated[ObjectionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Object; then the page again."""
    text = data.text.strip()
    if not 4 <= len(text) <= 1000:
        return Redirect(f"{PAGE}?said=not_saved", status_code=303)
    await object_to(session, request.user.user_id, overstay_id, ObjectionIn(text), clock.now())
    return Redirect(f"{PAGE}?said=saved", status_code=303)


route_handlers: list[ControllerRouterHandler] = [overstays_page, say_it_is_wrong]

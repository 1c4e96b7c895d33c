"""The console's door and first page: sign in, then the city's numbers as a table."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import service as accounts
from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import CONSOLE_ROLES
from parking_cloud.accounts.service import AccountLocked, WrongPassword
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.health import MAY_SEE
from parking_cloud.console.payments import MAY_SEE_MONEY
from parking_cloud.console.ratings import MAY_SEE_RATINGS
from parking_cloud.console.sharing_record import MAY_SEE as SHARING_RECORD
from parking_cloud.console.stays import SEE_STAYS
from parking_cloud.console.tariffs import MAY_SEE_TARIFFS
from parking_cloud.console.vehicles import AT_THE_DESK
from parking_cloud.guidance.signs.routes import MAY_SEE_SIGNS
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service as occupancy
from parking_cloud.payments.place_routes import MAY_MAKE
from parking_cloud.sharing.manager_routes import KEEPERS
from parking_cloud.web.assets import page_headers
from parking_cloud.web.kinds import KIND_NAMES
from parking_cloud.web.session import no_session, session_cookie
from sensor_gateway.observation import DEAD_LETTER_STREAM


class SignInForm(msgspec.Struct, frozen=True):
    username: str
    password: str


@get("/console", guards=[public], include_in_schema=False)
async def overview(
    request: Request[Identity | None, Any, Any],
    session: AsyncSession,
    redis: Redis,
    settings: Settings,
    clock: Clock,
) -> Template:
    """The sign-in page, or for staff the city's totals and every facility."""
    if request.user is None or request.user.role not in CONSOLE_ROLES:
        return _sign_in_page(settings, "")
    limit = timedelta(seconds=settings.stale_after_s)
    facilities = await occupancy.list_facilities(session, now=clock.now(), stale_after=limit)
    return Template(
        "overview.html",
        context={
            "user": request.user,
            "facilities": facilities,
            "totals": occupancy.city_totals(facilities),
            "dead_letters": await redis.xlen(DEAD_LETTER_STREAM),
            "kinds": KIND_NAMES["zh-CN"],
            "as_of": clock.now(),
            "sees_health": request.user.role in MAY_SEE,
            "sees_tariffs": request.user.role in MAY_SEE_TARIFFS,
            "keeps_sharing": request.user.role in KEEPERS,
            "sees_sharing": request.user.role in SHARING_RECORD,
            "sees_stays": request.user.role in SEE_STAYS,
            "sees_money": request.user.role in MAY_SEE_MONEY,
            "sees_ratings": request.user.role in MAY_SEE_RATINGS,
            "at_the_desk": request.user.role in AT_THE_DESK,
            "sees_signs": request.user.role in MAY_SEE_SIGNS,
            "makes_places": request.user.role in MAY_MAKE,
        },
        headers=page_headers(settings),
    )


@post("/console/login", guards=[public], include_in_schema=False, status_code=200)
async def sign_in(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Sets the cookie and goes to the console, or says in words what was wrong."""
    try:
        identity = await accounts.sign_in(session, clock, data.username, data.password)
    except (WrongPassword, AccountLocked) as refusal:
        body = refusal.body("zh-CN")
        return _sign_in_page(settings, f"{body['title']}。{body['detail']}")
    cookie = session_cookie(identity, settings, clock.now())
    return Redirect("/console", status_code=303, cookies=[cookie])


@post("/console/logout", guards=[allow(*CONSOLE_ROLES)], include_in_schema=False, status_code=200)
async def sign_out() -> Redirect:
    """Takes the cookie back."""
    return Redirect("/console", status_code=303, cookies=[no_session()])


def _sign_in_page(settings: Settings, error: str) -> Template:
    return Template("sign_in.html", context={"error": error}, headers=page_headers(settings))


route_handlers: list[ControllerRouterHandler] = [overview, sign_in, sign_out]

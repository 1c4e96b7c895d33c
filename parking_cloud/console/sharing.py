"""The sharing pages: an institution's facilities, and one facility's plan with its calendar, exceptions,
closings and bookings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.health import to_the_door
from parking_cloud.console.sharing_chart import Picture, draw
from parking_cloud.console.sharing_texts import SHARING_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import NotAllowed, NotFound, NotSignedIn, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing import managing, rules
from parking_cloud.sharing.manager_routes import KEEPERS
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rule import rule_at
from parking_cloud.sharing.schemas import PlanState, WindowIn
from parking_cloud.sharing.times import Span
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

_DAYS = 14
_DOOR: dict[int | type[Exception], Any] = {
    NotSignedIn: to_the_door,
    NotAllowed: to_the_door,
    NotFound: to_the_door,
}
PageRequest = Request[Identity, Any, Any]


@get("/console/sharing", guards=[allow(*KEEPERS)], exception_handlers=_DOOR, include_in_schema=False)
async def sharing_page(
    request: PageRequest, session: AsyncSession, settings: Settings, lang: str = ""
) -> Template:
    """The facilities whose plans one keeps."""
    plans = await managing.my_facilities(session, request.user)
    opened = [plan for plan in plans if plan.state is PlanState.PUBLISHED]
    more = {"plans": plans, "opened": len(opened), "shared": sum(plan.shared for plan in opened)}
    return _page("sharing.html", request, settings, lang, more)


@get(
    "/console/sharing/{facility_id:uuid}",
    guards=[allow(*KEEPERS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
)
async def sharing_plan_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    facility_id: UUID,
    lang: str = "",
) -> Template:
    """One facility: its calendar, and everything that a manager changes."""
    now = clock.now()
    language = _language(request, lang)
    kept = await managing.plan_out(session, request.user, facility_id)
    spaces = (await shared_spaces(session, [facility_id])).get(facility_id, [])
    until = now + timedelta(days=_DAYS)
    more = {
        "kept": kept,
        "windows": [_row(window, spaces) for window in (kept.plan.windows if kept.plan else [])],
        "picture": await _picture(session, facility_id, len(spaces), language, clock),
        "unknown": await _unknown(session, facility_id, clock),
        "rule": await rule_at(session, now),
        "numbers": msgspec.json.encode({space.number: str(space.id) for space in spaces}).decode(),
        "exceptions": await managing.exceptions_out(session, facility_id, city_time(now).date()),
        "closings": await managing.closings_out(session, facility_id, now - timedelta(days=7)),
        "bookings": await managing.booked_out(session, request.user, facility_id, now, until, 200),
        "at": lambda moment: city_time(moment).strftime("%m-%d %H:%M"),
        "yuan": lambda fen: format_yuan(Fen(fen)),
        "clock_time": clock_time,
        "today": city_time(now).date().isoformat(),
    }
    return _page("sharing_plan.html", request, settings, lang, more)


def clock_time(minute: int) -> str:
    """A minute of the day as it stands on a clock; of the next day too."""
    return f"{minute % rules.DAY // 60:02d}:{minute % 60:02d}"


def _row(window: WindowIn, spaces: list[SharedSpace]) -> dict[str, Any]:
    """A window as the form shows it."""
    listed = set(window.space_ids or ())
    return {
        "days": {day.value for day in window.days},
        "start": clock_time(window.start),
        "until": clock_time(window.until),
        "next_day": window.until >= rules.DAY,
        "spaces": ", ".join(space.number for space in spaces if space.id in listed),
    }


async def _picture(
    session: AsyncSession, facility_id: UUID, spaces: int, language: str, clock: Clock
) -> Picture | None:
    today = city_time(clock.now()).date()
    bounds = Span(rules.moment(today, 0), rules.moment(today + timedelta(days=_DAYS), 0))
    plan = (await published(session, bounds.start, [facility_id])).get(facility_id)
    if plan is None:
        return None
    shares = await managing.booked_shares(session, facility_id, plan, spaces, bounds)
    return draw(shares, today, _DAYS, language)


async def _unknown(session: AsyncSession, facility_id: UUID, clock: Clock) -> str | None:
    """From which day on the holidays are not known, where that comes within a booking's reach."""
    now = clock.now()
    plan = (await published(session, now, [facility_id])).get(facility_id)
    if plan is None:
        return None
    ahead = Span(now, now + timedelta(days=rules.POLICY.days_ahead + 31))
    unknown = rules.open_times(plan, ahead).unknown
    return unknown[0].isoformat() if unknown else None


def _language(request: PageRequest, lang: str) -> str:
    return pick_language(None, lang if lang in SHARING_TEXTS else request.cookies.get(LANGUAGE_COOKIE))


def _page(name: str, request: PageRequest, settings: Settings, lang: str, more: dict[str, Any]) -> Template:
    language = _language(request, lang)
    common = {
        "t": SHARING_TEXTS[language],
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": request.user,
    }
    return Template(
        name,
        context=common | more,
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(lang)] if lang in SHARING_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [sharing_page, sharing_plan_page]

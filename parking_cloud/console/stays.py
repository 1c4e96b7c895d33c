"""The stays' pages: what may not be charged by itself, its evidence on a line of time, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.evidence_words import moment
from parking_cloud.console.health import to_the_door
from parking_cloud.console.stay_texts import STAY_TEXTS
from parking_cloud.kernel.clock import CITY_ZONE, Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import answering, corrections, decisions, looking
from parking_cloud.stays.schemas import StayState
from parking_cloud.stays.visit import Action
from parking_cloud.stays.wire import ReadingAnswer, Resolution, StayDetail
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from sensor_gateway.sealing import PlateVault

SEE_STAYS = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_LIST = "/console/stays"
_MOST = 50
_DOOR: ExceptionHandlersMap = {NotSignedIn: to_the_door, NotAllowed: to_the_door}

PageRequest = Request[Identity, Any, Any]
Form = Body(media_type=RequestEncodingType.URL_ENCODED)


class DecisionForm(msgspec.Struct, frozen=True):
    """As a browser sends it: times without a zone are the city's."""

    action: Action
    reason: str = ""
    entered_at: str = ""
    exited_at: str = ""
    evidence: str = ""


class SecondForm(msgspec.Struct, frozen=True):
    decision_id: UUID


class PlateForm(msgspec.Struct, frozen=True):
    plate: Annotated[str, msgspec.Meta(max_length=32)] = ""


class WhyForm(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


def to_the_list(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    """What was typed is no plate, or a colleague was quicker: the list shows how it stands."""
    return Redirect(_LIST, status_code=303)


@get(_LIST, guards=[allow(*SEE_STAYS)], exception_handlers=_DOOR, include_in_schema=False)
async def stays_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    lang: str = "",
    before: Annotated[datetime | None, Parameter(query="before")] = None,
) -> Template:
    """What waits for the operator: stays under review, plates to read again, corrections not taken over."""
    who = request.user
    wanted = looking.Wanted(state=StayState.REVIEW, before=before)
    page = await looking.list_stays(session, PlateVault(settings.plate_key), who, wanted, _MOST)
    readings = await answering.list_readings(session, who, after=None, limit=_MOST)
    waiting = None
    if who.operator_id is not None:
        feed = await corrections.feed(session, None, who.operator_id, after=0, limit=1, unacknowledged=True)
        waiting = feed.unacknowledged
    context = {"page": page, "readings": readings.items, "waiting": waiting}
    return _page(request, settings, "stays.html", lang, context)


@get(
    f"{_LIST}/{{stay_id:uuid}}",
    guards=[allow(*SEE_STAYS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
)
async def stay_page(
    request: PageRequest, session: AsyncSession, settings: Settings, stay_id: UUID, lang: str = ""
) -> Template:
    """One stay with its evidence."""
    return await _stay(request, session, settings, stay_id, lang=lang)


@post(
    f"{_LIST}/{{stay_id:uuid}}/plate",
    guards=[allow(*SEE_STAYS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def show_plate(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    stay_id: UUID,
    data: Annotated[WhyForm, Form],
) -> Template:
    """The page with the whole plate; that somebody looked, and why, is kept."""
    return await _stay(request, session, settings, stay_id, why=data.reason)


@post(
    f"{_LIST}/{{stay_id:uuid}}",
    guards=[allow(*_ACT)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def decide(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    stay_id: UUID,
    data: Annotated[DecisionForm, Form],
) -> Template | Redirect:
    """Take the decision, then the page again; or the page with what is missing."""
    try:
        said = _resolution(data)
        vault = PlateVault(settings.plate_key)
        await decisions.resolve(session, vault, request.user, stay_id, said, clock.now())
    except Problem as problem:
        await session.rollback()
        return await _stay(request, session, settings, stay_id, problem=problem)
    return Redirect(f"{_LIST}/{stay_id}", status_code=303)


@post(
    f"{_LIST}/{{stay_id:uuid}}/second",
    guards=[allow(*_ACT)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def agree(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    stay_id: UUID,
    data: Annotated[SecondForm, Form],
) -> Template | Redirect:
    """The second person's word."""
    try:
        vault = PlateVault(settings.plate_key)
        await decisions.second(session, vault, request.user, stay_id, data.decision_id, clock.now())
    except Problem as problem:
        await session.rollback()
        return await _stay(request, session, settings, stay_id, problem=problem)
    return Redirect(f"{_LIST}/{stay_id}", status_code=303)


@post(
    f"{_LIST}/readings/{{reading_id:uuid}}",
    guards=[allow(*_ACT)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door, Problem: to_the_list},
    include_in_schema=False,
    status_code=200,
)
async def read_again(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    reading_id: UUID,
    data: Annotated[PlateForm, Form],
) -> Redirect:
    """What the plate is; then the list again."""
    vault, shards = PlateVault(settings.plate_key), settings.stream_shards
    said = ReadingAnswer(data.plate)
    await answering.answer(session, vault, request.user, reading_id, said, clock.now(), shards)
    return Redirect(f"{_LIST}#readings", status_code=303)


def _resolution(form: DecisionForm) -> Resolution:
    if not form.reason.strip():
        raise InvalidInput(errors=[{"field": "reason", "reason": "needed"}])
    return Resolution(
        action=form.action,
        reason=form.reason.strip()[:500],
        entered_at=_typed(form.entered_at, "entered_at"),
        exited_at=_typed(form.exited_at, "exited_at"),
        evidence=[line.strip()[:500] for line in form.evidence.splitlines() if line.strip()],
    )


def _typed(text: str, field: str) -> datetime | None:
    """A time as typed, in the city."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=CITY_ZONE)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": field, "reason": "not a time"}]) from error


async def _stay(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    stay_id: UUID,
    *,
    lang: str = "",
    why: str = "",
    problem: Problem | None = None,
) -> Template:
    vault = PlateVault(settings.plate_key)
    stay = await looking.stay_detail(session, vault, request.user, stay_id, why)
    context = {
        "stay": stay,
        "whole": bool(why),
        "line": time_line(stay),
        "problem": problem,
        "actions": list(Action),
        "may_act": request.user.role in _ACT,
        "me": request.user.user_id,
    }
    return _page(request, settings, "stay.html", lang, context)


def time_line(stay: StayDetail) -> list[dict[str, Any]]:
    """What is known in its time, as points at 0..100 of a line."""
    points = [(r.occurred_at, r.direction) for r in stay.evidence.readings if not r.voided]
    points += [(m.at, m.by) for m in stay.evidence.marks]
    if stay.not_after is not None:
        points.append((stay.not_after, "next_entry"))
    if not points:
        return []
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    span = (last - first).total_seconds() or 1.0
    return [
        {"x": round(100 * (at - first).total_seconds() / span, 1), "at": at, "what": what}
        for at, what in sorted(points)
    ]


def _page(
    request: PageRequest, settings: Settings, template: str, lang: str, context: Mapping[str, Any]
) -> Template:
    language = pick_language(None, lang if lang in STAY_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    t = STAY_TEXTS[language]
    problem = context.get("problem")
    return Template(
        template,
        context={
            "t": t,
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "user": request.user,
            "moment": lambda at: moment(t, at),
            "field": lambda at: "" if at is None else city_time(at).strftime("%Y-%m-%dT%H:%M:%S"),
            "yuan": lambda amount: t["no_amount"] if amount is None else format_yuan(Fen(amount)),
            "may_act": request.user.role in _ACT,
            **context,
            "error": problem.body(language) if isinstance(problem, Problem) else None,
        },
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(lang)] if lang in STAY_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [
    stays_page,
    stay_page,
    show_plate,
    decide,
    agree,
    read_again,
]

"""The page of ratings: the city reads what was held, operators answer, and both see scores line by line."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.health import to_the_door
from parking_cloud.console.rating_texts import RATING_DESK_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import desk, ranking, scoring
from parking_cloud.ratings.schemas import AnswerIn, DecisionIn, ReportIn, ScoreOut
from parking_cloud.ratings.words import NAMES
from parking_cloud.registry.service import facilities_of
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/console/ratings"
MAY_SEE_RATINGS = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_CITY = (Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ROWS = 50
_LEAST_REASON = 4
_SAID = (
    "done_shown",
    "done_hidden",
    "done_answered",
    "done_reported",
    "done_made",
    "fault_input",
    "fault_changed",
)

PageRequest = Request[Identity, Any, Any]


class DecisionForm(msgspec.Struct, frozen=True):
    state: Literal["shown", "hidden"]
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class AnswerForm(msgspec.Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=500)]


class ReportForm(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(max_length=500)]


def _back(said: str, to: str) -> Redirect:
    return Redirect(f"{PAGE}?said={said}#{to}", status_code=303)


def to_the_page(_: PageRequest, refusal: Exception) -> Redirect:
    """What was refused is told on the page; nothing was changed."""
    return _back("fault_input" if isinstance(refusal, InvalidInput) else "fault_changed", "said")


_REFUSALS: dict[int | type[Exception], Any] = {NotSignedIn: to_the_door, Problem: to_the_page}


@get(
    PAGE,
    guards=[allow(*MAY_SEE_RATINGS)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def ratings_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    said: str = "",
    lang: str = "",
) -> Template:
    """What waits to be read and answered, and the scores with their lines."""
    chosen = lang if lang in RATING_DESK_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    t, who, now = RATING_DESK_TEXTS[language], request.user, clock.now()
    own = desk.own_operator(who)
    context = {
        "t": t,
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": who,
        "as_of": t["as_of"].format(n=city_time(now).strftime("%Y-%m-%d %H:%M:%S")),
        "to_screen": await desk.to_screen(session, now, _ROWS) if who.role in _CITY else None,
        "to_answer": await desk.to_answer(session, own, now, _ROWS),
        "scores": await _scores(session, own, clock),
        "questions": NAMES[language],
        "decides": who.role is Role.CITY_ADMINISTRATOR,
        "answers": own is not None,
        "said": said if said in _SAID else "",
    }
    return Template(
        "ratings.html",
        context=context,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in RATING_DESK_TEXTS else [],
    )


async def _scores(session: AsyncSession, own: UUID | None, clock: Clock) -> list[ScoreOut]:
    """The lowest first: where something is to be done."""
    places = None if own is None else await facilities_of(session, own)
    return await scoring.lowest_scores(session, places, city_time(clock.now()).date(), _ROWS)


@post(
    f"{PAGE}/{{rating_id:uuid}}/decision",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def decide(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    rating_id: UUID,
    data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Show a text, or hide it."""
    decision = DecisionIn(state=data.state, reason=data.reason)
    await desk.decide(session, request.user, rating_id, decision, clock.now())
    return _back(f"done_{data.state}", "to-screen")


@post(
    f"{PAGE}/{{rating_id:uuid}}/answer",
    guards=[allow(Role.OPERATOR_STAFF)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def answer(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    rating_id: UUID,
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """The operator's answer."""
    if not data.text.strip():
        raise InvalidInput(errors=[{"field": "text", "message": "is empty"}])
    await desk.answer(session, request.user, rating_id, AnswerIn(text=data.text), clock.now())
    return _back("done_answered", "to-answer")


@post(
    f"{PAGE}/{{rating_id:uuid}}/report",
    guards=[allow(Role.OPERATOR_STAFF)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def report(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    rating_id: UUID,
    data: Annotated[ReportForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A text that the city should look at."""
    if len(data.reason.strip()) < _LEAST_REASON:
        raise InvalidInput(errors=[{"field": "reason", "message": "say why"}])
    await desk.report(session, request.user, rating_id, ReportIn(reason=data.reason.strip()), clock.now())
    return _back("done_reported", "to-answer")


@post(
    f"{PAGE}/scores",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def make_scores(session: AsyncSession, clock: Clock) -> Redirect:
    """Make today's scores now."""
    await scoring.make_scores(session, clock.now())
    await ranking.make_standing(session, clock.now())
    return _back("done_made", "scores")


route_handlers: list[ControllerRouterHandler] = [ratings_page, decide, answer, report, make_scores]

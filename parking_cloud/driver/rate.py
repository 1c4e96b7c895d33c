"""The rating page: five questions and a few words about one's own stay. It works without scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import Purpose
from parking_cloud.accounts.guards import public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.rate_texts import RATE_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.problems import Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import drivers
from parking_cloud.ratings.routes import count_ratings
from parking_cloud.ratings.schemas import Language, MyRating, OpenStay, Question, RatingIn
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/rate"
VisitRequest = Request[Identity | None, Any, Any]
_Mark = Annotated[str, msgspec.Meta(pattern="^[1-5]?$")]


class RateForm(msgspec.Struct, frozen=True, kw_only=True):
    """As a browser sends it; an empty mark is one that was left out."""

    finding: _Mark = ""
    number: _Mark = ""
    price: _Mark = ""
    payment: _Mark = ""
    staff: _Mark = ""
    text: Annotated[str, msgspec.Meta(max_length=600)] = ""
    agree: str = ""


@get(f"{PAGE}/{{stay_id:uuid}}", guards=[public], include_in_schema=False)
async def rate_page(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    stay_id: UUID,
    said: str = "",
    lang: str = "",
) -> Template | Redirect:
    """The form, or what was said; who is not signed in is led to the door."""
    who = _driver(request)
    if who is None:
        return _to_the_door(stay_id)
    shown = await _look(session, who, stay_id, clock.now())
    return _page(request, settings, lang, stay_id, shown, thanks=said == "thanks")


@post(f"{PAGE}/{{stay_id:uuid}}", guards=[public], include_in_schema=False, status_code=200)
async def rate(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    limiter: Limiter,
    clock: Clock,
    stay_id: UUID,
    data: Annotated[RateForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Say it, or say it otherwise; what is refused is told beside what was written."""
    who = _driver(request)
    if who is None:
        return _to_the_door(stay_id)
    now = clock.now()
    before = await drivers.rating_of(session, who.user_id, stay_id, now)
    try:
        await count_ratings(limiter, who, now)
        said = _read(data, _language(request, ""))
        if before is None:
            await drivers.rate(session, who.user_id, stay_id, said, now)
        else:
            await drivers.change(session, who.user_id, before.id, said, now)
    except Problem as refusal:
        await session.rollback()
        shown = await _look(session, who, stay_id, now)
        return _page(request, settings, "", stay_id, shown, refusal=refusal, kept=data)
    return Redirect(f"{PAGE}/{stay_id}?said=thanks", status_code=303)


def _driver(request: VisitRequest) -> Identity | None:
    who = request.user
    return who if who is not None and who.role is Role.DRIVER else None


def _to_the_door(stay_id: UUID) -> Redirect:
    return Redirect(f"/sign-in?next={PAGE}/{stay_id}", status_code=303)


def _read(data: RateForm, language: str) -> RatingIn:
    marks = {question.value: getattr(data, question) for question in Question}
    return msgspec.convert(
        {name: int(mark) for name, mark in marks.items() if mark}
        | {"text": data.text.replace("\r\n", "\n")[:500], "language": language, "agree": bool(data.agree)},
        RatingIn,
    )


class _Shown(msgspec.Struct, frozen=True):
    """What the page is about: a stay to be rated, a rating, or neither and why."""

    stay: OpenStay | None = None
    rating: MyRating | None = None
    refusal: Problem | None = None
    agreed: bool = False
    """What they write is read by everybody already, by their consent."""


async def _look(session: AsyncSession, who: Identity, stay_id: UUID, now: datetime) -> _Shown:
    rating = await drivers.rating_of(session, who.user_id, stay_id, now)
    agreed = bool(await consents.givers(session, [who.user_id], Purpose.RATING))
    if rating is not None:
        return _Shown(rating=rating, agreed=agreed)
    try:
        stay = await drivers.look_at_stay(session, who.user_id, stay_id, now)
        return _Shown(stay=stay, agreed=agreed)
    except Problem as refusal:
        return _Shown(refusal=refusal)


def _language(request: VisitRequest, lang: str) -> Language:
    chosen = pick_language(None, lang if lang in RATE_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    return "en" if chosen == "en" else "zh-CN"


def _page(
    request: VisitRequest,
    settings: Settings,
    lang: str,
    stay_id: UUID,
    shown: _Shown,
    *,
    thanks: bool = False,
    refusal: Problem | None = None,
    kept: RateForm | None = None,
) -> Template:
    language = _language(request, lang)
    rating = shown.rating
    refused = refusal or shown.refusal
    body = refused.body(language) if refused else None
    marks: dict[str, str] = {q.value: str(mark) for q, mark in rating.marks.items()} if rating else {}
    may_send = shown.stay is not None or (rating is not None and rating.may_change)
    if not may_send:
        kept = None
    if kept is not None:
        marks = {question.value: getattr(kept, question) for question in Question}
    return Template(
        "rate.html",
        context={
            "t": RATE_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "stay_id": stay_id,
            "stay": shown.stay,
            "rating": rating,
            "place": shown.stay or rating,
            "thanks": thanks,
            "refused": body,
            "may_send": may_send,
            "questions": [question.value for question in Question],
            "marks": marks,
            "agree": bool(kept and kept.agree),
            "agreed": shown.agreed,
            "text": kept.text if kept else rating.text if rating else "",
            "moment": lambda at: city_time(at).strftime("%Y-%m-%d %H:%M"),
        },
        status_code=body["status"] if body else 200,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in RATE_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [rate_page, rate]

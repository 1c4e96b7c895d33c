"""The public pages of parking quality: operators ranked, and any facility's score line by line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.driver.quality_texts import QUALITY_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.problems import NotFound, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import ranking, reading, scoring
from parking_cloud.ratings.formulas import InForce, formula_by_id
from parking_cloud.ratings.rules import PER
from parking_cloud.ratings.schemas import Fact, Question, Ranked
from parking_cloud.ratings.words import NAMES, percent
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/quality"
VisitRequest = Request[Any, Any, Any]
Page = Annotated[int, Parameter(ge=0, le=500)]


@get(PAGE, guards=[public], include_in_schema=False)
async def quality_page(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    quarter: str = "",
    lang: str = "",
) -> Template:
    """A quarter's ranking, or how the present one stands; each line opens what it is made of."""
    language = _language(request, lang)
    quarters = await ranking.quarters(session)
    if quarter in quarters:
        shown = await ranking.ranking_of(session, quarter)
    else:
        quarter, shown = "", await ranking.standing(session, clock.now())
    in_force = await formula_by_id(session, shown.formula)
    context = {
        "quarters": quarters,
        "quarter": quarter,
        "ranking": shown,
        "rows": [_row(line) for line in shown.lines],
        "made": _moment(shown.made_at),
        "in_force": in_force,
        "inputs": _inputs(in_force, language),
    }
    return _page(settings, "quality.html", context, language, lang)


@get(f"{PAGE}/facilities/{{facility:str}}", guards=[public], include_in_schema=False)
async def facility_page(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    facility: str,
    page: Page = 0,
    lang: str = "",
) -> Template:
    """A facility's score, where each point comes from, and what drivers say."""
    language, now = _language(request, lang), clock.now()
    score, said = None, None
    try:
        said = await reading.ratings_of(session, facility, page, now)
        score = await scoring.score_of(session, facility, city_time(now).date())
    except NotFound:
        pass
    in_force = await formula_by_id(session, score.formula) if score else None
    context = {
        "score": score,
        "said": said,
        "page": page,
        "in_force": in_force,
        "inputs": _inputs(in_force, language) if in_force else [],
        "questions": NAMES[language],
    }
    status = 200 if said else 404
    return _page(settings, "quality_facility.html", context, language, lang, status)


def _row(line: Ranked) -> dict[str, Any]:
    """A line with its bar: of a hundred units, the band from low to high."""
    value, low, high = line.value or 0, line.low or 0, line.high or 0
    return {"line": line, "bar": f"{value:.1f}", "from": f"{low:.1f}", "wide": f"{high - low:.1f}"}


def _inputs(in_force: InForce, language: str) -> list[dict[str, str]]:
    """The formula's inputs, as its table shows them."""
    names, formula = NAMES[language], in_force.formula
    rows = [
        {"name": names[question], "weight": str(formula.questions[question]), "full": "5", "zero": "1"}
        | {"least": str(formula.least_votes)}
        for question in Question
        if formula.questions.get(question)
    ]
    return rows + [
        {
            "name": names[fact],
            "weight": str(rule.weight),
            "full": percent(rule.good / PER),
            "zero": percent(rule.bad / PER),
            "least": f"{rule.least:,}",
        }
        for fact in Fact
        if (rule := formula.facts.get(fact)) and rule.weight
    ]


def _language(request: VisitRequest, lang: str) -> str:
    return pick_language(
        request.headers.get("Accept-Language"),
        lang if lang in QUALITY_TEXTS else request.cookies.get(LANGUAGE_COOKIE),
    )


def _page(
    settings: Settings, name: str, context: dict[str, Any], language: str, lang: str, status: int = 200
) -> Template:
    common = {
        "t": QUALITY_TEXTS[language],
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
    }
    return Template(
        name,
        context=common | context,
        status_code=status,
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(language)] if lang in QUALITY_TEXTS else [],
    )


def _moment(at: datetime) -> str:
    return city_time(at).strftime("%Y-%m-%d %H:%M")


route_handlers: list[ControllerRouterHandler] = [quality_page, facility_page]

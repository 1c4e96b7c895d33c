"""/sharing: how shared spaces are used, as published each month, for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, NamedTuple

from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.driver.sharing_month_texts import SHARING_MONTH_TEXTS
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing.use import Use, published_month, published_months
from parking_cloud.sharing.use_routes import first_of
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PageRequest = Request[Any, Any, Any]
_HEIGHT, _STEP, _LEAST_BARS = 140, 46, 6
_LEFT, _TOP = 44, 16
"""Room for the numbers beside the lines, and above the highest bar."""


class Bar(NamedTuple):
    """A month's bar on the picture, in its own units."""

    x: int
    y: float
    height: float
    month: str
    opened: int


class Trend(NamedTuple):
    """The months as a picture: bars, and lines with their numbers (spaces) behind them."""

    width: int
    height: int
    left: int
    base: int
    """Where the bars stand."""
    bars: list[Bar]
    lines: list[tuple[float, int]]
    """How high, and what for."""


def trend(months: Sequence[tuple[date, Use]], goal: int) -> Trend:
    """The goal is at the top, unless more was opened."""
    top = max([goal, *(use.opened for _, use in months)], default=1) or 1
    base = _TOP + _HEIGHT

    def y(spaces: float) -> float:
        return round(base - _HEIGHT * spaces / top, 1)

    bars = [
        Bar(
            _LEFT + number * _STEP,
            y(use.opened),
            round(base - y(use.opened), 1),
            f"{month:%Y-%m}",
            use.opened,
        )
        for number, (month, use) in enumerate(months)
    ]
    lines = [(y(spaces), spaces) for spaces in sorted({0, goal // 2, goal})]
    width = _LEFT + max(len(months), _LEAST_BARS) * _STEP
    return Trend(width, base + 24, _LEFT, base, bars, lines)


@get("/sharing", guards=[public], include_in_schema=False)
async def sharing_page(
    request: PageRequest,
    reading: AsyncSession,
    settings: Settings,
    month: Annotated[str, Parameter(pattern=r"^(\d{4}-\d{2})?$")] = "",
    lang: str = "",
) -> Template:
    """A month as it was published, and how the months before were."""
    language = pick_language(
        None, lang if lang in SHARING_MONTH_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    )
    found = await published_month(reading, first_of(month) if month else None)
    months = await published_months(reading, 12)
    context: dict[str, Any] = {
        "t": SHARING_MONTH_TEXTS[language],
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "found": found,
        "trend": trend(months, found.use.goal if found else 0),
        "yuan": lambda amount: format_yuan(Fen(amount)),
        "published_at": f"{city_time(found.published_at):%Y-%m-%d}" if found else "",
    }
    return Template(
        "sharing_month.html",
        context=context,
        status_code=404 if month and found is None else 200,
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(language)] if lang in SHARING_MONTH_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [sharing_page]

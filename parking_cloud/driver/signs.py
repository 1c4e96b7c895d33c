"""Guidance boards as drivers see them: all of them, or one, polled by the page as a board polls."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.driver.signs_map import draw
from parking_cloud.driver.signs_texts import SIGNS_TEXTS
from parking_cloud.guidance.signs.book import SignBook
from parking_cloud.guidance.signs.reading import Board
from parking_cloud.guidance.signs.rules import Level
from parking_cloud.guidance.signs.schemas import SignContent
from parking_cloud.guidance.signs.service import SignNotFound
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PageRequest = Request[Any, Any, Any]


@get("/signs", guards=[public], include_in_schema=False)
async def signs_page(request: PageRequest, settings: Settings, signs: SignBook, lang: str = "") -> Template:
    """Every board, by level."""
    return await _page(request, settings, signs, await signs.boards(), None, lang)


@get("/signs/{code:str}", guards=[public], include_in_schema=False)
async def sign_page(
    request: PageRequest,
    settings: Settings,
    signs: SignBook,
    code: Annotated[str, Parameter(max_length=40)],
    lang: str = "",
) -> Template:
    """One board, large, with its rules."""
    found = [board for board in await signs.boards() if board.sign.code == code]
    return await _page(request, settings, signs, found, code, lang)


async def _page(
    request: PageRequest,
    settings: Settings,
    signs: SignBook,
    boards: list[Board],
    code: str | None,
    lang: str,
) -> Template:
    language = pick_language(None, lang if lang in SIGNS_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    contents = {}
    for board in boards:
        with suppress(SignNotFound):  # taken out of use meanwhile
            body = (await signs.content(board.sign.code)).body
            contents[board.sign.code] = msgspec.json.decode(body, type=SignContent)
    shown = [board for board in boards if board.sign.code in contents]
    hanging = [(b.sign.code, b.sign.level, b.lat, b.lon, b.sign.facing) for b in shown]
    return Template(
        "signs.html",
        context={
            "t": SIGNS_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "code": code,
            "levels": [(level.value, [b for b in shown if b.sign.level == level]) for level in Level],
            "contents": contents,
            "picture": draw(hanging, least_m=3_000.0),
        },
        status_code=404 if code is not None and not shown else 200,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in SIGNS_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [signs_page, sign_page]

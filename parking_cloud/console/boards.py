"""The page of guidance boards: how each is, and the forms to register, change, retire and give a key."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console import board_form
from parking_cloud.console import evidence_words as words
from parking_cloud.console.board_form import Typed
from parking_cloud.console.board_texts import BOARD_TEXTS
from parking_cloud.console.health import to_the_door
from parking_cloud.guidance.signs import service
from parking_cloud.guidance.signs.book import SignBook
from parking_cloud.guidance.signs.routes import MAY_CHANGE_SIGNS, MAY_SEE_SIGNS
from parking_cloud.guidance.signs.rules import Arrow, Level, Shows, Way
from parking_cloud.guidance.signs.schemas import MOST_ROWS, NewSign, SignIn, SignOut
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.service import all_districts
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/console/signs"
_DOOR: ExceptionHandlersMap = {NotSignedIn: to_the_door, NotAllowed: to_the_door}

PageRequest = Request[Identity, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get(PAGE, guards=[allow(*MAY_SEE_SIGNS)], exception_handlers=_DOOR, include_in_schema=False)
async def boards_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    lang: str = "",
    saved: str = "",
) -> Template:
    """Every board, and how it is."""
    signs = (await service.list_signs(session, clock.now())).items
    t, context = _common(request, lang)
    context |= {
        "signs": [(sign, _state(sign)) for sign in signs],
        "moment": lambda at: words.moment(t, at),
        "saved": t["saved"] if saved else "",
    }
    return _template("boards.html", settings, context, lang)


@get(f"{PAGE}/new", guards=[allow(*MAY_CHANGE_SIGNS)], exception_handlers=_DOOR, include_in_schema=False)
async def new_board(
    request: PageRequest, session: AsyncSession, settings: Settings, lang: str = ""
) -> Template:
    """The form of a board that hangs newly."""
    return await _form(request, session, settings, board_form.fresh(), None, lang)


@get(
    f"{PAGE}/{{code:str}}",
    guards=[allow(*MAY_CHANGE_SIGNS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
)
async def board_page(
    request: PageRequest, session: AsyncSession, settings: Settings, clock: Clock, code: str, lang: str = ""
) -> Template:
    """The form of a board."""
    sign = await _one(session, clock, code)
    return await _form(request, session, settings, board_form.typed_of(sign), sign, lang)


@post(
    PAGE,
    guards=[allow(*MAY_CHANGE_SIGNS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def register(
    request: PageRequest, session: AsyncSession, settings: Settings, clock: Clock, signs: SignBook, data: Form
) -> Template:
    """A new board: its key, this once."""
    try:
        made = await service.register(session, request.user, board_form.read(data, NewSign), clock.now())
    except Problem as problem:
        await session.rollback()
        return await _form(request, session, settings, data, None, "", problem)
    signs.forget()
    return _key_page(request, settings, made.code, made.key)


@post(
    f"{PAGE}/{{code:str}}",
    guards=[allow(*MAY_CHANGE_SIGNS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def change(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    signs: SignBook,
    code: str,
    data: Form,
) -> Template | Redirect:
    """The board as it was typed; then the list."""
    sign = await _one(session, clock, code)
    try:
        await service.change(session, request.user, code, board_form.read(data, SignIn))
    except Problem as problem:
        await session.rollback()
        return await _form(request, session, settings, data | {"code": code}, sign, "", problem)
    signs.forget()
    return Redirect(f"{PAGE}?saved=1", status_code=303)


@post(
    f"{PAGE}/{{code:str}}/key",
    guards=[allow(*MAY_CHANGE_SIGNS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def new_key(
    request: PageRequest, session: AsyncSession, settings: Settings, signs: SignBook, code: str
) -> Template:
    """Another key, this once."""
    made = await service.new_key(session, request.user, code)
    signs.forget()
    return _key_page(request, settings, made.code, made.key)


@post(
    f"{PAGE}/{{code:str}}/{{deed:str}}",
    guards=[allow(*MAY_CHANGE_SIGNS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def set_use(
    request: PageRequest, session: AsyncSession, clock: Clock, signs: SignBook, code: str, deed: str
) -> Redirect:
    """Out of use (`retire`), or back into it (`activate`)."""
    if deed not in ("retire", "activate"):
        raise service.SignNotFound()
    await service.set_active(session, request.user, code, deed == "activate", clock.now())
    signs.forget()
    return Redirect(f"{PAGE}?saved=1", status_code=303)


async def _one(session: AsyncSession, clock: Clock, code: str) -> SignOut:
    found = [sign for sign in (await service.list_signs(session, clock.now())).items if sign.code == code]
    if not found:
        raise service.SignNotFound()
    return found[0]


def _state(sign: SignOut) -> str:
    if not sign.active:
        return "retired"
    if sign.silent:
        return "silent"
    return "ok" if sign.heard_at else "waiting"


async def _form(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    typed: Typed,
    sign: SignOut | None,
    lang: str,
    problem: Problem | None = None,
) -> Template:
    t, context = _common(request, lang)
    refusal = problem.body(context["language"]) if problem else None
    context |= {
        "typed": typed,
        "sign": sign,
        "refusal": refusal,
        "errors": (problem.errors if problem else None) or [],
        "levels": [level.value for level in Level],
        "ways": list(Way),
        "arrows": [(a.value, t["no_arrow" if a is Arrow.NONE else a.value]) for a in Arrow],
        "shows": [(s.value, t["number" if s is Shows.NUMBER else "only_state"]) for s in Shows],
        "numbers": board_form.NUMBERS,
        "rows": range(MOST_ROWS),
        "districts": await all_districts(session),
    }
    return _template("board.html", settings, context, lang, problem.status if problem else 200)


def _key_page(request: PageRequest, settings: Settings, code: str, key: str) -> Template:
    _, context = _common(request, "")
    return _template("board_key.html", settings, context | {"code": code, "key": key}, "")


def _common(request: PageRequest, lang: str) -> tuple[dict[str, str], dict[str, Any]]:
    language = pick_language(None, lang if lang in BOARD_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    t = BOARD_TEXTS[language]
    return t, {
        "t": t,
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": request.user,
        "may_change": request.user.role in MAY_CHANGE_SIGNS,
    }


def _template(
    name: str, settings: Settings, context: dict[str, Any], lang: str, status: int = 200
) -> Template:
    return Template(
        name,
        context=context,
        status_code=status,
        headers=page_headers(settings)
        | {"Content-Language": context["language"], "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in BOARD_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [
    boards_page,
    new_board,
    board_page,
    register,
    change,
    new_key,
    set_use,
]

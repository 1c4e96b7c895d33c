"""The arrears page: what is unpaid by stage, what is objected to, and the answers."""

from __future__ import annotations

from datetime import datetime
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
from parking_cloud.arrears import objections, service
from parking_cloud.arrears.cases import count_by_stage
from parking_cloud.arrears.rules import COLOURS, Stage
from parking_cloud.arrears.schemas import AnswerIn, ByHandIn
from parking_cloud.console.arrears_texts import ARREARS_TEXTS
from parking_cloud.console.health import to_the_door
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan, parse_yuan
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from sensor_gateway.sealing import PlateVault

PAGE = "/console/arrears"
MAY_SEE_ARREARS = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_ROWS = 50
_LEAST_REASON = 4
_SAID = ("done_answered", "done_by_hand", "fault_changed", "fault_input")

PageRequest = Request[Identity, Any, Any]


class AnswerForm(msgspec.Struct, frozen=True):
    outcome: Literal["upheld", "rejected"]
    reason: Annotated[str, msgspec.Meta(max_length=500)]
    lowered_to: Annotated[str, msgspec.Meta(max_length=20)] = ""
    """In yuan."""


class ByHandForm(msgspec.Struct, frozen=True):
    note: Annotated[str, msgspec.Meta(max_length=500)]


def _back(said: str, to: str = "objections") -> Redirect:
    return Redirect(f"{PAGE}?said={said}#{to}", status_code=303)


def to_the_page(_: PageRequest, refusal: Exception) -> Redirect:
    """What was refused is told on the page; nothing was changed."""
    return _back("fault_input" if isinstance(refusal, InvalidInput) else "fault_changed")


_REFUSALS: dict[int | type[Exception], Any] = {NotSignedIn: to_the_door, Problem: to_the_page}


@get(
    PAGE,
    guards=[allow(*MAY_SEE_ARREARS)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def arrears_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    stage: Stage | None = None,
    after: UUID | None = None,
    said: str = "",
    lang: str = "",
) -> Template:
    """What is unpaid, and what is objected to."""
    chosen = lang if lang in ARREARS_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    t, who, now = ARREARS_TEXTS[language], request.user, clock.now()
    whose = service.own_operator(who)
    page = await service.list_cases(session, who, stage=stage, after=after, limit=_ROWS)
    context = {
        "t": t,
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": who,
        "as_of": t["as_of"].format(n=city_time(now).strftime("%Y-%m-%d %H:%M:%S")),
        "stages": await _stages(session, whose, t),
        "stage": stage,
        "cases": page.items,
        "next": page.next_cursor,
        "only_informs": any(case.only_informs for case in page.items),
        "objections": await objections.to_be_answered(session, whose, now, _ROWS),
        "may_act": who.role in _ACT,
        "sees_city": who.role is not Role.OPERATOR_STAFF,
        "said": said if said in _SAID else "",
        "yuan": lambda amount: format_yuan(Fen(amount)),
        "day": lambda at: city_time(at).strftime("%Y-%m-%d"),
    }
    return Template(
        "arrears.html",
        context=context,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in ARREARS_TEXTS else [],
    )


async def _stages(session: AsyncSession, whose: UUID | None, t: dict[str, str]) -> list[dict[str, Any]]:
    """Each stage with its share of what is owed, as a bar."""
    counts = await count_by_stage(session, whose)
    most = max((owed for _, owed in counts.values()), default=0)
    return [
        {
            "stage": stage,
            "words": t[stage],
            "colour": COLOURS[stage],
            "cases": t["cases"].format(n=f"{count:,}"),
            "owed": format_yuan(Fen(owed)),
            "width": 100 * owed / most if most else 0,
        }
        for stage, (count, owed) in counts.items()
    ]


@post(
    f"{PAGE}/objections/{{objection_id:uuid}}",
    guards=[allow(*_ACT)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def answer(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    objection_id: UUID,
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Answer an objection; then the page again."""
    said = AnswerIn(outcome=data.outcome, reason=_said(data.reason), lowered_to=_lowered(data))
    plates = PlateVault(settings.plate_key) if settings.plate_key else None
    await service.answer(session, request.user, objection_id, said, clock.now(), plates)
    return _back("done_answered")


@post(
    f"{PAGE}/cases/{{charge_id:uuid}}/by-hand",
    guards=[allow(*_ACT)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def by_hand(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    charge_id: UUID,
    data: Annotated[ByHandForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A reminder was given just now by letter, telephone or in person."""
    now: datetime = clock.now()
    given = ByHandIn(note=_said(data.note), given_at=now)
    await service.reminded_by_hand(session, request.user, charge_id, given, now)
    return _back("done_by_hand", "cases")


def _said(text: str) -> str:
    if len(text.strip()) < _LEAST_REASON:
        raise InvalidInput(errors=[{"field": "reason", "message": "is too short"}])
    return text.strip()


def _lowered(data: AnswerForm) -> int:
    if data.outcome == "rejected":
        return 0
    try:
        amount = parse_yuan(data.lowered_to)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "lowered_to", "message": str(error)}]) from error
    if amount < 0:
        raise InvalidInput(errors=[{"field": "lowered_to", "message": "is below zero"}])
    return amount


route_handlers: list[ControllerRouterHandler] = [arrears_page, answer, by_hand]

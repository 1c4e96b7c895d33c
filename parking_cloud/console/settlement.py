"""The settlement page: the providers' books against the ledger, and each operator's statements."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
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
from parking_cloud.console.settlement_texts import SETTLEMENT_TEXTS
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.service import all_operators
from parking_cloud.settlement import service, statements
from parking_cloud.settlement.schemas import StatementOut
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/console/settlement"
MAY_SEE_SETTLEMENT = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_CITY = (Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_RUNS = 14
_ROWS = 50
_SAID = (
    "done_closed",
    "done_transferred",
    "done_explained",
    "fault_input",
    "fault_changed",
    "fault_nothing",
    "fault_another",
)
_SUMS = ("charged", "electronic", "cash", "refunded", "charged_back", "fees", "commission")
_RESULT = ("net", "carried_in", "payout", "carried_out")

PageRequest = Request[Identity, Any, Any]


class CloseForm(msgspec.Struct, frozen=True):
    operator: UUID
    until: date


class TransferForm(msgspec.Struct, frozen=True):
    reference: Annotated[str, msgspec.Meta(max_length=100)]


class NoteForm(msgspec.Struct, frozen=True):
    note: Annotated[str, msgspec.Meta(max_length=500)]


def _back(said: str, to: str) -> Redirect:
    return Redirect(f"{PAGE}?said={said}#{to}", status_code=303)


def to_the_page(_: PageRequest, refusal: Exception) -> Redirect:
    """What was refused is told on the page; nothing was changed."""
    said = "fault_changed"
    if isinstance(refusal, statements.NothingToSettle):
        said = "fault_nothing"
    elif isinstance(refusal, statements.AnotherPersonNeeded):
        said = "fault_another"
    elif isinstance(refusal, InvalidInput):
        said = "fault_input"
    return _back(said, "statements")


_REFUSALS: dict[int | type[Exception], Any] = {NotSignedIn: to_the_door, Problem: to_the_page}


@get(
    PAGE,
    guards=[allow(*MAY_SEE_SETTLEMENT)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def settlement_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    operator: UUID | None = None,
    said: str = "",
    lang: str = "",
) -> Template:
    """What was compared, what is owed, and what was closed."""
    chosen = lang if lang in SETTLEMENT_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    t, who, now = SETTLEMENT_TEXTS[language], request.user, clock.now()
    sees_city = who.role in _CITY
    whose = service.operator_for(who, operator)
    until = city_time(now).date()
    draft = await service.preview(session, whose, until) if whose is not None else None
    context = {
        "t": t,
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": who,
        "as_of": t["as_of"].format(n=city_time(now).strftime("%Y-%m-%d %H:%M:%S")),
        "runs": await service.runs(session, _RUNS) if sees_city else None,
        "differences": await _open(session) if sees_city else None,
        "operators": await all_operators(session) if sees_city else {},
        "operator": whose,
        "until": until,
        "draft": draft,
        "draft_sums": _sums(draft, t) if draft else [],
        "statements": await service.list_statements(session, whose, _ROWS),
        "may_act": who.role is Role.CITY_ADMINISTRATOR,
        "said": said if said in _SAID else "",
        "yuan": lambda amount: format_yuan(Fen(amount)),
    }
    return Template(
        "settlement.html",
        context=context,
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in SETTLEMENT_TEXTS else [],
    )


async def _open(session: AsyncSession) -> list[Any]:
    found: list[Any] = list(await service.differences(session, open_only=True, day=None, limit=_ROWS))
    return found


def _sums(draft: StatementOut, t: dict[str, str]) -> list[tuple[str, str]]:
    """What a draft comes to; what is nothing is left out, but for its result."""
    shown = [name for name in (*_SUMS, *_RESULT) if getattr(draft, name) or name in ("net", "payout")]
    return [(t[name], format_yuan(Fen(getattr(draft, name)))) for name in shown]


@post(
    f"{PAGE}/close",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def close(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    data: Annotated[CloseForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Close an operator's statement."""
    await statements.close(session, request.user, data.operator, data.until, clock.now())
    return _back("done_closed", "statements")


@post(
    f"{PAGE}/{{statement_id:uuid}}/transfer",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def transfer(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    statement_id: UUID,
    data: Annotated[TransferForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A payout has left the bank."""
    await statements.transferred(session, request.user, statement_id, data.reference, clock.now())
    return _back("done_transferred", "statements")


@post(
    f"{PAGE}/differences/{{difference_id:uuid}}",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def explain(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    difference_id: UUID,
    data: Annotated[NoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """What a difference turned out to be."""
    if not data.note.strip():
        raise InvalidInput(errors=[{"field": "note", "message": "is empty"}])
    await service.explain_by_hand(session, request.user, difference_id, data.note.strip(), clock.now())
    return _back("done_explained", "differences")


route_handlers: list[ControllerRouterHandler] = [settlement_page, close, transfer, explain]

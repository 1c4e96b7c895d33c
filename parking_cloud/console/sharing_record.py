"""The page of shared spaces' records: the month so far, who was turned away, gates, and overstays."""

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
from parking_cloud.console.sharing_record_texts import SHARING_RECORD_TEXTS
from parking_cloud.gates.allow_list_keeping import adapters
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.service import facility_labels
from parking_cloud.sharing import overstay_desk, turn_away_records
from parking_cloud.sharing.overstay_desk import AnsweredAlready, AnswerIn, OverstayNotFound
from parking_cloud.sharing.people import facilities_for
from parking_cloud.sharing.turn_away_records import CommentedAlready, CommentIn, TurnAwayNotFound
from parking_cloud.sharing.use import MonthUse, month_use, taken_spaces_of
from parking_cloud.sharing.use_routes import whose
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

PAGE = "/console/sharing/record"
MAY_SEE = (Role.INSTITUTION_MANAGER, Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_MAY_SAY = (Role.INSTITUTION_MANAGER, Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_CITY = (Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_SHOWN = 100

PageRequest = Request[Identity, Any, Any]
_DOOR: dict[int | type[Exception], Any] = {NotSignedIn: to_the_door, NotAllowed: to_the_door}


class CommentForm(msgspec.Struct, frozen=True):
    text: str


class AnswerForm(msgspec.Struct, frozen=True):
    outcome: Literal["uphold", "reject"]
    answer: str


@get(PAGE, guards=[allow(*MAY_SEE)], exception_handlers=_DOOR, include_in_schema=False)
async def record_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    said: str = "",
    lang: str = "",
) -> Template:
    """What came of the spaces that one answers for."""
    texts = SHARING_RECORD_TEXTS
    language = pick_language(None, lang if lang in texts else request.cookies.get(LANGUAGE_COOKIE))
    now, who = clock.now(), request.user
    facilities = await facilities_for(session, who)
    names = {each.id: each.name for each in facilities}
    labels = await facility_labels(session, names)
    ordered = [labels[each.id] for each in facilities]
    objections = await overstay_desk.waiting_objections(session, _SHOWN) if who.role in _CITY else []
    return Template(
        "sharing_record.html",
        context={
            "t": texts[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "user": who,
            "use": await _month(session, who, clock),
            "never": {names[id_]: n for id_, n in (await taken_spaces_of(session, names, now)).items()},
            "turn_aways": await turn_away_records.turn_aways(session, who, before=None, limit=_SHOWN),
            "gates": list(zip(ordered, await adapters(session, ordered, now), strict=True)),
            "steps": await overstay_desk.steps(session),
            "objections": objections,
            "may_say": who.role in _MAY_SAY,
            "may_answer": who.role is Role.CITY_ADMINISTRATOR,
            "sees_city": who.role in _CITY,
            "said": said if said in ("saved", "not_saved") else "",
            "yuan": lambda fen: format_yuan(Fen(fen)),
            "moment": lambda at: "" if at is None else city_time(at).strftime("%m-%d %H:%M"),
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in texts else [],
    )


async def _month(session: AsyncSession, who: Identity, clock: Clock) -> MonthUse | None:
    """Operators see no institution's sums: they answer for its gate alone."""
    if who.role is Role.OPERATOR_STAFF:
        return None
    now = clock.now()
    return await month_use(session, city_time(now).date().replace(day=1), now, whose(who))


def _not_saved(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    return _back("not_saved")


def _back(said: str) -> Redirect:
    return Redirect(f"{PAGE}?said={said}", status_code=303)


_REFUSED: dict[int | type[Exception], Any] = _DOOR | {
    CommentedAlready: _not_saved,
    TurnAwayNotFound: _not_saved,
    AnsweredAlready: _not_saved,
    OverstayNotFound: _not_saved,
}


@post(
    f"{PAGE}/turn-aways/{{turn_away_id:uuid}}",
    guards=[allow(*_MAY_SAY)],
    exception_handlers=_REFUSED,
    include_in_schema=False,
    status_code=200,
)
async def comment(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    turn_away_id: UUID,
    data: Annotated[CommentForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """The institution's word about somebody turned away; then the page again."""
    text = data.text.strip()
    if not 2 <= len(text) <= 500:
        return _back("not_saved")
    await turn_away_records.comment(session, request.user, turn_away_id, CommentIn(text), clock.now())
    return _back("saved")


@post(
    f"{PAGE}/objections/{{overstay_id:uuid}}",
    guards=[allow(Role.CITY_ADMINISTRATOR)],
    exception_handlers=_REFUSED,
    include_in_schema=False,
    status_code=200,
)
async def answer(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    overstay_id: UUID,
    data: Annotated[AnswerForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """The city's answer to a driver; then the page again."""
    text = data.answer.strip()
    if not 4 <= len(text) <= 1000:
        return _back("not_saved")
    said = AnswerIn(upheld=data.outcome == "uphold", answer=text)
    await overstay_desk.answer(session, request.user, overstay_id, said, clock.now())
    return _back("saved")


route_handlers: list[ControllerRouterHandler] = [record_page, comment, answer]

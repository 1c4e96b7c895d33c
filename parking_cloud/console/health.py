"""The health page: data sources and their clocks, devices' faults with evidence, checks, drift of counts."""

from __future__ import annotations

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
from parking_cloud.console import evidence_words as words
from parking_cloud.console.health_texts import HEALTH_TEXTS
from parking_cloud.gates.reconciliation import newest_drifts
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.operations import service
from parking_cloud.operations.rules import Condition, Outcome
from parking_cloud.operations.schemas import CheckClosing, FaultOut, Note, SignFaultOut
from parking_cloud.operations.signs import list_sign_faults
from parking_cloud.operations.sources import list_sources
from parking_cloud.registry.service import facility_names
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

MAY_SEE = (Role.OPERATOR_STAFF, Role.ENFORCEMENT_OFFICER, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = (Role.OPERATOR_STAFF, Role.ENFORCEMENT_OFFICER, Role.CITY_ADMINISTRATOR)
_CITY = (Role.CITY_ADMINISTRATOR, Role.AUDITOR)
"""They see every source and facility; operators' staff see their own facilities' devices."""
_CHECKS = "/console/health#checks"
_FAULTS = 100
_DRIFTS = 50

PageRequest = Request[Identity, Any, Any]


class ClosingForm(msgspec.Struct, frozen=True):
    outcome: Outcome
    note: Note = ""


def to_the_door(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    """Who is not signed in, or may not see this, is led to where everybody may be."""
    return Redirect("/console", status_code=303)


def to_the_checks(_: Request[Any, Any, Any], __: Exception) -> Redirect:
    """Where a colleague was quicker, the page shows how it stands."""
    return Redirect(_CHECKS, status_code=303)


@get(
    "/console/health",
    guards=[allow(*MAY_SEE)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def health_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    lang: str = "",
    condition: Condition | None = None,
    before: UUID | None = None,
) -> Template:
    """What is wrong with devices and data, for staff."""
    who = request.user
    language = pick_language(None, lang if lang in HEALTH_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    t = HEALTH_TEXTS[language]
    now = clock.now()
    faults = await service.list_faults(
        session, who, condition=condition, facility_id=None, closed=False, before=before, limit=_FAULTS
    )
    checks = await service.list_checks(session, who, closed=False, before=None, limit=_FAULTS)
    sees_city = who.role in _CITY
    return Template(
        "health.html",
        context={
            "t": t,
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "user": who,
            "as_of": t["as_of"].format(n=city_time(now).strftime("%Y-%m-%d %H:%M:%S")),
            "moment": lambda at: words.moment(t, at),
            "pause": lambda seconds: words.pause(t, seconds),
            "sources": await list_sources(session, now) if sees_city else None,
            "drifts": await _drifts(session) if sees_city else None,
            "boards": (await _silent_boards(session)) if sees_city else None,
            "condition": condition,
            "conditions": list(Condition),
            "faults": [_row(fault, t) for fault in faults.items],
            "older": faults.next_cursor,
            "checks": checks.items,
            "outcomes": list(Outcome),
            "may_act": who.role in _ACT,
        },
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(lang)] if lang in HEALTH_TEXTS else [],
    )


@post(
    "/console/checks/{check_id:uuid}",
    guards=[allow(*_ACT)],
    exception_handlers={NotSignedIn: to_the_door, service.CheckClosed: to_the_checks},
    include_in_schema=False,
    status_code=200,
)
async def close_check(
    request: PageRequest,
    session: AsyncSession,
    clock: Clock,
    check_id: UUID,
    data: Annotated[ClosingForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """What a look at the device showed; then the page again."""
    closing = CheckClosing(data.outcome, data.note)
    await service.close_check(session, request.user, check_id, closing, clock.now())
    return Redirect(_CHECKS, status_code=303)


def _row(fault: FaultOut, t: words.Texts) -> dict[str, Any]:
    return {
        "condition": fault.condition,
        "device": fault.device,
        "place": " / ".join(filter(None, (fault.facility_code, fault.space_number))),
        "opened_at": fault.opened_at,
        "words": words.in_words(fault.condition, fault.evidence, t),
        "line": words.battery_line(fault.evidence),
    }


async def _silent_boards(session: AsyncSession) -> list[SignFaultOut]:
    return (await list_sign_faults(session, closed=False, before=None, limit=_FAULTS)).items


async def _drifts(session: AsyncSession) -> list[tuple[str, int]]:
    """(facility, vehicles) where what was derived is farthest from what was counted."""
    drifts = await newest_drifts(session)
    farthest = sorted(drifts, key=lambda facility: -abs(drifts[facility]))[:_DRIFTS]
    names = await facility_names(session, farthest)
    return [(names[facility], drifts[facility]) for facility in farthest if facility in names]


route_handlers: list[ControllerRouterHandler] = [health_page, close_check]

"""The vehicle desk's page: whoever says that a vehicle is theirs shows its licence first."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import licences, vehicles
from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.licences import NoLicencePhoto
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicle_problems import ClaimDecided, ClaimNotFound
from parking_cloud.accounts.vehicles import ClaimDecision
from parking_cloud.console.evidence_words import moment
from parking_cloud.console.health import to_the_door
from parking_cloud.console.vehicle_texts import DESK_TEXTS
from parking_cloud.kernel.clock import CITY_ZONE, Clock
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotSignedIn, pick_language
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from sensor_gateway.sealing import PlateVault

PAGE = "/console/vehicles"
AT_THE_DESK = (Role.CITY_ADMINISTRATOR,)
_MOST = 100
_DONE = ("verified", "refused")
_FAULTS = ("no_match", "decided", "incomplete", "no_photo")

PageRequest = Request[Identity, Any, Any]


class DecisionForm(msgspec.Struct, frozen=True):
    outcome: Literal["verify", "refuse"]
    reason: str
    plate: str = ""
    since: str = ""
    """A date, as the licence has it; empty: from now on."""


@get(
    PAGE,
    guards=[allow(*AT_THE_DESK)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def desk_page(
    request: PageRequest, session: AsyncSession, settings: Settings, said: str = "", lang: str = ""
) -> Template:
    """Claims that wait, the oldest first."""
    language = pick_language(None, lang if lang in DESK_TEXTS else request.cookies.get(LANGUAGE_COOKIE))
    t = DESK_TEXTS[language]
    return Template(
        "vehicles.html",
        context={
            "t": t,
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "user": request.user,
            "claims": await vehicles.claims(session, PlateVault(settings.plate_key), _MOST),
            "moment": lambda at: moment(t, at),
            "done": t[said] if said in _DONE else "",
            "fault": t[said] if said in _FAULTS else "",
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(lang)] if lang in DESK_TEXTS else [],
    )


@post(
    f"{PAGE}/{{claim_id:uuid}}/licence",
    guards=[allow(*AT_THE_DESK)],
    exception_handlers={NotSignedIn: to_the_door, NoLicencePhoto: lambda _, __: _back("no_photo")},
    include_in_schema=False,
    status_code=200,
)
async def licence_page(
    request: PageRequest, session: AsyncSession, settings: Settings, claim_id: UUID
) -> Template:
    """The photo that the driver sent, in a window of its own; the look is kept."""
    vault = FileVault(settings.plate_key, licences.PURPOSE)
    photo = await licences.look_at_photo(session, request.user, claim_id, vault)
    language = pick_language(None, request.cookies.get(LANGUAGE_COOKIE))
    return Template(
        "licence.html",
        context={
            "t": DESK_TEXTS[language],
            "language": language,
            "photo": f"data:image/jpeg;base64,{b64encode(photo).decode()}",
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
    )


def _to_the_desk(_: Request[Any, Any, Any], refusal: Exception) -> Redirect:
    """What was refused, told on the page; nothing was changed."""
    if isinstance(refusal, ClaimDecided | ClaimNotFound):
        return _back("decided")
    return _back("no_match")


@post(
    f"{PAGE}/{{claim_id:uuid}}",
    guards=[allow(*AT_THE_DESK)],
    exception_handlers={
        NotSignedIn: to_the_door,
        ClaimDecided: _to_the_desk,
        ClaimNotFound: _to_the_desk,
        InvalidInput: _to_the_desk,
    },
    include_in_schema=False,
    status_code=200,
)
async def decide(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    claim_id: UUID,
    data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """What the licence says; then the page again."""
    decision = _decision(data)
    if decision is None:
        return _back("incomplete")
    vault = PlateVault(settings.plate_key)
    await vehicles.decide(session, request.user, claim_id, decision, vault, clock.now())
    return _back("verified" if decision.verified else "refused")


def _decision(form: DecisionForm) -> ClaimDecision | None:
    """None: something is missing, or too long."""
    verified = form.outcome == "verify"
    said: dict[str, Any] = {"verified": verified, "reason": form.reason.strip(), "plate": form.plate.strip()}
    try:
        if form.since:
            said["since"] = datetime.combine(date.fromisoformat(form.since), time(), CITY_ZONE)
        if verified and not said["plate"]:
            return None
        return msgspec.convert(said, ClaimDecision)
    except (ValueError, msgspec.ValidationError):
        return None


def _back(said: str) -> Redirect:
    return Redirect(f"{PAGE}?said={said}", status_code=303)


route_handlers: list[ControllerRouterHandler] = [desk_page, licence_page, decide]

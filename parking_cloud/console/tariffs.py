"""The tariffs' pages: the list, and one tariff with its versions, its picture over 48 hours, its places."""

from __future__ import annotations

from datetime import datetime, timedelta
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
from parking_cloud.console.tariff_chart import draw
from parking_cloud.console.tariff_texts import TARIFF_TEXTS
from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.clock import CITY_ZONE, Clock, city_time
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.tariffs import keeping, service
from parking_cloud.tariffs.checking import check
from parking_cloud.tariffs.schemas import (
    Checked,
    CheckIn,
    FaultOut,
    Pricing,
    TariffDetail,
    TariffIn,
    VehicleClass,
    VersionOut,
)
from parking_cloud.tariffs.shapes import decode
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

MAY_SEE_TARIFFS = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_MAY_KEEP = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_PAGE = "/console/tariffs"
_DOOR: dict[int | type[Exception], Any] = {NotSignedIn: to_the_door, NotAllowed: to_the_door}
_EMPTY = '{\n  "rates": {},\n  "schedules": []\n}\n'

PageRequest = Request[Identity, Any, Any]


class Editing(msgspec.Struct, frozen=True):
    """The editor's form: what the tariff says, and the stay by which it is shown."""

    deed: Literal["check", "save"] = "check"
    text: Annotated[str, msgspec.Meta(max_length=200_000)] = ""
    day: DayKind = DayKind.WORKDAY
    entry: str = "09:00"
    vehicle: VehicleClass = VehicleClass.SMALL
    charging_minutes: int = 0
    effective_from: str = ""


class Adding(msgspec.Struct, frozen=True):
    code: str
    name: str
    name_en: str
    pricing: Pricing
    filing_number: str
    source: str = ""


class Assigning(msgspec.Struct, frozen=True):
    facility: str
    since: str


@get(_PAGE, guards=[allow(*MAY_SEE_TARIFFS)], exception_handlers=_DOOR, include_in_schema=False)
async def tariffs_page(
    request: PageRequest, session: AsyncSession, settings: Settings, lang: str = ""
) -> Template:
    """All tariffs that one may see."""
    return await _list(request, session, settings, lang)


@post(
    _PAGE,
    guards=[allow(*_MAY_KEEP)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def add_tariff(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    data: Annotated[Adding, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """A new tariff, of the city or (added by an operator's staff) of their operator; then its page."""
    try:
        said = msgspec.convert(
            msgspec.structs.asdict(data) | {"operator_id": request.user.operator_id}, TariffIn
        )
        tariff = await keeping.save_tariff(session, request.user, said)
    except msgspec.ValidationError as error:
        return await _list(request, session, settings, "", message=str(error))
    except Problem as refusal:
        return await _list(request, session, settings, "", message=_said(refusal, request))
    return Redirect(f"{_PAGE}/{tariff}", status_code=303)


@get(
    f"{_PAGE}/{{tariff_id:uuid}}",
    guards=[allow(*MAY_SEE_TARIFFS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
)
async def tariff_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    tariff_id: UUID,
    lang: str = "",
    version: UUID | None = None,
    saved: bool = False,
) -> Template:
    """One tariff: the version named, else the one in force, in the editor."""
    detail = await service.get_tariff(session, request.user, tariff_id)
    chosen = _version(detail, version, clock.now())
    text = _EMPTY if chosen is None else _pretty(chosen.data)
    page = _Page(request, settings, clock.now(), lang)
    return page.show(detail, Editing(text=text), message=page.t["saved"] if saved else "")


@post(
    f"{_PAGE}/{{tariff_id:uuid}}",
    guards=[allow(*MAY_SEE_TARIFFS)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def edit_tariff(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    tariff_id: UUID,
    data: Annotated[Editing, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Look at what was written; where it is to be saved and can be, it is a version from then on."""
    detail = await service.get_tariff(session, request.user, tariff_id)
    page = _Page(request, settings, clock.now(), "")
    if data.deed == "save" and page.checked(data).faults == []:
        begins = _city_moment(data.effective_from)
        if begins is None:
            return page.show(detail, data, message=page.t["bad_time"])
        try:
            said = msgspec.json.decode(data.text)
            await keeping.add_version(session, request.user, tariff_id, said, begins, clock.now())
        except Problem as refusal:
            return page.show(detail, data, message=_said(refusal, request))
        return Redirect(f"{_PAGE}/{tariff_id}?saved=true", status_code=303)
    return page.show(detail, data)


@post(
    f"{_PAGE}/{{tariff_id:uuid}}/facilities",
    guards=[allow(*_MAY_KEEP)],
    exception_handlers=_DOOR,
    include_in_schema=False,
    status_code=200,
)
async def assign_tariff(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    tariff_id: UUID,
    data: Annotated[Assigning, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """The tariff holds at a facility from a moment on."""
    detail = await service.get_tariff(session, request.user, tariff_id)
    page = _Page(request, settings, clock.now(), "")
    chosen = _version(detail, None, clock.now())
    shown = Editing(text=_EMPTY if chosen is None else _pretty(chosen.data))
    since = _city_moment(data.since)
    if since is None:
        return page.show(detail, shown, message=page.t["bad_time"])
    try:
        facility = await service.place(session, data.facility.strip())
        await keeping.assign(session, request.user, facility.id, tariff_id, since, clock.now())
    except Problem as refusal:
        return page.show(detail, shown, message=_said(refusal, request))
    return Redirect(f"{_PAGE}/{tariff_id}?saved=true#places", status_code=303)


class _Page:
    """One tariff's page, in a language."""

    def __init__(self, request: PageRequest, settings: Settings, now: datetime, lang: str) -> None:
        self.who = request.user
        self.settings = settings
        self.now = now
        self.lang = lang
        self.language = _language(request, lang)
        self.t = TARIFF_TEXTS[self.language]

    def checked(self, form: Editing) -> Checked:
        """What there is to say about the text; text that is not JSON is a fault too."""
        try:
            asked = {
                "data": msgspec.json.decode(form.text),
                "day": form.day,
                "entry": form.entry,
                "vehicle": form.vehicle,
                "charging_minutes": form.charging_minutes,
            }
            return check(msgspec.convert(asked, CheckIn), self.now)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            reason = {
                language: TARIFF_TEXTS[language]["not_json"].format(n=error) for language in TARIFF_TEXTS
            }
            return Checked(faults=[FaultOut("", reason)])  # type: ignore[arg-type]

    def show(self, detail: TariffDetail, form: Editing, message: str = "") -> Template:
        checked = self.checked(form)
        chart = None
        if checked.entered_at is not None:
            chart = draw(checked.points, checked.entered_at, self.language)
        tomorrow = city_time(self.now).date() + timedelta(days=1)
        tariff = detail.tariff
        return Template(
            "tariff.html",
            context={
                **_frame(self.who, self.language),
                "tariff": tariff,
                "versions": [(v, _state(v, self.now)) for v in detail.versions],
                "places": detail.facilities,
                "moment": lambda at: self.t["open_end"] if at is None else f"{city_time(at):%Y-%m-%d %H:%M}",
                "form": form,
                "checked": checked,
                "chart": chart,
                "days": list(DayKind),
                "vehicles": list(VehicleClass),
                "effective_from": form.effective_from or f"{tomorrow}T00:00",
                "may_keep": keeping.keeps(self.who, tariff.operator_id, tariff.pricing),
                "message": message,
            },
            headers=page_headers(self.settings) | {"Content-Language": self.language},
            cookies=[language_cookie(self.lang)] if self.lang in TARIFF_TEXTS else [],
        )


async def _list(
    request: PageRequest, session: AsyncSession, settings: Settings, lang: str, message: str = ""
) -> Template:
    language = _language(request, lang)
    return Template(
        "tariffs.html",
        context={
            **_frame(request.user, language),
            "tariffs": await service.list_tariffs(session, request.user),
            "may_add": request.user.role in _MAY_KEEP,
            "prices": [Pricing.MARKET] if request.user.role is Role.OPERATOR_STAFF else list(Pricing),
            "message": message,
        },
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(lang)] if lang in TARIFF_TEXTS else [],
    )


def _frame(who: Identity, language: str) -> dict[str, Any]:
    other = "en" if language == "zh-CN" else "zh-CN"
    return {"t": TARIFF_TEXTS[language], "language": language, "other": other, "user": who}


def _language(request: PageRequest, lang: str) -> str:
    return pick_language(None, lang if lang in TARIFF_TEXTS else request.cookies.get(LANGUAGE_COOKIE))


def _said(refusal: Problem, request: PageRequest) -> str:
    body = refusal.body(_language(request, ""))
    return f"{body['title']} {body['detail']}"


def _version(detail: TariffDetail, wanted: UUID | None, now: datetime) -> VersionOut | None:
    """The version wanted, else the one in force, else the newest."""
    for version in detail.versions:
        if version.id == wanted or (wanted is None and _state(version, now) == "now"):
            return version
    return detail.versions[0] if detail.versions else None


def _state(version: VersionOut, now: datetime) -> str:
    if version.effective_from > now:
        return "later"
    return "now" if version.effective_until is None or now < version.effective_until else "over"


def _pretty(data: dict[str, Any]) -> str:
    """In the order in which a tariff is written; the database keeps none."""
    return msgspec.json.format(msgspec.json.encode(decode(data)), indent=2).decode()


def _city_moment(text: str) -> datetime | None:
    """What a datetime field holds, as the city's time; None for anything else."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=CITY_ZONE)
    except ValueError:
        return None


route_handlers: list[ControllerRouterHandler] = [
    tariffs_page,
    add_tariff,
    tariff_page,
    edit_tariff,
    assign_tariff,
]

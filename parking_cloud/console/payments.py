"""The page of charges and payments: the day in pictures, lists in words, look-ups by plate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console import payment_rows as shown
from parking_cloud.console.health import to_the_door
from parking_cloud.console.payment_texts import PAYMENT_TEXTS
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import overview
from parking_cloud.payments.overview import DayTotals
from parking_cloud.payments.schemas import ChargeState, PaymentState, RefundState
from parking_cloud.registry.service import facility_labels
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

PAGE = "/console/payments"
MAY_SEE_MONEY = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
MAY_MOVE_MONEY = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
NOBODY = UUID(int=0)
_ROWS = 50

PageRequest = Request[Identity, Any, Any]


class Shown(StrEnum):
    """Which list the page shows."""

    CHARGES = "charges"
    PAYMENTS = "payments"
    REFUNDS = "refunds"


_STATES: dict[Shown, type[StrEnum]] = {
    Shown.CHARGES: ChargeState,
    Shown.PAYMENTS: PaymentState,
    Shown.REFUNDS: RefundState,
}
_SAID = (
    "done_waived",
    "done_refunded",
    "done_by_hand",
    "done_again",
    "bad_amount",
    "no_reason",
    "changed",
    "not_yours",
)


class SearchForm(msgspec.Struct, frozen=True):
    plate: Annotated[str, msgspec.Meta(max_length=32)]
    reason: Annotated[str, msgspec.Meta(max_length=500)]


@get(
    PAGE,
    guards=[allow(*MAY_SEE_MONEY)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
)
async def payments_page(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    which: Annotated[Shown, Parameter(query="list")] = Shown.CHARGES,
    wanted: Annotated[str, Parameter(query="state")] = "",
    before: UUID | None = None,
    said: str = "",
    lang: str = "",
) -> Template:
    """The day's money, and what it is made of."""
    states = [str(s) for s in _STATES[which]]
    chosen = wanted if wanted in states else ""
    language, t = _words(request, lang)
    whose = operator_of(request.user)
    rows = await _listed(session, whose, which, chosen, before, t, language)
    context = await _context(request, session, clock.now(), language, t)
    context |= {
        "list": which,
        "states": states,
        "state": chosen,
        "rows": rows,
        "older": rows[-1]["id"] if len(rows) == _ROWS else None,
        "done": t[said] if said in _SAID and said.startswith("done") else "",
        "fault": t[said] if said in _SAID and not said.startswith("done") else "",
    }
    return _template(settings, context, lang)


@post(
    f"{PAGE}/search",
    guards=[allow(*MAY_SEE_MONEY)],
    exception_handlers={NotSignedIn: to_the_door, NotAllowed: to_the_door},
    include_in_schema=False,
    status_code=200,
)
async def search_by_plate(
    request: PageRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    data: Annotated[SearchForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template:
    """A plate's charges, for who says why; that is written down before anything is shown."""
    language, t = _words(request, "")
    rows: list[dict[str, Any]] = []
    fault = "" if data.reason.strip() else t["no_reason"]
    try:
        plate = parse_plate(data.plate)
    except NoPlate:
        fault = t["no_plate"]
    if not fault:
        plate_hash = PlateVault(settings.plate_key).lookup_hash(plate)
        await _note_look_up(session, request.user, plate_hash, data.reason.strip())
        found = await overview.list_charges(
            session, operator_of(request.user), plate_hash=plate_hash, limit=_ROWS
        )
        rows = await _charge_rows(session, found, t, language)
    context = await _context(request, session, clock.now(), language, t)
    context |= {"list": Shown.CHARGES, "states": [], "state": "", "rows": rows, "older": None}
    context |= {"done": "", "fault": fault, "searched": True}
    return _template(settings, context, "")


def operator_of(who: Identity) -> UUID | None:
    """Whose money a person sees: None is everybody's. Staff of no operator see none."""
    return (who.operator_id or NOBODY) if who.role is Role.OPERATOR_STAFF else None


async def _listed(
    session: AsyncSession,
    whose: UUID | None,
    which: Shown,
    state: str,
    before: UUID | None,
    t: shown.Texts,
    language: str,
) -> list[dict[str, Any]]:
    if which is Shown.PAYMENTS:
        paying = PaymentState(state) if state else None
        payments = await overview.list_payments(session, whose, state=paying, before=before, limit=_ROWS)
        return [shown.payment_row(row, t) for row in payments]
    if which is Shown.REFUNDS:
        going = RefundState(state) if state else None
        refunds = await overview.list_refunds(session, whose, state=going, before=before, limit=_ROWS)
        return [shown.refund_row(row, t) for row in refunds]
    owed = ChargeState(state) if state else None
    charges = await overview.list_charges(session, whose, state=owed, before=before, limit=_ROWS)
    return await _charge_rows(session, charges, t, language)


async def _charge_rows(
    session: AsyncSession, charges: Sequence[Mapping[str, Any]], t: shown.Texts, language: str
) -> list[dict[str, Any]]:
    labels = await facility_labels(session, {charge["facility_id"] for charge in charges})
    return [shown.charge_row(charge, labels, t, language) for charge in charges]


async def _note_look_up(session: AsyncSession, who: Identity, plate_hash: bytes, reason: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="charges looked up by plate",
        subject_type="plate",
        subject_id=plate_hash.hex(),
        reason=reason,
    )


def _words(request: PageRequest, lang: str) -> tuple[str, dict[str, str]]:
    chosen = lang if lang in PAYMENT_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    return language, PAYMENT_TEXTS[language]


async def _context(
    request: PageRequest, session: AsyncSession, now: datetime, language: str, t: dict[str, str]
) -> dict[str, Any]:
    totals = await overview.day_totals(session, operator_of(request.user), now)
    return {
        "t": t,
        "language": language,
        "other": "en" if language == "zh-CN" else "zh-CN",
        "user": request.user,
        "as_of": t["as_of"].format(n=city_time(now).strftime("%Y-%m-%d %H:%M:%S")),
        "totals": _totals(totals, t),
        "hours": shown.hour_bars(totals),
        "methods": shown.method_bars(totals, t),
        "may_act": request.user.role in MAY_MOVE_MONEY,
        "searched": False,
    }


def _totals(totals: DayTotals, t: dict[str, str]) -> list[tuple[str, str]]:
    money = {name: getattr(totals, name) for name in ("charged", "paid", "refunded", "due")}
    numbers = {name: getattr(totals, name) for name in ("due_charges", "held_charges", "refunds_waiting")}
    return [(t[name], format_yuan(Fen(amount))) for name, amount in money.items()] + [
        (t[name], f"{number:,}") for name, number in numbers.items()
    ]


def _template(settings: Settings, context: dict[str, Any], lang: str) -> Template:
    headers = page_headers(settings) | {"Content-Language": context["language"], "Cache-Control": "no-store"}
    cookies = [language_cookie(lang)] if lang in PAYMENT_TEXTS else []
    return Template("payments.html", context=context, headers=headers, cookies=cookies)


route_handlers: list[ControllerRouterHandler] = [payments_page, search_by_plate]

"""The door for drivers: their phone, then the code on it. Plain forms, so that it works on any phone."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import sessions, tokens
from parking_cloud.accounts.guards import allow, public, signed_in
from parking_cloud.accounts.middleware import from_own_page
from parking_cloud.accounts.phone_codes import CodeWrong
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.routes import TokenOut
from parking_cloud.accounts.sessions import SessionOut
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.sign_in_texts import SIGN_IN_TEXTS
from parking_cloud.driver.signing_in import DEMO_PHONE, CodeNotSent, CodeSent, door, send_code
from parking_cloud.driver.signing_in import sign_in as let_in
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.contacts import NoSuchAddress
from parking_cloud.kernel.limits import Limiter, TooManyTries
from parking_cloud.kernel.problems import NotAllowed, Problem, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from parking_cloud.web.session import no_session, session_cookie

PAGE = "/sign-in"
HOME = "/me"
_OWN_PATH = re.compile(r"/[\w\-./?=&%+:,]*", re.ASCII)
VisitRequest = Request[Identity | None, Any, Any]
OwnRequest = Request[Identity, Any, Any]


class PhoneIn(msgspec.Struct, frozen=True):
    phone: Annotated[str, msgspec.Meta(max_length=40)]


class CodeIn(msgspec.Struct, frozen=True):
    phone: Annotated[str, msgspec.Meta(max_length=40)]
    code: Annotated[str, msgspec.Meta(max_length=12)]


class PhoneForm(msgspec.Struct, frozen=True):
    phone: str
    next: str = HOME


class CodeForm(msgspec.Struct, frozen=True):
    phone: str
    code: str
    next: str = HOME


@get(PAGE, guards=[public], include_in_schema=False)
async def sign_in_page(
    request: VisitRequest, settings: Settings, next: str = HOME, lang: str = ""
) -> Template | Redirect:
    """Who is signed in goes on; others type their phone."""
    if request.user is not None and request.user.role is Role.DRIVER:
        return Redirect(own_path(next), status_code=303)
    return _page(request, settings, next, lang=lang)


@post(PAGE, guards=[public], include_in_schema=False, status_code=200)
async def ask_for_code(
    request: VisitRequest,
    settings: Settings,
    limiter: Limiter,
    data: Annotated[PhoneForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template:
    """Sends the code, and asks for it."""
    _check_origin(request)
    try:
        sent = await send_code(door(request, limiter), data.phone, _language(request, ""))
    except (NoSuchAddress, TooManyTries, CodeNotSent) as refusal:
        return _page(request, settings, data.next, phone=data.phone, sent=_still(refusal), refusal=refusal)
    return _page(request, settings, data.next, phone=data.phone, sent=sent)


@post(f"{PAGE}/code", guards=[public], include_in_schema=False, status_code=200)
async def type_code(
    request: VisitRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    limiter: Limiter,
    data: Annotated[CodeForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Sets the cookie and goes on, or says in words what was wrong."""
    _check_origin(request)
    try:
        identity = await let_in(door(request, limiter), session, data.phone, data.code)
    except (NoSuchAddress, TooManyTries, CodeWrong) as refusal:
        return _page(request, settings, data.next, phone=data.phone, sent=_still(refusal), refusal=refusal)
    cookie = session_cookie(identity, settings, clock.now())
    return Redirect(own_path(data.next), status_code=303, cookies=[cookie])


@post("/sign-out", guards=[signed_in], include_in_schema=False, status_code=200)
async def sign_out(request: OwnRequest, session: AsyncSession, clock: Clock) -> Redirect:
    """Ends the session and takes the cookie back."""
    who = request.user
    if who.session_id is not None:
        await sessions.end(session, who.user_id, who.session_id, clock.now())
        request.app.state.session_watch.forget(who.session_id)
    return Redirect("/", status_code=303, cookies=[no_session()])


class PhoneCodeController(Controller):
    path = "/v1/auth/codes"
    tags = ["drivers"]

    @post("", guards=[public], status_code=202)
    async def ask(self, request: VisitRequest, limiter: Limiter, data: PhoneIn) -> CodeSent:
        """Send a sign-in code to a phone. The answer is the same whether the phone is known or not."""
        language = pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))
        return await send_code(door(request, limiter), data.phone, language)

    @post("/redeem", guards=[public], status_code=200)
    async def redeem(
        self,
        request: VisitRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        limiter: Limiter,
        data: CodeIn,
    ) -> Response[TokenOut]:
        """A token for the code, and the pages' cookie. A phone that is new here gets an account."""
        _check_origin(request)
        identity = await let_in(door(request, limiter), session, data.phone, data.code)
        now = clock.now()
        told = TokenOut(
            access_token=tokens.issue(identity, settings.secret_key, now),
            token_type="Bearer",
            expires_in=int(tokens.lifetime_of(identity).total_seconds()),
            role=identity.role,
        )
        cookies = [session_cookie(identity, settings, now)]
        return Response(told, headers={"Cache-Control": "no-store"}, cookies=cookies)


class MySessionsController(Controller):
    path = "/v1/me/sessions"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]

    @get()
    async def mine(self, request: OwnRequest, session: AsyncSession, clock: Clock) -> list[SessionOut]:
        """Where you are signed in, the newest first."""
        who = request.user
        return await sessions.sessions_of(session, who.user_id, who.session_id, clock.now())

    @delete()
    async def end_all(self, request: OwnRequest, session: AsyncSession, clock: Clock) -> None:
        """Sign out everywhere, here too; it takes a minute to be known everywhere."""
        await sessions.end_all(session, request.user.user_id, clock.now())
        if request.user.session_id is not None:
            request.app.state.session_watch.forget(request.user.session_id)

    @delete("/{session_id:uuid}")
    async def end(self, request: OwnRequest, session: AsyncSession, clock: Clock, session_id: UUID) -> None:
        """Sign out one phone or browser."""
        await sessions.end(session, request.user.user_id, session_id, clock.now())


def own_path(path: str) -> str:
    """Where to go on; never another's page."""
    inside = _OWN_PATH.fullmatch(path) and not path.startswith(("//", "/sign-in", "/sign-out"))
    return path if inside else HOME


def _still(refusal: Problem) -> CodeSent | None:
    """A code that was sent before may be at hand: who asks or types too soon can go on typing it."""
    goes_on = isinstance(refusal, CodeWrong | TooManyTries)
    return CodeSent(expires_in=0, again_in=0) if goes_on else None


def _check_origin(request: VisitRequest) -> None:
    """Another site must not sign a visitor in as somebody else."""
    told = request.headers.get("sec-fetch-site") or request.headers.get("origin")
    if told and not from_own_page(request):
        raise NotAllowed()


def _language(request: VisitRequest, lang: str) -> str:
    return pick_language(None, lang if lang in SIGN_IN_TEXTS else request.cookies.get(LANGUAGE_COOKIE))


def _page(
    request: VisitRequest,
    settings: Settings,
    next: str,
    *,
    phone: str = "",
    sent: CodeSent | None = None,
    refusal: Problem | None = None,
    lang: str = "",
) -> Template:
    language = _language(request, lang)
    body = refusal.body(language) if refusal else {}
    return Template(
        "sign_in_phone.html",
        context={
            "t": SIGN_IN_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "next": own_path(next),
            "phone": phone,
            "sent": sent,
            "demo_phone": DEMO_PHONE if settings.demo else "",
            "too_soon": isinstance(refusal, TooManyTries),
            "error": (". " if language == "en" else "。").join(
                body[part] for part in ("title", "detail") if body
            ),
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-store"},
        cookies=[language_cookie(language)] if lang in SIGN_IN_TEXTS else [],
    )


route_handlers: list[ControllerRouterHandler] = [
    sign_in_page,
    ask_for_code,
    type_code,
    sign_out,
    PhoneCodeController,
    MySessionsController,
]

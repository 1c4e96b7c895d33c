"""Who is behind a request: from a Bearer token, or from the pages' cookie."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from parking_cloud.accounts import tokens
from parking_cloud.accounts.tokens import Identity

COOKIE = "parking_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES = frozenset({"same-origin", "none"})


class IdentityMiddleware(ASGIMiddleware):
    """Puts the Identity, or None, into `scope["user"]`. Refusing is the guards' business.

    The cookie counts for a changing request only when the browser says that one of our own pages sent
    it (Sec-Fetch-Site), so that another site cannot act in a signed-in person's name.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        who = _identify(connection)
        if who is not None and who.session_id is not None:
            state = connection.app.state
            if not await state.session_watch.alive(who.session_id, state.clock.now()):
                who = None
        scope["user"] = who
        await next_app(scope, receive, send)


def _identify(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        token = connection.cookies.get(COOKIE, "") if from_own_page(connection) else ""
    if not token:
        return None
    state = connection.app.state
    try:
        return tokens.read(token.strip(), state.settings.secret_key, state.clock.now())
    except tokens.InvalidToken:
        return None


def from_own_page(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the browser says that a request comes from a page of ours, or changes nothing."""
    if connection.scope["method"] in _SAFE:  # type: ignore[typeddict-item]
        return True
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site in _OWN_PAGES
    origin = connection.headers.get("origin", "")
    return origin.partition("://")[2] == connection.headers.get("host")

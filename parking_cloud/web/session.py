"""The pages' session: a cookie that scripts cannot read."""

from __future__ import annotations

from datetime import datetime

from litestar.datastructures import Cookie

from parking_cloud.accounts import tokens
from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.settings import Settings


def session_cookie(identity: Identity, settings: Settings, now: datetime) -> Cookie:
    """Whoever holds it is signed in, for as long as a token lives."""
    return Cookie(
        key=COOKIE,
        value=tokens.issue(identity, settings.secret_key, now),
        max_age=int(tokens.lifetime_of(identity).total_seconds()),
        httponly=True,
        samesite="lax",
        secure=settings.secure_cookies,
    )


def no_session() -> Cookie:
    """Takes the cookie back."""
    return Cookie(key=COOKIE, value="", max_age=0)

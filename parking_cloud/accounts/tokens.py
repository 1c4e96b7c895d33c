"""Tokens: who is signed in, as a JWT that lives an hour; a driver's as long as their session does."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import jwt
import msgspec

from parking_cloud.accounts.roles import Role

LIFETIME = timedelta(hours=1)
SESSION_LIFETIME = timedelta(days=30)
"""Of a driver's session: it stands in a list, and can be ended."""
_ISSUER = "parking-cloud"
_ALGORITHM = "HS256"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The person or system behind a request."""

    user_id: UUID
    username: str
    role: Role
    operator_id: UUID | None = None
    institution_id: UUID | None = None
    session_id: UUID | None = None
    """Of a driver who signed in by phone: the token holds while this session does."""


class InvalidToken(ValueError):
    """The token is expired, changed, or not ours."""


def lifetime_of(identity: Identity) -> timedelta:
    """How long a token of theirs lives."""
    return SESSION_LIFETIME if identity.session_id else LIFETIME


def issue(identity: Identity, secret: str, now: datetime) -> str:
    """A token for `identity`, valid from `now`."""
    claims = {
        "iss": _ISSUER,
        "aud": _ISSUER,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime_of(identity)).timestamp()),
        "identity": msgspec.to_builtins(identity),
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read(token: str, secret: str, now: datetime) -> Identity:
    """The identity in a token. Raises InvalidToken."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=_ISSUER,
            issuer=_ISSUER,
            # Judged below, by the platform's clock.
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "aud", "iss"]},
        )
        if now.timestamp() >= claims["exp"]:
            raise InvalidToken("expired")
        return msgspec.convert(claims["identity"], Identity)
    except (jwt.PyJWTError, KeyError, msgspec.ValidationError) as error:
        raise InvalidToken(str(error)) from error

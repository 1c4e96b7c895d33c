"""Tokens: who is signed in, as a JWT that lives an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import jwt
import msgspec

from parking_cloud.accounts.roles import Role

LIFETIME = timedelta(hours=1)
_ISSUER = "parking-cloud"
_ALGORITHM = "HS256"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The person or system behind a request."""

    user_id: UUID
    username: str
    role: Role
    operator_id: UUID | None = None
    institution_id: UUID | None = None


class InvalidToken(ValueError):
    """The token is expired, changed, or not ours."""


def issue(identity: Identity, secret: str, now: datetime) -> str:
    """A token for `identity`, valid for LIFETIME from `now`."""
    claims = {
        "iss": _ISSUER,
        "aud": _ISSUER,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
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

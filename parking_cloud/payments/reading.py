"""Reading tokens: who started a payment may follow it. They follow from the payment, so that asking again
gives the same one, and nobody can guess them.

Who only joined a payment that somebody else had started sees how it stands, but gets no receipt: knowing a
plate is not enough to learn where the car was.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

_PURPOSES = {True: b"parking-cloud payment", False: b"parking-cloud payment joined"}
_ID = 16


class Reader(NamedTuple):
    payment_id: UUID
    started: bool
    """It was this reader who started the payment."""


def reading_token(secret_key: str, payment_id: UUID, *, started: bool) -> str:
    return urlsafe_b64encode(payment_id.bytes + _seal(secret_key, payment_id, started)).decode().rstrip("=")


def read_token(secret_key: str, token: str) -> Reader | None:
    """Whose payment, and as whom; None for what is no token of ours."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        payment_id = UUID(bytes=raw[:_ID])
    except (Error, ValueError):
        return None
    for started in (True, False):
        if hmac.compare_digest(raw[_ID:], _seal(secret_key, payment_id, started)):
            return Reader(payment_id, started)
    return None


def _seal(secret_key: str, payment_id: UUID, started: bool) -> bytes:
    key = hmac.digest(secret_key.encode(), _PURPOSES[started], sha256)
    return hmac.digest(key, payment_id.bytes, sha256)

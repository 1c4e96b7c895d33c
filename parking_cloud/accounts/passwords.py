"""Passwords: argon2id, worked out beside the event loop."""

from __future__ import annotations

from anyio import to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return await to_thread.run_sync(_hasher.hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """True where it fits. A missing user, or one without a password, costs the same time as a wrong one."""
    return await to_thread.run_sync(_verify, stored or _NOBODY, password) and bool(stored)


def needs_rehash(stored: str) -> bool:
    """True where the parameters have grown since it was hashed."""
    return _hasher.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False

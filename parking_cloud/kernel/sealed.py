"""Files at rest: photos are stored encrypted, each purpose under a key of its own."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12


class SealError(ValueError):
    """The sealed bytes were not made with this key for this purpose, or were changed."""


class FileVault:
    """Seals files (AES-256-GCM) under a key for `purpose`, derived from the platform's data key."""

    def __init__(self, key_hex: str, purpose: str) -> None:
        key = bytes.fromhex(key_hex)
        if len(key) != 32:
            raise SealError("the data key must be 32 bytes as hex")
        self._purpose = purpose.encode()
        self._cipher = AESGCM(hmac.digest(key, b"file " + self._purpose, sha256))

    def seal(self, body: bytes) -> bytes:
        """Different each time."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, body, self._purpose)

    def open(self, sealed: bytes) -> bytes:
        """The file that was sealed. Raises SealError."""
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, body, self._purpose)
        except InvalidTag as error:
            raise SealError("sealed with another key, or changed since") from error

"""Secrets at rest: plates are stored encrypted, and found again by a keyed hash."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sensor_gateway.plates import Plate, plate_of

_VERSION = b"\x01"
_NONCE = 12
_PURPOSE = b"parking-cloud plate"


class VaultError(ValueError):
    """The sealed bytes were not made with this key, or were changed."""


class PlateVault:
    """Seals plates (AES-256-GCM) and hashes them (HMAC-SHA-256) under keys derived from one key.

    `key_hex`: 32 bytes as hex. Raises VaultError for any other key.
    """

    def __init__(self, key_hex: str) -> None:
        try:
            key = bytes.fromhex(key_hex)
        except ValueError as error:
            raise VaultError("the plate key must be 32 bytes as hex") from error
        if len(key) != 32:
            raise VaultError("the plate key must be 32 bytes as hex")
        self._cipher = AESGCM(hmac.digest(key, b"seal", sha256))
        self._hash_key = hmac.digest(key, b"look-up", sha256)

    def seal(self, plate: Plate) -> bytes:
        """A plate → version, nonce and ciphertext; different each time."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plate.reveal().encode(), _PURPOSE)

    def open(self, sealed: bytes) -> Plate:
        """The plate that was sealed. Raises VaultError."""
        if sealed[:1] != _VERSION:
            raise VaultError("not a sealed plate")
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return plate_of(self._cipher.decrypt(nonce, body, _PURPOSE).decode())
        except (InvalidTag, ValueError) as error:
            raise VaultError("sealed with another key, or changed since") from error

    def lookup_hash(self, plate: Plate) -> bytes:
        """32 bytes, the same for the same plate: to find it without opening anything."""
        return hmac.digest(self._hash_key, plate.reveal().encode(), sha256)

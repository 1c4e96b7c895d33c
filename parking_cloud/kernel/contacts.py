"""Contacts at rest: phone numbers and mail addresses are stored encrypted, and checked on their way in."""

from __future__ import annotations

import hmac
import os
import re
from enum import StrEnum
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parking_cloud.kernel.problems import InvalidInput

_VERSION = b"\x01"
_NONCE = 12
_PURPOSE = b"parking-cloud contact"
_PHONE = re.compile(r"1[3-9]\d{9}", re.ASCII)
_MAIL = re.compile(r"[^@\s<>()\",;:\\]{1,64}@[^@\s<>()\",;:\\]{1,185}\.[^@\s<>()\",;:\\.\d]{2,}", re.ASCII)


class Channel(StrEnum):
    """How a notice reaches somebody."""

    IN_APP = "in_app"
    SMS = "sms"
    MAIL = "mail"


class NoSuchAddress(InvalidInput):
    slug = "no-such-address"
    title = {"zh-CN": "号码或邮箱地址有误", "en": "The number or mail address is not right"}
    detail = {
        "zh-CN": "手机号应为 11 位大陆号码；邮箱应形如 name@example.com。",
        "en": "A mobile number has 11 digits (mainland); a mail address looks like name@example.com.",
    }


class ContactError(ValueError):
    """The sealed bytes were not made with this key, or were changed."""


def checked(channel: Channel, address: str) -> str:
    """A phone number or mail address, tidied. Raises NoSuchAddress."""
    tidy = address.strip()
    if channel is Channel.SMS:
        tidy = re.sub(r"[\s-]", "", tidy).removeprefix("+86")
    shape = _PHONE if channel is Channel.SMS else _MAIL
    if not shape.fullmatch(tidy):
        raise NoSuchAddress()
    return tidy


class ContactVault:
    """Seals addresses (AES-256-GCM) under a key of their own, derived from the platform's data key."""

    def __init__(self, key_hex: str) -> None:
        key = bytes.fromhex(key_hex)
        if len(key) != 32:
            raise ContactError("the data key must be 32 bytes as hex")
        self._cipher = AESGCM(hmac.digest(key, b"contact", sha256))

    def seal(self, address: str) -> bytes:
        """Different each time."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, address.encode(), _PURPOSE)

    def open(self, sealed: bytes) -> str:
        """The address that was sealed. Raises ContactError."""
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, body, _PURPOSE).decode()
        except InvalidTag as error:
            raise ContactError("sealed with another key, or changed since") from error

"""Signed POSTs to other bodies' systems (Standard Webhooks). No transaction is open while one is called."""

from __future__ import annotations

import asyncio
import base64
import hmac
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import httpx

from parking_cloud.kernel.hook_address import Allowed, HookRefused, pinned

RETRIES_S = (10, 20, 30, 40, 50, 80, 120, 160, 200, 300)
"""The pauses that operators' systems are used to."""
TIMEOUT_S = 5.0
_LARGEST_ANSWER = 4_000_000
"""Bytes: what a list of ten thousand entries is answered with, several times over."""


def derived_secret(key: str, purpose: str) -> bytes:
    """The secret that signs what is pushed for one purpose; derived, so that none is stored."""
    return hmac.digest(key.encode(), purpose.encode(), sha256)


def shown_secret(secret: bytes) -> str:
    """As Standard Webhooks writes a secret."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def signed_headers(secret: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one message."""
    stamp = str(int(at.timestamp()))
    signature = hmac.digest(secret, f"{message_id}.{stamp}.".encode() + body, sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


class Message(NamedTuple):
    """What is pushed, where to, and what signs it."""

    url: str
    secret: bytes
    id: str
    body: bytes


class Answer(NamedTuple):
    """What a system said; `failure` is empty where it took the message."""

    failure: str
    status: int = 0
    body: bytes = b""


async def post_signed(client: httpx.AsyncClient, allowed: Allowed, message: Message, now: datetime) -> Answer:
    """Push one message; nothing that the other side does raises here."""
    headers = signed_headers(message.secret, message.id, now, message.body)
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            to = await pinned(message.url, allowed)
            async with client.stream(
                "POST",
                to.url,
                content=message.body,
                headers={**headers, "Host": to.host},
                extensions=to.extensions,
                timeout=TIMEOUT_S,
            ) as answer:
                return await _read(answer)
    except HookRefused as refusal:
        return Answer(str(refusal))
    except (httpx.HTTPError, TimeoutError) as error:
        return Answer(type(error).__name__)


async def _read(answer: httpx.Response) -> Answer:
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _LARGEST_ANSWER:
            return Answer("the answer is too large", answer.status_code)
    failure = "" if answer.is_success else f"HTTP {answer.status_code}"
    return Answer(failure, answer.status_code, body)

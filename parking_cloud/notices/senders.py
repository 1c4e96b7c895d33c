"""How notices leave: one small interface per carrier, and the HTTP form that the carriers' adapters speak.

Carriers differ (an SMS gateway, a mail relay, the province's own); each stands behind an adapter that takes
one JSON document and answers with its number. The demo runs such an adapter as a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import httpx
import msgspec

from parking_cloud.kernel.contacts import Channel
from parking_cloud.kernel.settings import Settings

_TIMEOUT_S = 10.0


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a carrier is given. `id` is ours, and the same whenever it is tried again."""

    id: UUID
    to: str
    title: str
    text: str


class CarrierAway(Exception):
    """No answer, or one that says to try again: whether it was taken is not known. Try again with the id."""


class CarrierRefused(Exception):
    """The carrier understood, and will not: a number that does not exist, say."""


class Sender(Protocol):
    """A carrier of one channel."""

    async def send(self, message: Message) -> str:
        """Give it over; the carrier's number for it. Raises CarrierAway or CarrierRefused."""
        ...

    async def close(self) -> None: ...


class HttpSender:
    """Posts a message to an adapter; the same id twice is the same message to it."""

    def __init__(self, url: str, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT_S, headers=headers, transport=transport, trust_env=False
        )

    async def send(self, message: Message) -> str:
        try:
            answer = await self._client.post(
                self._url,
                content=msgspec.json.encode(message),
                headers={"Content-Type": "application/json", "Idempotency-Key": str(message.id)},
            )
        except httpx.HTTPError as error:
            raise CarrierAway(type(error).__name__) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise CarrierAway(f"HTTP {answer.status_code}")
        if answer.status_code >= 400:
            raise CarrierRefused(f"HTTP {answer.status_code}")
        return _number(answer)

    async def close(self) -> None:
        await self._client.aclose()


def _number(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("id", ""))
    except (ValueError, AttributeError):
        return ""


def make_senders(settings: Settings) -> Mapping[Channel, Sender]:
    """The carriers that the settings name; a channel without one keeps its notices queued."""
    urls = {Channel.SMS: settings.sms_url, Channel.MAIL: settings.mail_url}
    return {channel: HttpSender(url, settings.carrier_key) for channel, url in urls.items() if url}

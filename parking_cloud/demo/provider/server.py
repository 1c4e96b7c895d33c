"""The server: keys, idempotency, the API and the payer's pages, as one small ASGI application."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from parking_cloud.demo.provider import api, pages
from parking_cloud.demo.provider.forms import Refusal, Said, invalid, read_form
from parking_cloud.demo.provider.settings import ProviderSettings
from parking_cloud.demo.provider.store import Store
from parking_cloud.demo.provider.webhooks import Deliverer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_LONGEST_BODY = 1_000_000


class Trouble(msgspec.Struct, kw_only=True):
    """What goes wrong on purpose, for tests of those who call."""

    latency_ms: int = 0
    lost_answers: float = 0.0
    """Of so many requests the deed is done, and the answer never comes."""
    webhook_copies: int = 1


class Answer(msgspec.Struct):
    status: int
    body: bytes
    kind: str = "application/json"
    headers: list[tuple[str, str]] = []


class LocalProvider:
    """An ASGI application."""

    def __init__(self, settings: ProviderSettings) -> None:
        settings.folder.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._store = Store(settings.folder / "provider.sqlite3")
        self._deliverer = Deliverer(self._store)
        self._trouble = Trouble()
        self._in_use: set[str] = set()
        self._point_webhook()

    def _point_webhook(self) -> None:
        """The endpoint of the settings, once, where it now is."""
        settings = self._settings
        if not settings.webhook_url:
            return
        events = settings.webhook_events.split(",")
        with self._store.transaction():
            for known in self._store.find("webhook_endpoint", limit=100):
                if known["secret"] == settings.webhook_secret:
                    self._store.save(known | {"url": settings.webhook_url, "enabled_events": events})
                    return
            api.make_endpoint(self._store, settings.webhook_url, settings.webhook_secret, events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = await _read_body(receive)
        try:
            answer = await self._answer(scope, body)
        except Refusal as refusal:
            answer = Answer(refusal.status, msgspec.json.encode(refusal.body()))
        await self._send(scope, send, answer)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        delivering = asyncio.create_task(self._deliverer.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivering
        self._store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _send(self, scope: Scope, send: Send, answer: Answer) -> None:
        losable = scope["method"] == "POST" and scope["path"].startswith("/v1/")
        lost = losable and random.random() < self._trouble.lost_answers
        headers = [
            ("content-type", answer.kind),
            ("request-id", f"req_{secrets.token_hex(7)}"),
            *answer.headers,
        ]
        headers.append(("content-length", str(len(answer.body))))
        start = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        await send(start)
        # Less than was announced: the server closes the connection, as if it had died here.
        await send({"type": "http.response.body", "body": b"" if lost else answer.body})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        method, path = scope["method"], scope["path"]
        query = scope["query_string"].decode()
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        if path.startswith("/v1/"):
            return await self._answer_api(method, path.removeprefix("/v1/"), query, body, headers)
        if path == "/local/trouble" and method == "POST":
            self._check_secret(headers)
            self._trouble = msgspec.json.decode(body, type=Trouble)
            self._deliverer.copies = self._trouble.webhook_copies
            return Answer(200, b"{}")
        if path.startswith("/authorise/"):
            said = dict(parse_qsl(body.decode() if method == "POST" else query))
            with self._store.transaction():
                page = pages.authorise(self._store, path.removeprefix("/authorise/"), method, said)
            self._deliverer.wake()
            return Answer(page.status, page.body, page.kind, page.headers)
        page = pages.static(path)
        return Answer(page.status, page.body, page.kind, page.headers)

    def _check_secret(self, headers: dict[str, str]) -> None:
        if not secrets.compare_digest(_key(headers), self._settings.secret_key):
            raise invalid("api_key_invalid", "Invalid API Key provided", status=401)

    async def _answer_api(
        self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]
    ) -> Answer:
        text = query if method == "GET" else body.decode()
        said = read_form(text)
        by_payer = said.pop("key", None) == self._settings.publishable_key
        if not by_payer:
            self._check_secret(headers)
        key = headers.get("idempotency-key", "") if method == "POST" else ""
        if not key:
            return await self._do(method, path, said, by_payer=by_payer)
        asked = sha256(f"{path}\n{text}".encode()).digest()
        if key in self._in_use:
            message = "There is currently another in-progress request using this key."
            raise Refusal(409, "idempotency_error", "idempotency_key_in_use", message)
        self._in_use.add(key)
        try:
            known = self._store.answered(key)
            if known is not None and known[0] != asked:
                message = "Keys for idempotent requests can only be used with the same parameters."
                raise Refusal(400, "idempotency_error", "idempotency_error", message)
            if known is not None:
                return Answer(known[1], known[2], headers=[("idempotent-replayed", "true")])
            return await self._do(method, path, said, by_payer=by_payer, key=key, asked=asked)
        finally:
            self._in_use.discard(key)

    async def _do(
        self, method: str, path: str, said: Said, *, by_payer: bool, key: str = "", asked: bytes = b""
    ) -> Answer:
        if self._trouble.latency_ms:
            await asyncio.sleep(self._trouble.latency_ms / 1000)
        understood, status = True, 200
        with self._store.transaction():
            try:
                made = api.answer(
                    self._store, method, path, said, by_payer=by_payer, pages=self._settings.public_url
                )
            except Refusal as refusal:
                # A card that was refused leaves its traces.
                made, status, understood = refusal.body(), refusal.status, not refusal.param
            body = msgspec.json.encode(made)
            if key and understood:
                self._store.remember_answer(key, asked, status, body)
        if method == "POST":
            self._deliverer.wake()
        return Answer(status, body)


def _key(headers: dict[str, str]) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(value).decode().partition(":")[0]
    return value


async def _read_body(receive: Receive) -> bytes:
    parts, more, size = [], True, 0
    while more and size <= _LONGEST_BODY:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)

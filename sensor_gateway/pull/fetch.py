"""One conditional GET of a source, bounded in time, size and redirects."""

from __future__ import annotations

import asyncio
from datetime import datetime

import httpx
import msgspec

from sensor_gateway.pull.health import Outcome
from sensor_gateway.pull.mapping import Source
from sensor_gateway.pull.read import MOST_BYTES, header_time

_MOST_REDIRECTS = 3
_PASSING = {408, 425, 429}
"""4xx that mend themselves: request timeout, too early, too many requests (RFC 9110, 8470, 6585)."""
_CODINGS = {"", "identity", "gzip", "deflate"}
"""Content codings that are undone, once: a few kilobytes gzipped twice can be gigabytes."""


class Failed(Exception):
    """A fetch that gave nothing; `retry_after_s` is what the source asks for, 0 where it does not ask."""

    def __init__(self, outcome: Outcome, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.reason = reason
        self.retry_after_s = retry_after_s


class Validators(msgspec.Struct, frozen=True):
    """What a body is recognised by, sent back so that it need not come again (RFC 9110, 13.1)."""

    etag: str = ""
    last_modified: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """A whole body. `headers` are by names in lower case."""

    body: bytes
    headers: dict[str, str]
    validators: Validators


async def fetch(
    client: httpx.AsyncClient, source: Source, known: Validators, now: datetime
) -> Fetched | None:
    """The body, or None where it is still the one that `known` belongs to. Raises Failed."""
    headers = {"User-Agent": "parking-cloud-gateway", "Accept-Encoding": "gzip", **source.headers}
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    try:
        request = client.build_request("GET", source.url, headers=headers, timeout=source.timeout_s)
        async with asyncio.timeout(source.timeout_s):  # httpx's own starts anew with every byte
            return await _follow(client, request, now)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise Failed("failed", f"no whole answer within {source.timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise Failed("failed", f"{type(error).__name__}: {error}") from error


async def _follow(client: httpx.AsyncClient, request: httpx.Request, now: datetime) -> Fetched | None:
    for _ in range(_MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                return await _answer(response, now)
            if not _same_place(request.url, response.next_request.url):
                raise Failed("refused", f"it redirects to another host: {response.next_request.url.host}")
            request = response.next_request
        finally:
            await response.aclose()
    raise Failed("refused", f"it redirects more than {_MOST_REDIRECTS} times")


def _same_place(here: httpx.URL, there: httpx.URL) -> bool:
    """The same host and port, or the same host's https: a key in a header must not travel further."""
    if here.host != there.host:
        return False
    return (here.scheme, here.port) == (there.scheme, there.port) or (
        (here.scheme, there.scheme) == ("http", "https") and here.port is None and there.port is None
    )


async def _answer(response: httpx.Response, now: datetime) -> Fetched | None:
    status = response.status_code
    if status == 304:
        return None
    if status != 200:
        for_good = 300 <= status < 500 and status not in _PASSING
        wait = retry_after_s(response.headers.get("retry-after", ""), now)
        raise Failed("refused" if for_good else "failed", f"it answered {status}", wait)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Fetched(
        await _body(response),
        headers,
        Validators(headers.get("etag", ""), headers.get("last-modified", "")),
    )


async def _body(response: httpx.Response) -> bytes:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise Failed("unreadable", f"its content coding is not accepted: {coding[:60]}")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MOST_BYTES:
            raise Failed("unreadable", f"the body is larger than {MOST_BYTES // 1_000_000} MB")
    return bytes(body)


def retry_after_s(text: str, now: datetime) -> float:
    """Seconds that a Retry-After asks for, given in seconds or as a date; 0 where it asks for none."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    at = header_time(text)
    return max(0.0, (at - now).total_seconds()) if at else 0.0

"""A load on loopback: bounded numbers of requests or messages, and how long each took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """A rate per second and two quantiles in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float

    def line(self, name: str) -> str:
        """One line of a table."""
        return f"{name:24} {self.rate:8.0f}/s  p50 {self.p50_ms:6.1f} ms  p99 {self.p99_ms:6.1f} ms"


def summary(durations_s: list[float], total_s: float) -> Measured:
    """From each item's duration and the whole run's."""
    ordered = sorted(durations_s)
    return Measured(
        len(ordered) / total_s,
        ordered[len(ordered) // 2] * 1000,
        ordered[int(len(ordered) * 0.99)] * 1000,
    )


async def get_many(url: str, *, requests: int, connections: int) -> Measured:
    """GET one address over keep-alive connections. Raises RuntimeError for an answer that is not 200."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return await get_each(url, [target] * requests, connections=connections)


async def get_each(
    url: str, targets: Sequence[str], *, connections: int, rate: float | None = None
) -> Measured:
    """GET each target of one server, as fast as it answers, or so many a second.

    At a rate, an answer's time begins when its request was due, not when there was a connection for it.
    Raises RuntimeError for an answer that is not 200.
    """
    parts = urlsplit(url)
    durations: list[float] = []
    waiting = iter(enumerate(targets))
    begun = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number, target in waiting:
            due = time.perf_counter() if rate is None else begun + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            durations.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return summary(durations, time.perf_counter() - begun)

"""Exit quotes and payments at a steady rate, and how long each takes without the provider's own time.

Beside them, in the same minute, the empty JSON route: what the machine and the load itself cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bench.http import Answer
from bench.load import summary
from bench.till import METHODS, Till, open_garage, park, plates
from parking_cloud.launcher import Platform

QUOTES = 50
PAYMENTS = 40
"""A second. More payments, with the load, the servers and the worker beside them, fill two cores."""
SECONDS = 60
_WARM = 100
_EMPTY_EVERY = 5
"""The empty route is asked once for so many requests."""


def run(platform: Platform) -> None:
    """Print quantiles of exit quotes and of payments, and their ratio to the empty route."""
    vehicles = plates(_WARM + QUOTES * SECONDS)
    asyncio.run(open_garage(platform))
    park(platform, vehicles)
    asyncio.run(_measure(platform, vehicles))


async def _measure(platform: Platform, vehicles: Sequence[str]) -> None:
    till = Till(platform)
    await till.sign_in()
    tokens: list[str] = []

    async def quote(plate: str) -> float:
        answer = await _good(till.ask(plate))
        tokens.append(answer.json()["pay_token"])
        return 0.0

    async def pay(numbered: tuple[int, str]) -> float:
        number, token = numbered
        answer = await _good(till.start(token, METHODS[number % len(METHODS)]))
        acting.append(asyncio.create_task(_finish(till, answer.json())))
        return _provider_s(answer)

    acting: list[asyncio.Task[None]] = []
    for plate in vehicles[:_WARM]:
        await quote(plate)
    for numbered in enumerate(tokens[:_WARM]):
        await pay(numbered)
    await asyncio.gather(*acting)
    await _report("exit quotes", till, quote, vehicles[_WARM:], QUOTES)
    paying = list(enumerate(tokens[_WARM : _WARM + PAYMENTS * SECONDS]))
    await _report("payments", till, pay, paying, PAYMENTS)
    await asyncio.gather(*acting)
    till.close()


async def _report(
    name: str, till: Till, deed: Callable[[Any], Awaitable[float]], things: Sequence[Any], rate: int
) -> None:
    """At a steady rate, whether or not the answers keep up: who waits for an answer slows the load."""
    whole: list[float] = []
    own: list[float] = []
    empty: list[float] = []

    async def one(thing: Any) -> None:
        begun = time.perf_counter()
        provider_s = await deed(thing)
        took = time.perf_counter() - begun
        whole.append(took)
        own.append(took - provider_s)

    async def nothing() -> None:
        begun = time.perf_counter()
        await _good(till.drivers.get("/health/live"))
        empty.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    running = []
    for number, thing in enumerate(things):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        running.append(asyncio.create_task(one(thing)))
        if number % _EMPTY_EVERY == 0:
            running.append(asyncio.create_task(nothing()))
    await asyncio.gather(*running)
    seconds = time.perf_counter() - begun
    without = summary(own, seconds)
    route = summary(empty, seconds)
    print(without.line(name))
    print(summary(whole, seconds).line(f"{name}, with provider"))
    print(route.line("empty JSON route beside"))
    print(f"ratio of medians         {without.p50_ms / route.p50_ms:8.1f}")


async def _good(asked: Awaitable[Answer]) -> Answer:
    answer = await asked
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
    return answer


async def _finish(till: Till, payment: dict[str, Any]) -> None:
    """The payer's own part; a payment that the desk had to open is looked at until it can be made."""
    while payment["action"] is None:
        await asyncio.sleep(1)
        payment = (await _good(till.look(payment["payment"]))).json()
    await till.act(payment["action"])


def _provider_s(answer: Answer) -> float:
    """What `Server-Timing` says that the provider took."""
    return float(answer.headers["server-timing"].partition("dur=")[2]) / 1000

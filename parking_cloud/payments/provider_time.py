"""How long the provider took of a request: told apart from our own time in `Server-Timing`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ProviderTime:
    """Seconds spent waiting for providers."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def header(self) -> str:
        """The value of a `Server-Timing` header."""
        return f"provider;dur={self.seconds * 1000:.1f}"


_CURRENT: ContextVar[ProviderTime | None] = ContextVar("provider_time", default=None)


@contextmanager
def provider_time() -> Iterator[ProviderTime]:
    """Collects what this task, and those it starts, wait for providers."""
    spent = ProviderTime()
    token = _CURRENT.set(spent)
    try:
        yield spent
    finally:
        _CURRENT.reset(token)


@contextmanager
def waiting_for_provider() -> Iterator[None]:
    """Around each call of a provider."""
    spent, began = _CURRENT.get(), time.perf_counter()
    try:
        yield
    finally:
        if spent is not None:
            spent.seconds += time.perf_counter() - began

"""Waiting for what must come about, with a deadline that names it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: str, look: Callable[[], T], seconds: float = 40.0) -> T:
    """Look until there is something; fail with `what` when the time is over."""
    until = time.monotonic() + seconds
    pause = 0.01
    while not (found := look()):
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come about within {seconds:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found

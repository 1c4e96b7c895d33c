"""The API for tests: an application is built once for its settings, and started anew for each test.

To build it takes most of a second, for the hundreds of signatures it reads; to start it, next to nothing.
What it holds while it runs is made as it starts, so nothing of one test is left for the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.testing import AsyncTestClient

from parking_cloud.app import create_app
from parking_cloud.kernel.clock import Clock, SystemClock
from parking_cloud.kernel.settings import Settings

_idle: dict[Settings, list[Litestar]] = {}
"""Those that no test runs at the moment: two at a time are two processes' worth."""


@asynccontextmanager
async def client_of(settings: Settings, clock: Clock | None = None) -> AsyncIterator[AsyncTestClient[Any]]:
    """A client of a running API with these settings, whose time is the clock's."""
    idle = _idle.setdefault(settings, [])
    app = idle.pop() if idle else create_app(settings)
    for name in list(app.state):
        if name != "settings":
            del app.state[name]
    app.state.clock = clock or SystemClock()
    async with AsyncTestClient(app) as client:
        yield client
    idle.append(app)

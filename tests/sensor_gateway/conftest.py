"""The gateway has no database, so its tests need none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from parking_cloud.devstack import Stack


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[Redis]:
    """An emptied Redis."""
    client = Redis.from_url(stack.redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def own_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A Redis of this test's own, to be killed; it writes to disk before it answers, as in production."""
    with _only("REDIS", tmp_path, monkeypatch) as stack:
        yield stack


@pytest.fixture
def own_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A Mosquitto of this test's own, to be killed."""
    with _only("MQTT", tmp_path, monkeypatch) as stack:
        yield stack


@contextlib.contextmanager
def _only(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in {"DATABASE", "REDIS", "MQTT"} - {server}:
        monkeypatch.setenv(f"PARKING_{name}_URL", "not used")
    monkeypatch.delenv(f"PARKING_{server}_URL", raising=False)
    stack = Stack(folder / "servers", progress=lambda _: None)
    stack.start()
    try:
        yield stack
    finally:
        stack.remove()

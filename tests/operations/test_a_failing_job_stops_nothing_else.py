"""A job that fails is counted and tried again at its next run; a lost connection is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from parking_cloud import worker
from parking_cloud.kernel.settings import Settings
from parking_cloud.worker import Worker, passes

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]


class Job:
    """Does one deed after another, one a run; the last of them from then on."""

    def __init__(self, *deeds: Any) -> None:
        self._deeds = list(deeds)
        self.runs = 0
        self.ran_on = asyncio.Event()

    async def __call__(self, session: AsyncSession, now: datetime) -> None:
        self.runs += 1
        deed = self._deeds.pop(0) if len(self._deeds) > 1 else self._deeds[0]
        if isinstance(deed, Exception):
            raise deed
        await session.execute(text(deed))
        self.ran_on.set()


@asynccontextmanager
async def working(
    settings: Settings, sessions: Sessions, redis: Redis, monkeypatch: pytest.MonkeyPatch, **jobs: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that has only these jobs (name → (seconds between runs, job))."""
    monkeypatch.setattr(worker, "JOBS", [(name, every_s, job) for name, (every_s, job) in jobs.items()])
    task = asyncio.create_task(Worker(settings, sessions, redis, "tested").run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def failures(job: str) -> float:
    return REGISTRY.get_sample_value("parking_job_failures_total", {"job": job}) or 0.0


@pytest.mark.parametrize(
    "failing", [ValueError("a mistake"), "select * from no_such_table", "select 1 / 0"], ids=str
)
async def test_a_mistake_is_counted_and_the_next_run_comes(
    settings: Settings,
    sessions: Sessions,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    failing: Exception | str,
) -> None:
    bad, good = Job(failing, "select 1"), Job("select 1")
    before = failures("bad")
    with capture_logs() as told:
        async with working(
            settings, sessions, redis, monkeypatch, bad=(0.01, bad), good=(0.01, good)
        ) as task:
            await asyncio.wait_for(bad.ran_on.wait(), 10)
            await asyncio.wait_for(good.ran_on.wait(), 10)
            assert not task.done()
    assert failures("bad") == before + 1
    (entry,) = [entry for entry in told if entry["log_level"] == "error"]
    assert (entry["job"], entry["exc_info"]) == ("bad", True)


async def test_a_lost_connection_is_waited_for_not_counted(
    settings: Settings, sessions: Sessions, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run would be an hour away: the job is tried again at once, until it goes well."""
    cut = Job("select pg_terminate_backend(pg_backend_pid())", "select 1")
    before = failures("cut")
    async with working(settings, sessions, redis, monkeypatch, cut=(3600, cut)):
        await asyncio.wait_for(cut.ran_on.wait(), 10)
    assert (cut.runs, failures("cut")) == (2, before)


def wrapped(kind: type[DBAPIError], cause: Exception) -> DBAPIError:
    return kind("select", {}, cause)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (wrapped(OperationalError, psycopg.OperationalError("connection refused")), True),
        (wrapped(OperationalError, psycopg.errors.CannotConnectNow()), True),
        (wrapped(OperationalError, psycopg.errors.DeadlockDetected()), True),
        (ConnectionResetError(), True),
        (wrapped(OperationalError, psycopg.errors.OutOfMemory()), False),
        (wrapped(ProgrammingError, psycopg.errors.UndefinedTable()), False),
        (wrapped(DBAPIError, psycopg.errors.DivisionByZero()), False),
        (KeyError("x"), False),
    ],
    ids=lambda value: type(getattr(value, "orig", value)).__name__,
)
def test_what_passes_is_what_the_same_again_may_mend(error: Exception, passing: bool) -> None:
    assert passes(error) == passing

"""Polls the sources, each in its own task, and hands on what is new."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import httpx
import structlog

from sensor_gateway.pipeline import Refused, Statement
from sensor_gateway.pull.fetch import Failed, Fetched, Validators, fetch
from sensor_gateway.pull.health import (
    FETCHES,
    NOT_TAKEN,
    PROBLEMS,
    ROWS,
    Outcome,
    SourceHealth,
    Tally,
    health,
    show_age,
)
from sensor_gateway.pull.mapping import Source
from sensor_gateway.pull.read import RowProblem, Unreadable, read

_SOONEST_S = 1.0
_LONGEST_WAIT_S = 86_400.0
"""A Retry-After beyond a day is taken for a mistake."""
_TOLD = 3
"""Row problems of an answer that the log shows."""

Take = Callable[[str, list[Statement]], Awaitable[Sequence[Refused]]]
"""Stores a source's statements and says why some were not taken; when it raises, they come again."""
Sleep = Callable[[float], Awaitable[object]]

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Poller:
    """All sources. `client`, the clock, the sleep and the chance are the caller's to replace."""

    def __init__(
        self,
        sources: Sequence[Source],
        take: Take,
        *,
        client: httpx.AsyncClient | None = None,
        now: Callable[[], datetime] = utc_now,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._now = now
        self._sleep = sleep
        self._sources = [_SourcePoller(source, take, now, chance) for source in sources]

    async def run(self) -> None:
        """Poll until cancelled; without sources it ends at once. An injected client is left open."""
        if self._client is not None:
            await self._run(self._client)
            return
        # Proxies and passwords from the environment are not meant for these sources.
        async with httpx.AsyncClient(trust_env=False) as client:
            await self._run(client)

    async def _run(self, client: httpx.AsyncClient) -> None:
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._keep_polling(source, client))

    async def _keep_polling(self, source: _SourcePoller, client: httpx.AsyncClient) -> None:
        while True:
            await self._sleep(await source.poll(client))

    def health(self) -> list[SourceHealth]:
        """How each source is now."""
        now = self._now()
        return [health(source.source, source.tally, now) for source in self._sources]


class _SourcePoller:
    """One source: what it last said, and how it has been doing."""

    def __init__(
        self, source: Source, take: Take, now: Callable[[], datetime], chance: Callable[[], float]
    ) -> None:
        self.source = source
        self.tally = Tally()
        self._take = take
        self._now = now
        self._chance = chance
        self._validators = Validators()
        self._last_said: frozenset[Statement] = frozenset()
        self._problems: list[RowProblem] = []
        self._refusals: Counter[str] = Counter()
        show_age(source, self.tally, now)

    async def poll(self, client: httpx.AsyncClient) -> float:
        """Fetch once and hand on what is new. The pause in seconds until the next time."""
        try:
            fetched = await fetch(client, self.source, self._validators, self._now())
            if fetched is not None:
                await self._hand_on(fetched)
        except Failed as failure:
            return self._failed(failure)
        except Exception as error:  # a fault of ours with one source must not end the others
            log.exception("a poll ended in a fault", source=self.source.name)
            return self._failed(Failed("fault", repr(error)))
        return self._succeeded("unchanged" if fetched is None else "new")

    async def _hand_on(self, fetched: Fetched) -> None:
        """Only once all is taken do we tell the source that we have it."""
        try:
            # In a thread: megabytes take a while, and the gateway's other senders share this loop.
            statements, problems = await asyncio.to_thread(read, fetched.body, fetched.headers, self.source)
        except Unreadable as error:
            raise Failed("unreadable", str(error)) from error
        self._tell(problems)
        said = dict.fromkeys(statements)
        new = [statement for statement in said if statement not in self._last_said]
        try:
            refused = await self._take(self.source.name, new) if new else []
        except Exception as error:  # whatever it is: not stored is not stored
            raise Failed("not-taken", f"its statements could not be stored: {error!r}") from error
        self._last_said = frozenset(said)
        self._validators = fetched.validators
        self._tell_refused(refused)
        self._count(statements, problems, sent=len(new) - len(refused))
        self.tally.not_taken += len(refused)
        for one in refused:
            NOT_TAKEN.labels(self.source.name, one.reason).inc()

    def _count(self, statements: list[Statement], problems: list[RowProblem], *, sent: int) -> None:
        now = self._now()
        for statement in statements:
            self.tally.observed(statement.observed_at, now)
        self.tally.rows += len(statements)
        self.tally.sent += sent
        self.tally.problems += len(problems)
        ROWS.labels(self.source.name).inc(len(statements))
        PROBLEMS.labels(self.source.name).inc(len(problems))

    def _tell(self, problems: list[RowProblem]) -> None:
        """Log row problems, though not the same ones with every poll."""
        if problems and problems != self._problems:
            shown = [f"{problem.number}: {problem.reason}" for problem in problems[:_TOLD]]
            log.warning(
                "records cannot be read", source=self.source.name, problems=len(problems), first=shown
            )
        self._problems = problems

    def _tell_refused(self, refused: Sequence[Refused]) -> None:
        """Log what was not taken, though not the same with every poll."""
        reasons = Counter(str(one.reason) for one in refused)
        if reasons and reasons.keys() - self._refusals.keys():
            first = [one.detail for one in refused[:_TOLD]]
            log.warning("statements are not taken", source=self.source.name, reasons=reasons, first=first)
        self._refusals |= reasons

    def _succeeded(self, outcome: Outcome) -> float:
        if self.tally.failures:
            log.info("a source is back", source=self.source.name, failures=self.tally.failures)
        self.tally.succeeded(outcome, self._now())
        FETCHES.labels(self.source.name, outcome).inc()
        return self.source.every_s

    def _failed(self, failure: Failed) -> float:
        if failure.reason != self.tally.reason:
            log.warning(
                "a source cannot be had",
                source=self.source.name,
                outcome=failure.outcome,
                reason=failure.reason,
            )
        self.tally.failed(failure.outcome, failure.reason, self._now())
        FETCHES.labels(self.source.name, failure.outcome).inc()
        return max(self._pause_s(failure.outcome), min(failure.retry_after_s, _LONGEST_WAIT_S))

    def _pause_s(self, outcome: Outcome) -> float:
        """Exponential backoff with full jitter: anything up to a limit that doubles, so that many gateways
        do not all come back to a recovering source at once."""
        if outcome == "refused":
            return self.source.slowest_s
        limit = min(self.source.slowest_s, self.source.every_s * 2.0 ** min(self.tally.failures, 20))
        return max(_SOONEST_S, self._chance() * limit)

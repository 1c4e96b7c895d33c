"""The desk: takes what is due from the tables and has its errands done, some at once, until it is told to
stop.

A job is taken with a lease in one short transaction: a crash at any later step only delays it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter
from sqlalchemy import TextClause, text

from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.payments import rules
from parking_cloud.payments.errands import Errands, NewsJob, PaymentJob, RefundJob, Sessions, StayJob
from parking_cloud.payments.provider import Provider

AT_ONCE = 20
_PAUSE_S = 0.25
_AFTER_TROUBLE_S = 1.0

FAILED = Counter("parking_payment_jobs_failed", "Jobs of the payment desk that ended in an error", ["job"])

log = structlog.get_logger(__name__)

_DUE = "select {key} from {table} where {at} <= :now{more} order by {at} limit :most for update skip locked"
_TAKE_STAYS = text(
    f"with due as ({_DUE.format(key='stay_id', table='stay_to_assess', at='try_again_at', more='')})"
    " update stay_to_assess t set try_again_at = :leased, attempts = t.attempts + 1"
    " from due where t.stay_id = due.stay_id returning t.stay_id, t.attempts, t.try_again_at"
)
_TAKE_PAYMENTS = text(
    f"with due as ({_DUE.format(key='id, first_asked_at', table='payment', at='look_again_at', more='')})"
    " update payment p set look_again_at = :leased, attempts = p.attempts + 1,"
    "  first_asked_at = coalesce(p.first_asked_at, :now)"
    " from due where p.id = due.id"
    " returning p.id, p.provider, p.provider_id, p.state, p.amount, p.method, p.saved_method, p.return_url,"
    "  p.attempts, p.created_at, due.first_asked_at,"
    "  case when p.state = 'cancelled' then p.changed_at end"
)
_TAKE_REFUNDS = text(
    f"with due as ({_DUE.format(key='id', table='refund', at='try_again_at', more='')})"
    " update refund r set state = 'sent', try_again_at = :leased, attempts = r.attempts + 1"
    " from due, payment p where r.id = due.id and p.id = r.payment_id"
    " returning r.id, p.provider, p.provider_id, r.provider_id, r.amount, r.attempts, r.refusals,"
    "  r.created_at"
)
_NEWS_OF_SAVINGS = " and concerns <> 'saving'"
_TAKE_NEWS = text(
    "with due as ("
    + _DUE.format(key="provider, event_id", table="provider_news", at="look_again_at", more=_NEWS_OF_SAVINGS)
    + ") update provider_news n set look_again_at = :leased, attempts = n.attempts + 1"
    " from due where n.provider = due.provider and n.event_id = due.event_id"
    " returning n.provider, n.event_id, n.concerns, n.reference, n.attempts"
)


class _Line(NamedTuple):
    """One kind of job: how it is taken, and what is done."""

    name: str
    take: TextClause
    shape: Callable[..., Any]
    do: Callable[[Any], Awaitable[None]]


class Desk:
    """One desk; several may work side by side."""

    def __init__(
        self, sessions: Sessions, providers: Mapping[str, Provider], clock: Clock, at_once: int = AT_ONCE
    ) -> None:
        """`at_once`: so many jobs of each kind side by side."""
        self._at_once = at_once
        self._sessions = sessions
        self._clock = clock
        errands = Errands(sessions, providers, clock)
        self._lines = [
            _Line("news", _TAKE_NEWS, NewsJob, errands.hear),
            _Line("stays", _TAKE_STAYS, StayJob, errands.assess),
            _Line("payments", _TAKE_PAYMENTS, PaymentJob, errands.see_to_payment),
            _Line("refunds", _TAKE_REFUNDS, RefundJob, errands.see_to_refund),
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(self._work(line))

    async def turn(self) -> int:
        """Do what is due now, each kind of job once; how many jobs that were."""
        done = 0
        for line in self._lines:
            jobs = await self._take(line, self._at_once)
            await asyncio.gather(*(self._safely(line, job) for job in jobs))
            done += len(jobs)
        return done

    async def _work(self, line: _Line) -> None:
        """Take new jobs as others end: one slow answer holds up no other job."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    jobs = await self._take(line, self._at_once - len(running))
                except Exception:
                    log.exception("jobs of the payment desk could not be taken", job=line.name)
                    await asyncio.sleep(_AFTER_TROUBLE_S)
                    continue
                running |= {asyncio.create_task(self._safely(line, job)) for job in jobs}
                if running:
                    first = asyncio.FIRST_COMPLETED
                    _, running = await asyncio.wait(running, timeout=_PAUSE_S, return_when=first)
                else:
                    await asyncio.sleep(_PAUSE_S)
        finally:
            for task in running:
                task.cancel()

    async def _take(self, line: _Line, most: int) -> list[Any]:
        if most <= 0:
            return []
        now = self._clock.now()
        leased: datetime = now + rules.LEASE
        async with transaction(self._sessions) as session:
            rows = await session.execute(line.take, {"now": now, "leased": leased, "most": most})
            return [line.shape(*row) for row in rows]

    async def _safely(self, line: _Line, job: Any) -> None:
        """One that fails is told, and taken up again after its lease: all else goes on."""
        try:
            await line.do(job)
        except Exception:
            FAILED.labels(line.name).inc()
            log.exception("a job of the payment desk failed", job=line.name)

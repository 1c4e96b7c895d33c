"""How each source is: a tally that the poller keeps, a pure verdict on it, and metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from prometheus_client import Counter, Gauge

from sensor_gateway.pull.mapping import Source

State = Literal["starting", "ok", "late", "failing", "refused"]
"""`starting`: not asked yet. `late`: it answers, but with nothing recent. `refused`: it answers 4xx or sends
us elsewhere, which will not mend itself."""

Outcome = Literal["new", "unchanged", "failed", "refused", "unreadable", "not-taken", "fault"]
"""Of a fetch. `unreadable`: not of the declared format. `not-taken`: ours to store, and we could not."""

_LATE_AFTER = 3
"""Late is what is older than so many polls' time."""
_MOST_AHEAD = timedelta(minutes=5)
"""What is dated further ahead is a wrong clock, and must not pass for recent for ever."""

FETCHES = Counter("gateway_pull_fetches", "Fetches of polled sources", ["source", "outcome"])
ROWS = Counter("gateway_pull_rows", "Records that became statements, sent or not", ["source"])
PROBLEMS = Counter("gateway_pull_problems", "Records that could not be read", ["source"])
NOT_TAKEN = Counter(
    "gateway_pull_not_taken", "Statements that were refused, such as of unknown devices", ["source", "reason"]
)
AGE = Gauge("gateway_pull_newest_age_seconds", "Age of the newest observation; NaN: none yet", ["source"])


class Tally(msgspec.Struct):
    """What has happened with one source since the start."""

    fetches: dict[Outcome, int] = {}
    rows: int = 0
    sent: int = 0
    problems: int = 0
    not_taken: int = 0
    """Statements that were refused: of devices that are not registered or not this source's, or absurd."""
    newest: datetime | None = None
    first_success: datetime | None = None
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = None
    last: Outcome | None = None
    reason: str = ""

    def succeeded(self, outcome: Outcome, now: datetime) -> None:
        """The source answered as it should."""
        self._count(outcome)
        self.first_success = self.first_success or now
        self.failures, self.failing_since, self.reason = 0, None, ""

    def failed(self, outcome: Outcome, reason: str, now: datetime) -> None:
        """The source did not answer as it should, or its answer could not be stored."""
        self._count(outcome)
        self.failures += 1
        self.failing_since = self.failing_since or now
        self.reason = reason

    def observed(self, observed_at: datetime, now: datetime) -> None:
        """An observation of this time has been taken."""
        if observed_at <= now + _MOST_AHEAD and (self.newest is None or observed_at > self.newest):
            self.newest = observed_at

    def age_s(self, now: datetime) -> float:
        """Of the newest observation; NaN where there is none."""
        return (now - self.newest).total_seconds() if self.newest else math.nan

    def _count(self, outcome: Outcome) -> None:
        self.last = outcome
        self.fetches[outcome] = self.fetches.get(outcome, 0) + 1


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One source's state. `since`: when it began to fail or became late."""

    source: str
    state: State
    since: datetime | None
    reason: str
    consecutive_failures: int
    newest: datetime | None
    fetches: dict[Outcome, int]
    rows: int
    sent: int
    problems: int
    not_taken: int


def health(source: Source, tally: Tally, now: datetime) -> SourceHealth:
    """The verdict on a tally. A source that has never said anything is late from its first answer on."""
    state: State = "ok"
    since = None
    reason = tally.reason
    if tally.last is None:
        state = "starting"
    elif tally.failures:
        state, since = ("refused" if tally.last == "refused" else "failing"), tally.failing_since
    else:
        patience = timedelta(seconds=_LATE_AFTER * source.every_s)
        recent = tally.newest or tally.first_success or now
        if now - recent > patience:
            state, since = "late", recent + patience
            reason = f"nothing newer than {recent.isoformat()}"
    return SourceHealth(
        source=source.name,
        state=state,
        since=since,
        reason=reason,
        consecutive_failures=tally.failures,
        newest=tally.newest,
        fetches=dict(tally.fetches),
        rows=tally.rows,
        sent=tally.sent,
        problems=tally.problems,
        not_taken=tally.not_taken,
    )


def show_age(source: Source, tally: Tally, now: Callable[[], datetime]) -> None:
    """Have the age computed whenever metrics are asked for."""
    AGE.labels(source.name).set_function(lambda: tally.age_s(now()))

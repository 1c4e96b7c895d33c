"""A source is starting, ok, late, failing or refused, and the tally says since when and why."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from sensor_gateway.pull.health import Tally, health
from sensor_gateway.pull.mapping import Fields, JsonSource

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOURCE = JsonSource(
    name="garage", url="http://garage/", every_s=60, fields=Fields(device_id="id", observed_at="at", free="f")
)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_before_the_first_answer_nothing_is_claimed() -> None:
    assert health(SOURCE, Tally(), NOW).state == "starting"
    assert math.isnan(Tally().age_s(NOW))


def test_it_is_ok_until_the_newest_is_older_than_three_polls() -> None:
    tally = Tally()
    tally.succeeded("new", NOW)
    tally.observed(NOW, NOW)
    assert health(SOURCE, tally, NOW + seconds(180)).state == "ok"
    tally.succeeded("unchanged", NOW + seconds(180))
    late = health(SOURCE, tally, NOW + seconds(181))
    assert (late.state, late.since) == ("late", NOW + seconds(180))
    assert late.reason == "nothing newer than 2026-11-20T12:00:00+00:00"
    tally.observed(NOW + seconds(170), NOW + seconds(182))
    assert health(SOURCE, tally, NOW + seconds(182)).state == "ok"


def test_a_source_that_never_says_anything_becomes_late() -> None:
    tally = Tally()
    tally.succeeded("new", NOW)
    assert health(SOURCE, tally, NOW + seconds(180)).state == "ok"
    assert health(SOURCE, tally, NOW + seconds(181)).state == "late"


def test_a_wrong_clock_does_not_pass_for_recent() -> None:
    tally = Tally()
    tally.observed(NOW + timedelta(days=300), NOW)
    assert tally.newest is None
    tally.observed(NOW + timedelta(minutes=4), NOW)
    tally.observed(NOW, NOW)
    assert tally.newest == NOW + timedelta(minutes=4)


def test_failures_are_counted_from_the_first_and_forgotten_with_a_success() -> None:
    tally = Tally()
    tally.succeeded("new", NOW)
    tally.failed("failed", "it answered 500", NOW + seconds(60))
    tally.failed("unreadable", "The body is not JSON.", NOW + seconds(120))
    failing = health(SOURCE, tally, NOW + seconds(130))
    assert (failing.state, failing.since, failing.consecutive_failures, failing.reason) == (
        "failing",
        NOW + seconds(60),
        2,
        "The body is not JSON.",
    )
    tally.succeeded("new", NOW + seconds(180))
    assert health(SOURCE, tally, NOW + seconds(180)).consecutive_failures == 0
    assert tally.fetches == {"new": 2, "failed": 1, "unreadable": 1}


@pytest.mark.parametrize(("last", "state"), [("refused", "refused"), ("failed", "failing")])
def test_the_last_failure_decides_between_failing_and_refused(last: str, state: str) -> None:
    tally = Tally()
    tally.failed("failed", "it answered 500", NOW)
    tally.failed("refused" if last == "refused" else "failed", "again", NOW + seconds(60))
    verdict = health(SOURCE, tally, NOW + seconds(61))
    assert (verdict.state, verdict.since, verdict.reason) == (state, NOW, "again")

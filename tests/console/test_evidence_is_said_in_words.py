"""Every fault's evidence can be said in words, in both languages, from the numbers that were kept of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from parking_cloud.console.evidence_words import battery_line, in_words, pause
from parking_cloud.console.health_texts import HEALTH_TEXTS
from parking_cloud.operations.rules import (
    BatteryLow,
    BatteryReported,
    Condition,
    CounterDrifted,
    Drifted,
    Evidence,
    Flapping,
    Silent,
    Stuck,
)
from tests.factories import NOON

FALLING = {str(date(2026, 11, day)): 3.0 - 0.01 * day for day in range(10, 20)}
BATTERY = BatteryLow(
    volts=2.81,
    measured_at=NOON,
    percent=18.4,
    full_v=3.6,
    empty_v=2.6,
    lowest_by_day=FALLING,
    slope_v_per_day=-0.01,
    empty_on=date(2026, 12, 9),
)
CASES: list[tuple[Condition, Evidence, str, str]] = [
    (
        Condition.SILENT,
        Silent(NOON, NOON - timedelta(days=9), 86_400, 3),
        "最近一次上报：2026-11-20 12:00；应每 24 小时上报一次，已漏 3 次",
        "Last heard 2026-11-20 12:00; due every 24 h, missed 3 times",
    ),
    (
        Condition.SILENT,
        Silent(None, NOON, 3600, 4),
        "最近一次上报：从未；应每 60 分钟上报一次，已漏 4 次",
        "Last heard never; due every 60 min, missed 4 times",
    ),
    (
        Condition.STUCK,
        Stuck(True, NOON, NOON, "zone", 9, 7, 61),
        "自 2026-11-20 12:00 起一直为“占用”；周边 9 个泊位中 7 个 24 小时内共变化 61 次",
        "Says “occupied” since 2026-11-20 12:00; of 9 spaces around, 7 changed, 61 times in 24 h",
    ),
    (
        Condition.FLAPPING,
        Flapping(14, NOON, NOON + timedelta(minutes=50)),
        "2026-11-20 12:00 至 2026-11-20 12:50 一小时内变化 14 次",
        "14 changes within an hour, 2026-11-20 12:00 to 2026-11-20 12:50",
    ),
    (
        Condition.BATTERY_LOW,
        BATTERY,
        "2.81 V（18%），每天下降 10.0 mV，预计 2026-12-09 耗尽",
        "2.81 V (18 %), falling 10.0 mV a day, empty about 2026-12-09",
    ),
    (
        Condition.BATTERY_LOW,
        BatteryReported(NOON),
        "设备自报电量低（2026-11-20 12:00）",
        "The device says itself that its battery is low (2026-11-20 12:00)",
    ),
    (
        Condition.DRIFTED,
        Drifted(20, 5, 0.25, 0.112),
        "最近 20 次人工核对中 5 次不符（至少 11%）",
        "Of the last 20 findings 5 disagree (at least 11 %)",
    ),
    (
        Condition.DRIFTED,
        CounterDrifted(-8, 5, 100),
        "推算比清点少 8 辆（限 5 辆，容量 100）",
        "Derived 8 vehicles too few (limit 5, capacity 100)",
    ),
]


def kept(evidence: Evidence) -> dict[str, Any]:
    """As it comes back from the table."""
    return dict(msgspec.json.decode(msgspec.json.encode(evidence)))


@pytest.mark.parametrize(("condition", "evidence", "chinese", "english"), CASES)
def test_evidence_is_said_in_words(
    condition: Condition, evidence: Evidence, chinese: str, english: str
) -> None:
    assert in_words(condition, kept(evidence), HEALTH_TEXTS["zh-CN"]) == chinese
    assert in_words(condition, kept(evidence), HEALTH_TEXTS["en"]) == english


def test_a_battery_is_drawn_between_empty_and_full() -> None:
    points = [tuple(map(float, p.split(","))) for p in battery_line(kept(BATTERY)).split()]
    assert [points[0][0], points[-1][0]] == [0, 100]
    heights = [y for _, y in points]
    assert heights == sorted(heights)  # falling volts go down the page
    assert all(0 <= y <= 24 for y in heights)
    assert battery_line(kept(BatteryReported(NOON))) == ""


@pytest.mark.parametrize(("seconds", "said"), [(None, "—"), (90, "90 s"), (600, "10 min"), (86_400, "24 h")])
def test_pauses_are_said_in_the_unit_that_reads_best(seconds: float | None, said: str) -> None:
    assert pause(HEALTH_TEXTS["en"], seconds) == said

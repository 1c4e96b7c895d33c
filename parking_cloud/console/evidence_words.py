"""A fault's evidence in words, and its battery's days as a line: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from parking_cloud.kernel.clock import city_time
from parking_cloud.operations.rules import Condition

Texts = Mapping[str, str]


def in_words(condition: Condition, evidence: Mapping[str, Any], t: Texts) -> str:
    """What a fault was judged by, as people say it. `evidence` as in operations' `FaultOut`."""
    if condition is Condition.SILENT:
        every = pause(t, evidence["keep_alive_s"])
        return t["silent_words"].format(
            at=moment(t, evidence["last_heard"]), every=every, n=evidence["missed"]
        )
    if condition is Condition.STUCK:
        said = t["occupied" if evidence["occupied"] else "free"]
        return t["stuck_words"].format(
            at=moment(t, evidence["unchanged_since"]),
            said=said,
            heard=evidence["neighbours_heard"],
            busy=evidence["neighbours_busy"],
            n=evidence["neighbours_changes"],
        )
    if condition is Condition.FLAPPING:
        return t["flapping_words"].format(
            at=moment(t, evidence["first_at"]), until=moment(t, evidence["last_at"]), n=evidence["changes"]
        )
    return _battery(evidence, t) if condition is Condition.BATTERY_LOW else _drift(evidence, t)


def _battery(evidence: Mapping[str, Any], t: Texts) -> str:
    reported = evidence.get("reported_low_at")
    told = t["battery_reported"].format(at=moment(t, reported)) if reported else ""
    if "volts" not in evidence:
        return told
    words = t["battery_words"].format(volts=evidence["volts"], percent=round(evidence["percent"]))
    slope = evidence["slope_v_per_day"]
    if slope is not None and slope < 0:
        words += t["battery_falls"].format(n=round(-1000 * slope, 1))
    if evidence["empty_on"]:
        words += t["battery_empty"].format(n=evidence["empty_on"])
    return "; ".join(filter(None, (words, told)))


def _drift(evidence: Mapping[str, Any], t: Texts) -> str:
    if "findings" in evidence:
        least = round(100 * evidence["share_at_least"])
        return t["drifted_words"].format(total=evidence["findings"], n=evidence["disagreed"], least=least)
    return t["counter_words"].format(
        side=t["more" if evidence["vehicles"] > 0 else "fewer"],
        n=abs(round(evidence["vehicles"])),
        limit=round(evidence["limit"]),
        capacity=evidence["capacity"],
    )


def battery_line(evidence: Mapping[str, Any]) -> str:
    """The lowest voltages by day as the points of an SVG polyline in a box of 100 by 24; empty: too few."""
    by_day = sorted(evidence.get("lowest_by_day", {}).items())
    if len(by_day) < 2:
        return ""
    volts = [v for _, v in by_day]
    low, high = min([*volts, evidence["empty_v"]]), max([*volts, evidence["full_v"]])
    step = 100 / (len(volts) - 1)
    return " ".join(
        f"{n * step:.1f},{24 - 22 * (v - low) / ((high - low) or 1) - 1:.1f}" for n, v in enumerate(volts)
    )


def moment(t: Texts, at: datetime | str | None) -> str:
    """A time in the city, to the minute."""
    if at is None:
        return t["never"]
    return city_time(datetime.fromisoformat(at) if isinstance(at, str) else at).strftime("%Y-%m-%d %H:%M")


def pause(t: Texts, seconds: float | None) -> str:
    """A length of time in the unit that reads best."""
    if seconds is None:
        return "—"
    for least, unit, length in ((7200, "hours", 3600), (120, "minutes", 60)):
        if seconds >= least:
            return t[unit].format(n=round(seconds / length))
    return t["seconds"].format(n=round(seconds))

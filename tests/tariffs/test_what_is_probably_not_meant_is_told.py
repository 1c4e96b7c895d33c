"""Before a tariff is used: faults that keep it from being used, and warnings that do not."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest

from parking_cloud.demo.tariffs import examples
from parking_cloud.kernel.calendar import DayKind, UnknownHolidayYear, day_kind
from parking_cloud.tariffs.checking import check, day_of
from parking_cloud.tariffs.schemas import Checked, CheckIn
from parking_cloud.tariffs.validity import read

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BY_DAY = {"start": "08:00", "end": "20:00", "rate": "stay"}
MAY_DAY = "2026-05-01"
LONG_ROW = {"until": 2880, "total": 9000}
AT_NIGHT = {"start": "23:00", "end": "01:00", "rate": "stay"}
NAME = {"zh": "名", "en": "name"}
HOURLY = {"kind": "steps", "name": NAME, "steps": [{"unit": 60, "amount": 300}]}


def tariff(**changed: Any) -> dict[str, Any]:
    """So much an hour, with what is changed."""
    plain = {
        "rates": {"stay": copy.deepcopy(HOURLY)},
        "schedules": [{"hours": [{"rate": "stay"}]}],
        "classes": {"exempt": {"percent": 0}},
    }
    return plain | changed


def checked(data: dict[str, Any], now: datetime = NOW, **asked: Any) -> Checked:
    return check(CheckIn(data=data, **asked), now)


def codes(data: dict[str, Any], now: datetime = NOW) -> set[str]:
    found = checked(data, now)
    assert found.faults == []
    return {warning.code for warning in found.warnings}


def stay(**rate: Any) -> dict[str, Any]:
    return {"stay": {"name": NAME, **rate}}


def event(start: int, end: int) -> dict[str, Any]:
    return {
        "name": NAME,
        "start": f"{MAY_DAY}T{start}:00:00",
        "end": f"{MAY_DAY}T{end}:00:00",
        "amount": 1,
    }


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        (
            {"rates": stay(kind="table", rows=[{"until": 60, "total": 500}, {"until": 120, "total": 400}])},
            "rates.stay.rows[1]",
        ),
        (
            {"rates": stay(kind="table", rows=[{"until": 60, "total": 5}, {"until": 60, "total": 6}])},
            "rates.stay.rows[1]",
        ),
        (
            {
                "rates": stay(
                    kind="table",
                    rows=[{"until": 60, "total": 5}],
                    then={"unit": 60, "amount": 1, "until": 90},
                )
            },
            "rates.stay.then",
        ),
        (
            {"rates": stay(kind="steps", steps=[{"unit": 60, "amount": 1, "until": 90}])},
            "rates.stay.steps[0]",
        ),
        (
            {"rates": stay(kind="steps", steps=[{"unit": 60, "amount": 1}, {"unit": 60, "amount": 2}])},
            "rates.stay.steps[0]",
        ),
        ({"tail_minutes": 60}, "rates.stay.steps[0]"),
        ({"schedules": [{"hours": [{"rate": "other"}]}]}, "schedules[0].hours[0]"),
        (
            {"schedules": [{"hours": [{"rate": "stay"}, AT_NIGHT]}]},
            "schedules[0].hours[1]",
        ),
        (
            {
                "schedules": [
                    {"hours": [{"rate": "stay"}], "seasons": [{"first": "02-31", "last": "03-01"}]},
                ]
            },
            "schedules[0].seasons[0]",
        ),
        (
            {
                "schedules": [
                    {"hours": [{"rate": "stay"}], "dates": [{"first": "2026-05-02", "last": "2026-05-01"}]},
                ]
            },
            "schedules[0].dates[0]",
        ),
        ({"free": {"minutes": 30, "again": True}}, "free"),
        ({"classes": {"large": {"rates": {"stay": "other"}}}}, "classes.large.rates"),
        ({"permits": {"staff": {"free": {"minutes": 30, "again": True}}}}, "permits.staff.free"),
        (
            {"events": [event(10, 10)]},
            "events[0]",
        ),
        ({"rates": stay(kind="steps", steps=[{"unit": 60, "amount": -1}])}, ""),
        ({"unheard_of": 1}, ""),
    ],
)
def test_what_cannot_be_priced_is_refused_with_its_place(changed: dict[str, Any], where: str) -> None:
    taken, found = read(tariff(**changed))
    assert taken is None
    assert [fault.where for fault in found][:1] == [where]
    assert all(fault.zh and fault.en for fault in found)
    assert checked(tariff(**changed)).points == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"schedules": [{"hours": [BY_DAY]}]}, "gap_hours"),
        ({"schedules": [{"hours": [{"rate": "stay"}], "days": ["workday"]}]}, "gap_days"),
        ({"rates": {"stay": HOURLY, "never": HOURLY}}, "unused_rate"),
        ({"caps": [{"per": "24h", "amount": 7201}]}, "cap_never_reached"),
        (
            {"rates": {"stay": HOURLY | {"cap": 3601}}, "schedules": [{"hours": [BY_DAY]}]},
            "cap_never_reached",
        ),
        ({"rates": stay(kind="steps", steps=[{"unit": 60, "amount": 300, "until": 120}])}, "ends"),
        ({"rates": stay(kind="table", rows=[LONG_ROW])}, "ends"),
        ({"rates": stay(kind="per_time", amount=500)}, "no_dearer"),
        ({"classes": {}}, "exempt_pay"),
        (
            {"events": [event(10, 12)]},
            "over",
        ),
    ],
)
def test_what_is_odd_is_told(changed: dict[str, Any], code: str) -> None:
    assert code in codes(tariff(**changed))


def test_a_plain_tariff_has_nothing_odd() -> None:
    assert codes(tariff()) == set()
    assert codes(tariff(caps=[{"per": "24h", "amount": 7200}])) == set()


def test_a_minute_that_costs_much_more_than_others_is_a_jump() -> None:
    rows = [{"until": 60 * n, "total": 200 * n} for n in range(1, 8)]
    rates = stay(kind="table", rows=[*rows, LONG_ROW])
    found = checked(tariff(rates=rates))
    (jump,) = [w for w in found.warnings if w.code == "jump"]
    assert "¥76.00" in jump.reason["en"]
    assert "16:01" in jump.reason["en"]


def test_a_year_about_to_begin_whose_holidays_are_not_known_is_told() -> None:
    data = examples()["hangzhou-1"].data
    assert "holidays_unknown" not in codes(data, datetime(2026, 10, 1, tzinfo=UTC))
    assert "holidays_unknown" in codes(data, datetime(2026, 11, 25, tzinfo=UTC))
    assert "holidays_unknown" not in codes(examples()["huzhou-a"].data, datetime(2026, 11, 25, tzinfo=UTC))


@pytest.mark.parametrize("kind", list(DayKind))
def test_a_day_of_each_kind_is_found_at_the_end_of_the_known_years_too(kind: DayKind) -> None:
    for today in (date(2026, 6, 1), date(2026, 12, 31)):
        assert day_kind(day_of(kind, today)) is kind
    with pytest.raises(UnknownHolidayYear):
        day_of(kind, date(2040, 1, 1))


@pytest.mark.parametrize("code", list(examples()))
def test_the_demos_tariffs_are_described_whole_and_in_both_languages(code: str) -> None:
    found = checked(examples()[code].data)
    assert found.faults == []
    assert found.description
    said = [sentence[language] for sentence in found.description for language in ("zh-CN", "en")]
    assert all(said)
    assert not any("None" in sentence for sentence in said)
    amounts = [point.amount for point in found.points]
    assert amounts == sorted(amounts)
    assert found.points[-1].minutes == 2880

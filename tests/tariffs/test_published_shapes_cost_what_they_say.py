"""Every shape of tariff that was found published (law file, part 6), by hand-worked examples."""

from __future__ import annotations

import copy

import pytest

from parking_cloud.demo.tariffs import examples
from parking_cloud.tariffs.keeping import accepted
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.rules import Permit, price
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from tests.tariffs.parts import city, example, priced, yuan

WEDNESDAY = "2026-11-25 09:00"
HOUR = 60
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("minutes", "cost"),
    [
        (0, 0),
        (30, 0),
        (31, 5),
        (2 * HOUR, 5),
        (2 * HOUR + 15, 5),  # a tail of 15 minutes is not counted
        (2 * HOUR + 16, 10),
        (6 * HOUR, 10),
        (12 * HOUR, 15),
        (18 * HOUR, 20),
        (DAY, 25),
        (DAY + 15, 25),
        (DAY + 16, 30),
        (2 * DAY, 50),
        (DAY + 3 * HOUR, 35),
    ],
)
def test_huzhou_a_by_the_table_and_anew_after_a_day(minutes: int, cost: float) -> None:
    assert yuan(example("huzhou-a"), WEDNESDAY, minutes) == cost


@pytest.mark.parametrize(
    ("minutes", "cost"),
    [
        (30, 0),
        (31, 5),
        (2 * HOUR, 5),
        (3 * HOUR, 8),
        (4 * HOUR, 11),
        (5 * HOUR, 14),
        (6 * HOUR, 15),
        (10 * HOUR, 15),
        (10 * HOUR + 15, 15),
        (10 * HOUR + 16, 20),
        (DAY, 20),
        (DAY + HOUR, 23),
        (DAY + 6 * HOUR, 38),
        (DAY + 7 * HOUR, 40),
        (2 * DAY, 40),
        (3 * DAY, 60),
    ],
)
def test_huzhou_b_by_the_hour_with_two_limits(minutes: int, cost: float) -> None:
    assert yuan(example("huzhou-b"), WEDNESDAY, minutes) == cost


@pytest.mark.parametrize(
    ("code", "entered", "minutes", "cost"),
    [
        ("taizhou-1", "2026-11-25 08:00", 30, 0),
        ("taizhou-1", "2026-11-25 08:00", 31, 5),
        ("taizhou-1", "2026-11-25 08:00", 75, 5),
        ("taizhou-1", "2026-11-25 08:00", 76, 7),
        ("taizhou-1", "2026-11-25 08:00", 12 * HOUR, 20),
        ("taizhou-1", "2026-11-25 20:00", 12 * HOUR, 0),
        ("taizhou-1", "2026-11-25 19:00", 14 * HOUR, 10),  # an hour in the evening, an hour in the morning
        ("taizhou-2", "2026-11-25 08:00", 2 * HOUR, 4),
        ("taizhou-2", "2026-11-25 18:30", 5 * HOUR, 3),
        ("taizhou-2", "2026-11-25 08:00", 2 * DAY, 26),  # 3 + 10 × 1 each day: its cap of 15 is not reached
    ],
)
def test_taizhou_by_day_and_free_at_night(code: str, entered: str, minutes: int, cost: float) -> None:
    assert yuan(example(code), entered, minutes) == cost


@pytest.mark.parametrize(
    ("entered", "minutes", "cost"),
    [
        ("2026-11-25 08:00", 2 * HOUR, 0),
        ("2026-11-25 08:00", 2 * HOUR + 1, 1),
        ("2026-11-25 08:00", 3 * HOUR, 2),
        ("2026-11-25 08:00", 12 * HOUR, 20),
        ("2026-11-25 08:00", DAY, 20),
        ("2026-11-25 20:00", 4 * HOUR, 1),  # two hours free, then a unit of two hours at night
        ("2026-11-25 20:00", 12 * HOUR, 5),
        ("2026-11-25 08:00", 2 * DAY, 40),
    ],
)
def test_panan_does_not_count_its_free_hours(entered: str, minutes: int, cost: float) -> None:
    assert yuan(example("panan"), entered, minutes) == cost


@pytest.mark.parametrize(
    ("code", "hour", "three_hours"),
    [("hangzhou-core", 10, 34), ("hangzhou-1", 6, 22), ("hangzhou-2", 4, 16)],
)
def test_hangzhou_roads_by_area(code: str, hour: float, three_hours: float) -> None:
    plan = example(code)
    assert yuan(plan, WEDNESDAY, HOUR) == hour
    assert yuan(plan, WEDNESDAY, 3 * HOUR) == three_hours
    assert yuan(plan, WEDNESDAY, 3 * HOUR, VehicleClass.LARGE) == 2 * three_hours
    assert yuan(plan, "2026-11-25 20:00", 12 * HOUR) == 5  # a night, by the time
    assert yuan(plan, "2026-11-25 23:50", 20) == 5  # over midnight it is one night
    assert yuan(plan, "2026-02-17 09:00", 5 * HOUR) == 0  # Spring Festival
    assert yuan(plan, "2026-02-23 23:00", 2 * HOUR) == 5  # its last hour, and the first of the night after


def test_a_unit_begun_by_day_runs_on_into_the_night() -> None:
    plan = example("hangzhou-core")
    assert yuan(plan, "2026-11-25 19:45", 30) == 5
    assert yuan(plan, "2026-11-25 19:45", 31) == 10


@pytest.mark.parametrize(
    ("entered", "cost"),
    [
        ("2026-12-02 09:00", 15),  # a Wednesday out of season
        ("2026-11-11 09:00", 30),  # a Wednesday in season
        ("2026-12-05 09:00", 30),  # a Saturday
        ("2026-10-10 09:00", 30),  # a Saturday that is worked, in season
        ("2026-02-28 09:00", 15),  # a Saturday that is worked, out of season
        ("2026-10-01 09:00", 45),  # National Day
    ],
)
def test_a_scenic_area_by_season_and_kind_of_day(entered: str, cost: float) -> None:
    assert yuan(example("west-lake"), entered, 3 * HOUR) == cost


def test_new_energy_is_free_for_longer_and_has_half_the_cap() -> None:
    plan = example("new-energy-longer")
    green = VehicleClass.NEW_ENERGY
    assert [yuan(plan, WEDNESDAY, m) for m in (90, 91, 13 * HOUR)] == [0, 6, 30]
    assert [yuan(plan, WEDNESDAY, m, green) for m in (180, 181, 13 * HOUR)] == [0, 12, 15]
    assert yuan(plan, "2026-11-25 12:00", DAY, green) == 30  # two calendar days
    assert yuan(plan, WEDNESDAY, 91, VehicleClass.MOTORCYCLE) == 3
    jining = example("new-energy-two-hours")
    assert [yuan(jining, WEDNESDAY, 3 * HOUR, v) for v in (VehicleClass.SMALL, green)] == [6, 2]


def test_who_charges_is_free_at_first_and_pays_more_once_full() -> None:
    plan = example("charging-bay")
    assert yuan(plan, WEDNESDAY, 2 * HOUR, charging=2 * HOUR) == 0
    assert yuan(plan, WEDNESDAY, 2 * HOUR, charging=HOUR) == 5  # half an hour's grace at 2, then 3
    assert yuan(plan, WEDNESDAY, 2 * HOUR) == 8
    assert yuan(plan, WEDNESDAY, 4 * HOUR, charging=3 * HOUR) == 9  # 2 × 2, 2, then 1 × 3
    assert yuan(plan, WEDNESDAY, DAY, charging=3 * HOUR) == 40


def test_an_event_is_flat_for_those_who_come_to_it() -> None:
    plan = example("event-flat")
    assert yuan(plan, "2026-12-05 18:00", 5 * HOUR) == 20
    assert yuan(plan, "2026-12-05 18:00", 6 * HOUR + 30) == 20
    assert yuan(plan, "2026-12-05 18:00", 7 * HOUR + 30) == 23  # an hour after its end
    assert yuan(plan, "2026-12-05 18:00", 30) == 0
    assert yuan(plan, "2026-12-05 15:00", 5 * HOUR) == 15  # was there before: by the hour
    assert [line.code for line in priced(plan, "2026-12-05 18:00", 7 * HOUR + 30).lines] == [
        "event-0",
        "stay",
    ]


def test_residents_pay_half_and_nothing_at_night() -> None:
    plan = example("residents-night")
    start = city("2026-11-25 17:00")

    def cost(kind: PermitKind | None) -> float:
        permit = None if kind is None else Permit(kind, city("2026-01-01 00:00"), None)
        end = city("2026-11-26 08:30")
        stay = {"vehicle": VehicleClass.SMALL, "entered_at": start, "left_at": end}
        return price(plan, **stay, permits=[permit] if permit else []).amount / 100  # type: ignore[arg-type]

    # 17:00–18:00 by day; until midnight and from it by night, which is at most 8 and runs on until 8:00
    assert cost(None) == 4 + 6 + 8 + 2
    assert cost(PermitKind.RESIDENT) == 4
    assert cost(PermitKind.FREE_LIST) == 0
    assert yuan(plan, "2026-11-28 09:00", 3 * HOUR) == 3  # a Saturday is night all day


def test_exempt_vehicles_and_open_institutions_are_free() -> None:
    assert yuan(example("hangzhou-core"), WEDNESDAY, 40 * DAY, VehicleClass.EXEMPT) == 0
    assert yuan(example("shared-free"), WEDNESDAY, 40 * DAY) == 0


def test_free_minutes_may_come_again_with_each_period() -> None:
    again = copy.deepcopy(examples()["huzhou-a"].data)
    again["free"] = {"minutes": 30, "again": True}
    plan = Plan(accepted(again))
    assert [yuan(plan, WEDNESDAY, DAY + m) for m in (0, 16, 30, 31)] == [25, 25, 25, 30]
    again["free"]["counted"] = False
    plan = Plan(accepted(again))
    assert [yuan(plan, WEDNESDAY, DAY + m) for m in (30, 45, 46)] == [25, 25, 30]

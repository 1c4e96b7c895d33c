"""Whatever the tariff, as long as it is taken, and whatever the stay."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.clock import CITY_ZONE
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.rules import Permit, price
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from parking_cloud.tariffs.shapes import Per, Tariff, decode
from parking_cloud.tariffs.validity import faults
from tests.tariffs.oracle import slow_price
from tests.tariffs.parts import city, example, example_codes
from tests.tariffs.strategies import lengths, moments, plain_tariffs, tariffs

vehicles = st.sampled_from(list(VehicleClass))
chargings = st.sampled_from([0, 0, 45, 90])


def amount(
    plan: Plan,
    entered: datetime,
    minutes: int,
    vehicle: VehicleClass = VehicleClass.SMALL,
    charging: int = 0,
    permit: Permit | None = None,
) -> int:
    start = entered.replace(tzinfo=CITY_ZONE)
    quote = price(
        plan,
        vehicle=vehicle,
        entered_at=start,
        left_at=start + timedelta(minutes=minutes),
        charging_minutes=charging,
        permits=[permit] if permit else [],
    )
    assert quote.amount == sum(line.amount for line in quote.lines)
    assert all(line.reason["zh-CN"] and line.reason["en"] for line in quote.lines)
    return quote.amount


@given(tariffs())
def test_generated_tariffs_are_taken_and_survive_json(tariff: Tariff) -> None:
    assert faults(tariff) == []
    assert decode(msgspec.json.decode(msgspec.json.encode(tariff))) == tariff


@settings(max_examples=150, deadline=None)
@given(plain_tariffs(), moments, lengths)
def test_minute_by_minute_it_costs_the_same(tariff: Tariff, entered: datetime, minutes: int) -> None:
    assert amount(Plan(tariff), entered, minutes) == slow_price(tariff, entered, minutes)


@settings(max_examples=150, deadline=None)
@given(tariffs(), moments, st.lists(lengths, min_size=2, max_size=12), vehicles, chargings, st.data())
def test_it_never_falls_and_is_never_negative(
    tariff: Tariff,
    entered: datetime,
    stays: list[int],
    vehicle: VehicleClass,
    charging: int,
    data: st.DataObject,
) -> None:
    plan = Plan(tariff)
    begins = entered + timedelta(minutes=data.draw(st.integers(-600, 600)))
    permit = Permit(
        data.draw(st.sampled_from(list(PermitKind))),
        begins.replace(tzinfo=CITY_ZONE),
        begins.replace(tzinfo=CITY_ZONE) + timedelta(minutes=data.draw(st.integers(1, 2000))),
    )
    # Neighbouring minutes too: that is where a fault would show.
    minutes = sorted({m + d for m in stays for d in (0, 1)})
    for held in (None, permit):
        prices = [amount(plan, entered, m, vehicle, charging, held) for m in minutes]
        assert prices[0] >= 0
        assert prices == sorted(prices)


@settings(max_examples=150, deadline=None)
@given(tariffs(), moments, lengths, vehicles)
def test_it_never_goes_above_a_cap(
    tariff: Tariff, entered: datetime, minutes: int, vehicle: VehicleClass
) -> None:
    plan = Plan(tariff)
    cost = amount(plan, entered, minutes, vehicle)
    variant = plan.variant(vehicle, None)
    left = entered + timedelta(minutes=minutes)
    times = {
        Per.DAY_FROM_ENTRY: -(-minutes // 1440),
        Per.CALENDAR_DAY: (left - timedelta(minutes=1)).toordinal() - entered.toordinal() + 1,
        Per.STAY: 1,
    }
    caps = {
        Per.DAY_FROM_ENTRY: variant.cap_24h,
        Per.CALENDAR_DAY: variant.cap_day,
        Per.STAY: variant.cap_stay,
    }
    if minutes:
        assert all(cost <= caps[per] * times[per] for per in Per)
    for cap in tariff.caps:
        if vehicle not in tariff.classes and vehicle is not VehicleClass.NEW_ENERGY_LARGE:
            assert cost <= cap.amount * max(1, times[cap.per])


@settings(max_examples=60, deadline=None)
@given(tariffs(), moments, lengths)
def test_the_zone_in_which_a_time_is_said_does_not_matter(
    tariff: Tariff, entered: datetime, minutes: int
) -> None:
    plan = Plan(tariff)
    start = entered.replace(tzinfo=CITY_ZONE)
    quotes = [
        price(
            plan,
            vehicle=VehicleClass.SMALL,
            entered_at=start.astimezone(zone),
            left_at=(start + timedelta(minutes=minutes)).astimezone(UTC),
        )
        for zone in (CITY_ZONE, UTC, timezone(timedelta(hours=-9, minutes=-30)))
    ]
    assert quotes[0] == quotes[1] == quotes[2]


_PRICE_ALL = """
from datetime import timedelta
from tests.tariffs.parts import example, example_codes, priced
for code in example_codes():
    for hour in range(24):
        for minutes in (40, 700, 3000):
            print(code, priced(example(code), f"2026-10-09 {hour:02d}:17", minutes))
"""


def test_the_machines_zone_does_not_matter() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", _PRICE_ALL],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for zone in ("Asia/Shanghai", "UTC", "America/St_Johns", "Australia/Lord_Howe")
    }
    assert len(said) == 1
    assert said.pop().count(b"\n") == 24 * 3 * len(example_codes())


def test_a_year_whose_holidays_nobody_knows_raises_even_when_only_touched() -> None:
    plan = example("hangzhou-core")
    last = city("2026-12-31 23:00")
    stay = {"plan": plan, "vehicle": VehicleClass.SMALL, "entered_at": last}
    assert price(**stay, left_at=last + timedelta(minutes=59)).amount == 500  # type: ignore[arg-type]
    for minutes in (60, 61, 3000):
        with pytest.raises(UnknownHolidayYear):
            price(**stay, left_at=last + timedelta(minutes=minutes))  # type: ignore[arg-type]
    # Within the free minutes too: a day that is not known is not guessed.
    free = example("west-lake")
    with pytest.raises(UnknownHolidayYear):
        price(free, vehicle=VehicleClass.SMALL, entered_at=last, left_at=last + timedelta(minutes=61))
    # A tariff that tells no days apart needs no calendar.
    plain = example("huzhou-a")
    years_on = last + timedelta(days=400)
    assert price(plain, vehicle=VehicleClass.SMALL, entered_at=last, left_at=years_on).amount == 400 * 2500


def test_a_stay_cannot_end_before_it_begins() -> None:
    at = city("2026-11-25 08:00")
    plan = example("huzhou-a")
    with pytest.raises(ValueError, match="before"):
        price(plan, vehicle=VehicleClass.SMALL, entered_at=at, left_at=at - timedelta(seconds=1))
    with pytest.raises(ValueError, match="zone"):
        price(plan, vehicle=VehicleClass.SMALL, entered_at=at.replace(tzinfo=None), left_at=at)
    # Begun minutes are not counted: 30 min 59 s is 30 min, which is free.
    assert (
        price(plan, vehicle=VehicleClass.SMALL, entered_at=at, left_at=at + timedelta(minutes=30.99)).amount
        == 0
    )

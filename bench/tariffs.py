"""Quotes per second of one core's time, against one JSON encoding of each result in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from parking_cloud.demo.tariffs import examples
from parking_cloud.launcher import Platform
from parking_cloud.tariffs.keeping import accepted
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.pricing import Quote
from parking_cloud.tariffs.rules import price
from parking_cloud.tariffs.schemas import VehicleClass

_FIRST = datetime(2026, 10, 1, tzinfo=UTC)
_STAYS_H = (2, 3, 5, 9, 14, 24, 36, 48)
_ROUNDS = 40
_VEHICLES = (VehicleClass.SMALL, VehicleClass.SMALL, VehicleClass.NEW_ENERGY, VehicleClass.LARGE)


def run(_: Platform) -> None:
    """Print the rate over all demo tariffs and stays of 2 h to 2 days, and its ratio to the encoding's."""
    plans = [Plan(accepted(example.data)) for example in examples().values()]
    asked = [
        (plan, vehicle, _FIRST + timedelta(minutes=97 * number), timedelta(hours=hours, minutes=number % 60))
        for number, (plan, vehicle, hours) in enumerate(
            (plan, vehicle, hours) for plan in plans for vehicle in _VEHICLES for hours in _STAYS_H
        )
    ]
    quotes: list[Quote] = []

    def quote_all() -> None:
        quotes[:] = [
            price(plan, vehicle=vehicle, entered_at=entered, left_at=entered + stayed)
            for plan, vehicle, entered, stayed in asked
        ]

    encode = msgspec.json.Encoder().encode

    def encode_all() -> None:
        for quote in quotes:
            encode(quote)

    quoted, encoded = _rate(quote_all, len(asked)), _rate(encode_all, len(asked))
    lines = sum(len(quote.lines) for quote in quotes) / len(quotes)
    print(f"{'quotes, one core':24} {quoted:8.0f}/s  {lines:.1f} lines each, {len(plans)} tariffs")
    print(f"{'their JSON encoding':24} {encoded:8.0f}/s")
    print(f"ratio                    {quoted / encoded:8.3f}")


def _rate(deed: Callable[[], None], number: int) -> float:
    deed()  # days and curves are worked out once
    begun = time.process_time()
    for _ in range(_ROUNDS):
        deed()
    return _ROUNDS * number / (time.process_time() - begun)

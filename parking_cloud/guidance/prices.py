"""Prices of whole stays from memory: the tariff engine, asked once for each tariff, class, minute and length.

The engine counts a stay in whole minutes from the minute of its entry (tariffs/rules.py), so what it says for
one second of a minute holds for all of them while the same versions are in force; nothing here is rounded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from parking_cloud.guidance.geodesy import Floats
from parking_cloud.tariffs.in_force import Version, amount_of
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.schemas import VehicleClass

NO_TARIFF = -1
_NOT_ASKED = -1.0
_BYTES = 32_000_000
"""Of what was worked out; a city's tariffs are some dozens, so that these are tens of thousands of stays."""

Stay = tuple[VehicleClass, int, int, int]
"""Class, minute of entry, minutes, and how many versions had begun or ended by then."""


class Prices:
    """Tariffs by number, the plans in force, and what was worked out by them."""

    def __init__(self) -> None:
        self._numbers: dict[UUID, int] = {}
        self._versions: list[list[Version]] = []
        self._plans: Mapping[UUID, Plan] = {}
        self._turns: list[float] = []
        """When any version begins or ends (epoch seconds)."""
        self._known: dict[Stay, Floats] = {}

    def hold(self, versions: list[Version], plans: Mapping[UUID, Plan]) -> None:
        """These versions from now on."""
        self._versions = [[] for _ in self._numbers]
        turns = set()
        for version in versions:
            self._versions[self.number_of(version.tariff_id)].append(version)
            turns.add(version.effective_from.timestamp())
            if version.effective_until is not None:
                turns.add(version.effective_until.timestamp())
        if (ordered := sorted(turns)) != self._turns or plans.keys() != self._plans.keys():
            self._turns = ordered
            self._known.clear()
        self._plans = plans

    def number_of(self, tariff: UUID) -> int:
        """A tariff's number."""
        number = self._numbers.get(tariff)
        if number is None:
            number = self._numbers[tariff] = len(self._numbers)
            self._versions.append([])
        return number

    def amounts(
        self, tariffs: NDArray[np.int32], vehicle: VehicleClass, entered_at: datetime, minutes: int
    ) -> Floats:
        """A stay's price in fen by each tariff's version in force on entry; NaN where nobody can tell."""
        at = entered_at.timestamp()
        stay = (vehicle, int(at // 60), minutes, bisect_right(self._turns, at))
        known = self._known.get(stay)
        if known is None or len(known) <= len(self._versions):
            known = self._known[stay] = np.full(len(self._versions) + 1, _NOT_ASKED)
            known[NO_TARIFF] = np.nan
            most = _BYTES // known.nbytes
            if len(self._known) > most:
                # The oldest are of minutes that have passed.
                for old in list(islice(self._known, most // 2)):
                    del self._known[old]
        found = known.take(tariffs)
        unasked = found == _NOT_ASKED
        if unasked.any():
            for number in set(tariffs[unasked].tolist()):
                known[number] = self._amount(number, vehicle, entered_at, minutes)
            found = known.take(tariffs)
        return found

    def _amount(self, number: int, vehicle: VehicleClass, entered_at: datetime, minutes: int) -> float:
        for version in self._versions[number]:
            ends = version.effective_until
            if version.effective_from <= entered_at and (ends is None or entered_at < ends):
                plan = self._plans[version.version_id]
                amount = amount_of(plan, vehicle, entered_at, entered_at + timedelta(minutes=minutes))
                return np.nan if amount is None else amount
        return np.nan

"""Prices of whole stays from memory: the tariff engine, asked once for each tariff, class, minute and length.

The engine counts a stay in whole minutes from the minute of its entry (tariffs/rules.py), so what it says for
one second of a minute holds for all of them, and nothing here is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from parking_cloud.tariffs.in_force import Version, amount_of
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.schemas import VehicleClass

_KEPT = 50_000

Key = tuple[UUID, VehicleClass, int, int]


class Prices:
    """The plans in force, and what was worked out by them."""

    def __init__(self) -> None:
        self._versions: dict[UUID, list[Version]] = {}
        self._plans: Mapping[UUID, Plan] = {}
        self._known: dict[Key, int | None] = {}

    def hold(self, versions: list[Version], plans: Mapping[UUID, Plan]) -> None:
        """These versions from now on. What was worked out stays true: a version never changes."""
        by_tariff: dict[UUID, list[Version]] = {}
        for version in versions:
            by_tariff.setdefault(version.tariff_id, []).append(version)
        self._versions, self._plans = by_tariff, plans

    def amount(self, tariff: UUID, vehicle: VehicleClass, entered_at: datetime, minutes: int) -> int | None:
        """A stay's price in fen by the version in force on entry; None where nobody can tell."""
        version = self._version(tariff, entered_at)
        if version is None:
            return None
        key = (version, vehicle, int(entered_at.timestamp() // 60), minutes)
        try:
            return self._known[key]
        except KeyError:
            pass
        plan = self._plans[version]
        amount = amount_of(plan, vehicle, entered_at, entered_at + timedelta(minutes=minutes))
        if len(self._known) >= _KEPT:
            # The oldest are of minutes that have passed.
            for old in list(self._known)[: _KEPT // 2]:
                del self._known[old]
        self._known[key] = amount
        return amount

    def _version(self, tariff: UUID, at: datetime) -> UUID | None:
        for version in self._versions.get(tariff, ()):
            if version.effective_from <= at and (
                version.effective_until is None or at < version.effective_until
            ):
                return version.version_id
        return None

"""Vehicles at the demo city's garages with gates, as a process in time: who comes, stays, and pays how.

No I/O. Plates are made up, in the shape of real ones; a few things go wrong on purpose, as they do at gates.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from parking_cloud.demo.city import GATED
from parking_cloud.demo.curves import expected_rate
from parking_cloud.kernel.clock import city_time
from parking_cloud.registry.schemas import FacilityIn, RegistryBatch

ARRIVALS_PER_S = 1 / 8
"""At all garages together, at a busy hour."""
_MEAN_STAY = timedelta(minutes=40)
_WORTH_ASKING = timedelta(minutes=45)
_PLATES = 4_000
_NEW_ENERGY = 0.35
_LONG_THERE = 0.2
"""Share of a garage's spaces whose vehicles were there before, and stay."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_CONFUSED = {
    "0": "D",
    "D": "0",
    "8": "B",
    "B": "8",
    "2": "Z",
    "Z": "2",
    "5": "S",
    "S": "5",
    "1": "7",
    "7": "1",
}
AHEAD = timedelta(minutes=3)
"""Who pays by telephone does so this long before leaving."""


class Payer(StrEnum):
    PHONE = "phone"
    """Before leaving, by plate."""
    GATE = "gate"
    """At the gate, by the code it shows."""
    NOBODY = "nobody"


class Mishap(StrEnum):
    NONE = "none"
    MISSED_EXIT = "missed_exit"
    MISREAD_EXIT = "misread_exit"
    NO_PLATE = "no_plate"


class Visit(msgspec.Struct):
    """A vehicle in a garage, and what it will do."""

    id: str
    facility: str
    plate: str
    color: str
    entered_at: datetime
    leaves_at: datetime
    payer: Payer
    method: str
    mishap: Mishap
    paid: bool = False

    @property
    def pays_at(self) -> datetime:
        return self.leaves_at - AHEAD


class Traffic:
    """The garages with gates of a city. `visits` are those inside now."""

    def __init__(self, city: RegistryBatch, seed: int, visits: list[Visit] | None = None) -> None:
        self._chance = random.Random(seed)
        self._garages: dict[str, FacilityIn] = {f.code: f for f in city.facilities if f.code in GATED}
        self.visits: dict[str, Visit] = {visit.id: visit for visit in visits or []}

    def begin(self, now: datetime) -> list[Visit]:
        """Those who are there already, come in the hours before."""
        made = []
        for code, garage in self._garages.items():
            for _ in range(garage.capacity // 6):
                ago = timedelta(minutes=self._chance.uniform(2, 420))
                visit = self._visit(code, now - ago)
                # However long ago it came, it leaves from now on.
                visit.leaves_at = now + self._stay() * self._chance.random()
                made.append(visit)
        return self._enter(made)

    def arrivals(self, now: datetime, step: timedelta, scale: float = 1.0) -> list[Visit]:
        """Who comes within the `step` that ends now; busy hours bring more."""
        local = city_time(now)
        busy = expected_rate("public_offstreet", local, day_off=local.weekday() >= 5) / 0.6
        expected = ARRIVALS_PER_S * step.total_seconds() * scale * busy
        count = int(expected) + (self._chance.random() < expected % 1)
        places = [code for code in self._garages if self.inside(code) < self._garages[code].capacity * 0.95]
        return self._enter([self._visit(self._chance.choice(places), now) for _ in range(count) if places])

    def leaving(self, now: datetime) -> list[Visit]:
        """Whose time has come; `left` tells that they are gone."""
        return [visit for visit in self.visits.values() if visit.leaves_at <= now]

    def paying(self, now: datetime) -> list[Visit]:
        """Who pays by telephone now."""
        return [
            visit
            for visit in self.visits.values()
            if visit.payer == Payer.PHONE and not visit.paid and visit.pays_at <= now
        ]

    def left(self, visit: Visit) -> None:
        del self.visits[visit.id]

    def inside(self, code: str) -> int:
        """Vehicles there, as an eye would count them."""
        there = sum(visit.facility == code for visit in self.visits.values())
        return there + round(self._garages[code].capacity * _LONG_THERE)

    def counts(self) -> Iterator[tuple[str, int]]:
        """(external id of the counter, free spaces)"""
        for code, garage in self._garages.items():
            yield f"{code}-counter", garage.capacity - self.inside(code)

    def read_plate(self, visit: Visit, *, leaving: bool) -> tuple[str | None, float]:
        """What the camera reads, and how sure it is."""
        if leaving and visit.mishap == Mishap.NO_PLATE:
            return None, 0.0
        if leaving and visit.mishap == Mishap.MISREAD_EXIT:
            return self._misread(visit.plate), round(self._chance.uniform(0.55, 0.85), 3)
        return visit.plate, round(self._chance.uniform(0.95, 0.999), 3)

    def _misread(self, plate: str) -> str:
        for place in range(len(plate) - 1, 1, -1):
            if plate[place] in _CONFUSED:
                return plate[:place] + _CONFUSED[plate[place]] + plate[place + 1 :]
        return plate[:-1] + ("3" if plate[-1] != "3" else "9")

    def _enter(self, visits: list[Visit]) -> list[Visit]:
        """A vehicle cannot be in two places: who is inside already does not come again."""
        there = {visit.plate for visit in self.visits.values()}
        entered = []
        for visit in visits:
            if visit.plate not in there:
                there.add(visit.plate)
                self.visits[visit.id] = visit
                entered.append(visit)
        return entered

    def _visit(self, code: str, at: datetime) -> Visit:
        plate, color = self._vehicle()
        chance, stay = self._chance, self._stay()
        payer = chance.choices(list(Payer), (60, 34, 6))[0]
        if payer == Payer.PHONE and stay < _WORTH_ASKING:
            payer = Payer.GATE  # who stays a moment knows that it is free
        return Visit(
            id=f"{at:%Y%m%d%H%M%S}-{chance.randbytes(5).hex()}",
            facility=code,
            plate=plate,
            color=color,
            entered_at=at,
            leaves_at=at + stay,
            payer=payer,
            method=chance.choices(("card", "alipay", "wechat_pay"), (20, 40, 40))[0],
            mishap=chance.choices(list(Mishap), (965, 15, 15, 5))[0],
        )

    def _stay(self) -> timedelta:
        """Many short stays, some long."""
        sigma = 0.9
        mean = math.log(_MEAN_STAY.total_seconds()) - sigma**2 / 2
        return timedelta(seconds=max(self._chance.lognormvariate(mean, sigma), 90))

    def _vehicle(self) -> tuple[str, str]:
        """One of the same few thousand vehicles each time: drivers come back."""
        number = self._chance.randrange(_PLATES)
        own = random.Random(number)
        if own.random() < _NEW_ENERGY:
            return f"浙E{own.choice('DF')}{own.choice(_LETTERS)}{own.randrange(10_000):04d}", "green"
        return f"浙E{own.choice(_LETTERS)}{own.randrange(10_000):04d}", "blue"

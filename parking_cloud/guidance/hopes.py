"""What awaits a driver at each place in so many minutes: worked out once, used until something changes.

A city asks about the same places many times a second. What was worked out for a row, for so many minutes
ahead, holds for some seconds: unless its numbers change, or somebody sets out for it. Rows are worked out as
they are asked for. What an answer says of them is kept likewise.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parking_cloud.guidance import rules
from parking_cloud.guidance.geodesy import Floats
from parking_cloud.guidance.herding import Sent, believed
from parking_cloud.guidance.index import FacilityIndex, Rows
from parking_cloud.guidance.outlooks import Outlooks

HOLDS_S = 15
_BYTES = 64_000_000
_LEAST_SETS = 4
OUT_OF_RANGE = 1
"""Its number among index.QUALITIES."""

CHANCE, EXPECTED, LOW, HIGH, FREE, STALE, SEEN_S, SENT, OWN = range(9)
_COLUMNS = 9
"""`FREE`: as shown, NaN where it is not known or stale. `SENT`: drivers who will have come before."""


def _steps(ahead_min: float) -> int:
    """By the minute for who is near, more roughly for who comes later: so much is not known so exactly."""
    step = 1 if ahead_min < 20.0 else 5 if ahead_min < 90.0 else 15
    return round(ahead_min / step) * step


class Said(NamedTuple):
    """Parts of an answer that tell of a row, in JSON."""

    fields: bytes
    reasons: bytes


class Hopes:
    """Rows for so many minutes ahead."""

    def __init__(self, size: int) -> None:
        self.values: Floats = np.empty((size, _COLUMNS))
        self.stamps: NDArray[np.int64] = np.zeros(size, np.int64)
        self.said: dict[int, Said] = {}
        self.stamp = 0


class AllHopes:
    """By minutes ahead; those that were asked for least recently give way."""

    def __init__(self, index: FacilityIndex, sent: Sent, stale_s: float) -> None:
        self.outlooks = Outlooks(0)
        self._index = index
        self._sent = sent
        self._stale_s = stale_s
        self._sets: OrderedDict[int, Hopes] = OrderedDict()
        self._size = index.size
        self._last_stamp = 0
        self._second = 0

    def forget(self) -> None:
        """Profiles or facilities are others now."""
        self._sets.clear()
        self._size = self._index.size

    def at(self, rows: Rows, now: datetime, arrive_at: datetime) -> tuple[Floats, Hopes]:
        """What awaits at each row, by column (CHANCE, …); and where what was said of them is kept."""
        now_s = now.timestamp()
        if int(now_s) // HOLDS_S != self._second:
            self._second = int(now_s) // HOLDS_S
            for hopes in self._sets.values():
                hopes.stamp = 0
        if self._size != self._index.size:
            self.forget()
        self._take_changes()
        ahead_min = _steps((arrive_at.timestamp() - now_s) / 60.0)
        hopes = self._set(ahead_min)
        known = hopes.stamps.take(rows) == hopes.stamp
        if not known.all():
            missing = rows[~known]
            hopes.values[missing] = self._work_out(missing, now, now_s, ahead_min)
            hopes.stamps[missing] = hopes.stamp
        return hopes.values.take(rows, axis=0), hopes

    def _take_changes(self) -> None:
        for touched in (self._index.touched, self._sent.touched):
            if touched:
                for hopes in self._sets.values():
                    hopes.stamps[list(touched)] = 0
                    for row in touched:
                        hopes.said.pop(row, None)
                touched.clear()

    def _set(self, ahead_min: int) -> Hopes:
        hopes = self._sets.get(ahead_min)
        if hopes is None:
            hopes = Hopes(self._index.size)
            self._sets[ahead_min] = hopes
            most = max(_LEAST_SETS, _BYTES // (self._index.size * 8 * (_COLUMNS + 1)))
            while len(self._sets) > most:
                self._sets.popitem(last=False)
        self._sets.move_to_end(ahead_min)
        if not hopes.stamp:
            self._last_stamp += 1
            hopes.stamp = self._last_stamp
            hopes.said = {}
        return hopes

    def _work_out(self, rows: Rows, now: datetime, now_s: float, ahead_min: int) -> Floats:
        index = self._index
        free, seen = index.free.take(rows), index.seen_s.take(rows)
        age = np.maximum(now_s - seen, 0.0)
        fresh = age <= self._stale_s
        free = np.where(fresh, free, np.nan)
        age = np.where(fresh, age, 0.0)
        age += (index.quality.take(rows) == OUT_OF_RANGE) * rules.DOUBT_S
        capacity = index.capacity.take(rows)
        sent = self._sent.before(rows, np.where(fresh, now_s - age, 0.0), now_s + ahead_min * 60.0)
        sent = believed(sent, capacity)
        outlook = self.outlooks.at(
            rows, capacity, free, age, now=now, ahead_min=float(ahead_min), sent_before=sent
        )
        own = self.outlooks.own.take(rows)
        found: Floats = np.stack([*outlook, free, ~fresh, seen, sent, own], axis=1)
        unseen = free != free
        found[unseen, CHANCE] = np.minimum(found[unseen, CHANCE], rules.UNSEEN_MOST)
        # Rounded here, once, to what is told.
        found[:, CHANCE] = found[:, CHANCE].round(3)
        found[:, EXPECTED : HIGH + 1] = found[:, EXPECTED : HIGH + 1].round(1)
        return found

"""Drivers sent to one place in the last minutes, so that it is not promised to the next as well.

Kept per facility and arrival minute, in arrays: a sum of weights, nobody's identity. What was sent counts
for all who come after it, until the place's own count is young enough to show it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from forecasting.arrival import COMPLIANCE

Floats = NDArray[np.float64]

AHEAD_MIN = 120
"""Choices for later than this are no rush: the profile knows of them."""
KEPT_MIN = 30
"""So long after its time an arrival is remembered: older counts are too old to be moved on by it."""
SHOWN_WEIGHT = 0.05
"""Of drivers to whom a place is shown first and who choose none, so many go there all the same."""
MOST_SHOWN = 2.0
"""What was merely shown lowers a place's chance by no more than so many drivers: anyone can ask anything."""
LATE_MIN = 3.0
"""A driver may be so late, and a count so slow: until then the arrival is not taken to be in the count."""
_SPAN = AHEAD_MIN + KEPT_MIN + 1
_GROW = 256


class Sending(NamedTuple):
    """Drivers expected at a facility in a minute (of the epoch)."""

    facility_id: UUID
    minute: int
    weight: float
    shown: bool = False


class Sent:
    """All that was sent, for an index whose rows are facilities; each process has its own."""

    def __init__(self) -> None:
        self._slots: dict[UUID, int] = {}
        self._slot_of_row: NDArray[np.intp] = np.zeros(0, np.intp)
        self._rows: Mapping[UUID, int] = {}
        self._minutes = np.zeros((_GROW, _SPAN))
        self._shown = np.zeros((_GROW, _SPAN))
        self._before = np.zeros((_GROW, _SPAN + 1))
        self._first = 0
        self._free_slots: deque[int] = deque(range(1, _GROW))

    def arrange(self, rows: Mapping[UUID, int], count: int) -> None:
        """The index's rows from now on: facility → row, `count` rows in all."""
        self._rows = rows
        self._slot_of_row = np.zeros(count, np.intp)
        for facility_id, slot in self._slots.items():
            if facility_id in rows:
                self._slot_of_row[rows[facility_id]] = slot

    def add(self, sending: Sending, now_minute: int) -> None:
        """Expect these drivers. What lies outside the span is not counted."""
        self._move_to(now_minute)
        column = sending.minute - self._first
        if not KEPT_MIN <= column < _SPAN:
            return
        slot = self._slots.get(sending.facility_id) or self._new_slot(sending.facility_id)
        if sending.shown:
            weight = min(sending.weight, max(MOST_SHOWN - self._shown[slot].sum(), 0.0))
            self._shown[slot, column] += weight
        else:
            weight = sending.weight
        self._minutes[slot, column] += weight
        self._before[slot, column + 1 :] += weight

    def before(self, rows: NDArray[np.intp], seen_s: Floats, arrive_s: Floats | float) -> Floats:
        """For each row: drivers who come before `arrive_s` and are not in a count seen at `seen_s`.

        Seconds of the epoch; `seen_s` NaN where nothing was seen.
        """
        if not self._slots:
            return np.zeros(len(rows))
        slots = self._slot_of_row.take(rows)
        if not slots.any():
            return np.zeros(len(rows))
        sums = self._before.ravel()
        slots *= _SPAN + 1
        until = self._column(arrive_s)
        since = self._column(seen_s - LATE_MIN * 60.0)
        sent = sums.take(slots + until)
        sent -= sums.take(slots + np.minimum(since, until))
        return sent

    def _column(self, at_s: Floats | float) -> NDArray[np.intp]:
        """How many whole columns lie before a moment."""
        minutes = np.floor_divide(at_s, 60.0) - self._first
        column: NDArray[np.intp] = np.fmin(np.fmax(minutes, 0.0), _SPAN).astype(np.intp)
        return column

    def _new_slot(self, facility_id: UUID) -> int:
        if not self._free_slots:
            old = len(self._minutes)
            more = np.zeros((old, _SPAN))
            self._minutes = np.concatenate([self._minutes, more])
            self._shown = np.concatenate([self._shown, more])
            self._before = np.concatenate([self._before, np.zeros((old, _SPAN + 1))])
            self._free_slots.extend(range(old, 2 * old))
        slot = self._slots[facility_id] = self._free_slots.popleft()
        row = self._rows.get(facility_id)
        if row is not None:
            self._slot_of_row[row] = slot
        return slot

    def _move_to(self, now_minute: int) -> None:
        """Let the span begin KEPT_MIN before now; forget what is older."""
        by = now_minute - KEPT_MIN - self._first
        if by <= 0:
            return
        self._first += by
        for table in (self._minutes, self._shown):
            table[:, : max(_SPAN - by, 0)] = table[:, min(by, _SPAN) :].copy()
            table[:, max(_SPAN - by, 0) :] = 0.0
        np.cumsum(self._minutes, axis=1, out=self._before[:, 1:])
        self._let_go()

    def _let_go(self) -> None:
        """Give back the slots of places to which nobody is on the way."""
        idle = self._before[:, -1] == 0.0
        for facility_id, slot in list(self._slots.items()):
            if idle[slot]:
                del self._slots[facility_id]
                self._free_slots.append(slot)
                row = self._rows.get(facility_id)
                if row is not None:
                    self._slot_of_row[row] = 0


def chosen(facility_id: UUID, arrive_minute: int) -> Sending:
    """A driver said: there."""
    return Sending(facility_id, arrive_minute, COMPLIANCE)


def shown_first(facility_id: UUID, arrive_minute: int) -> Sending:
    """A place stood first in an answer."""
    return Sending(facility_id, arrive_minute, SHOWN_WEIGHT, shown=True)

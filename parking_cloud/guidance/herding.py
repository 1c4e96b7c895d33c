"""Drivers sent to one place in the last minutes, so that it is not promised to the next as well.

Kept per facility and arrival minute, in arrays: a sum of weights, nobody's identity. What was sent counts
for all who come after it, until the place's own count is young enough to show it.
"""

from __future__ import annotations

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
MOST_SENT_SHARE, ALWAYS_SENT = 0.25, 2.0
"""Drivers on their way to a place count up to this share of its capacity, and a few at the smallest: anyone
can say that they come, and a place that stands half empty must not be talked full."""
LATE_MIN = 3.0
"""A driver may be so late, and a count so slow: until then the arrival is not taken to be in the count."""
MOST_PLACES = 16_384
"""Places that can have drivers on the way to them, of which those merely shown take half at most."""
_SPAN = AHEAD_MIN + KEPT_MIN + 1
_WIDTH = _SPAN + 1
_GROW = 256
_NOBODY = 1e-3


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
        self._ids: list[UUID | None] = [None] * _GROW
        """By slot; the first stands for all places to which nobody is on the way."""
        self._unused: list[int] = list(range(1, _GROW))
        self._before = np.zeros((_GROW, _WIDTH), np.float32)
        """Drivers who come before a minute, counted from `_first`."""
        self._shown = np.zeros(_GROW, np.float32)
        self._first = 0
        self._rows: Mapping[UUID, int] = {}
        self.touched: set[int] = set()
        """Rows to which more are on the way than before; who keeps what follows from that empties it."""
        self._slot_of_row: NDArray[np.intp] = np.zeros(0, np.intp)

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
        slot = self._slots.get(sending.facility_id) or self._new_slot(sending)
        weight = sending.weight
        if sending.shown:
            weight = min(weight, MOST_SHOWN - float(self._shown[slot]))
            self._shown[slot] += weight
        if slot:
            self._before[slot, column + 1 :] += weight
        row = self._row(sending.facility_id)
        if row is not None:
            self.touched.add(row)

    def _row(self, facility_id: UUID) -> int | None:
        """None also for a row that has come since `arrange`, which gives it what was sent meanwhile."""
        row = self._rows.get(facility_id)
        return row if row is not None and row < len(self._slot_of_row) else None

    def before(self, rows: NDArray[np.intp], seen_s: Floats, arrive_s: Floats | float) -> Floats:
        """For each row: drivers who come before `arrive_s` and are not in a count seen at `seen_s`.

        Seconds of the epoch; `seen_s` NaN where nothing was seen.
        """
        if not self._slots:
            return np.zeros(len(rows))
        first_s = self._first * 60.0
        until: Floats | float = (arrive_s - first_s) / 60.0
        if isinstance(until, float):
            until = min(max(until, 0.0), _SPAN)
        else:
            until = np.fmin(np.fmax(until, 0.0), _SPAN)
        since = seen_s - (first_s + LATE_MIN * 60.0)
        since /= 60.0
        since = np.fmin(np.fmax(since, 0.0), until)
        cells = self._slot_of_row.take(rows)
        cells *= _WIDTH
        sums = self._before.reshape(-1)
        sent: Floats = sums.take(cells + np.intp(until)).astype(np.float64)
        sent -= sums.take(cells + since.astype(np.intp))
        return sent

    def _new_slot(self, sending: Sending) -> int:
        """A slot for a place, 0 where there are too many already."""
        if len(self._slots) >= (MOST_PLACES // 2 if sending.shown else MOST_PLACES):
            return 0
        if not self._unused:
            self._grow()
        slot = self._slots[sending.facility_id] = self._unused.pop()
        self._ids[slot] = sending.facility_id
        row = self._row(sending.facility_id)
        if row is not None:
            self._slot_of_row[row] = slot
        return slot

    def _grow(self) -> None:
        old = len(self._ids)
        self._ids += [None] * old
        self._unused.extend(range(old, 2 * old))
        self._before = np.concatenate([self._before, np.zeros((old, _WIDTH), np.float32)])
        self._shown = np.concatenate([self._shown, np.zeros(old, np.float32)])

    def _move_to(self, now_minute: int) -> None:
        """Let the span begin KEPT_MIN before now; forget what is older."""
        by = now_minute - KEPT_MIN - self._first
        if by <= 0:
            return
        self._first += by
        kept = np.repeat(self._before[:, -1:], _WIDTH, axis=1)
        if by < _WIDTH:
            kept[:, : _WIDTH - by] = self._before[:, by:]
        kept -= kept[:, :1].copy()
        self._before = kept
        # What was shown is forgotten bit by bit, by the time that it lasts.
        self._shown *= max(1.0 - by / KEPT_MIN, 0.0)
        self._let_go()

    def _let_go(self) -> None:
        """Give back the slots of places to which nobody is on the way."""
        for slot in np.flatnonzero(self._before[:, -1] < _NOBODY).tolist():
            facility_id = self._ids[slot]
            if facility_id is None:
                continue
            self._before[slot] = 0.0
            self._shown[slot] = 0.0
            self._ids[slot] = None
            del self._slots[facility_id]
            self._unused.append(slot)
            row = self._row(facility_id)
            if row is not None:
                self._slot_of_row[row] = 0


def believed(sent: Floats, capacity: Floats) -> Floats:
    """Of those who were sent to each place, as many as may lower its chance."""
    return np.minimum(sent, ALWAYS_SENT + MOST_SENT_SHARE * capacity)


def chosen(facility_id: UUID, arrive_minute: int) -> Sending:
    """A driver said: there."""
    return Sending(facility_id, arrive_minute, COMPLIANCE)

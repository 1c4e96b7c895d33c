"""What awaits a driver: the chance of a free space on arrival, and how many with a band.

What is known now pulls the forecast away from the profile, the less the further ahead. One pass of numpy over
all candidates of a query. A car park's free spaces are taken as normal around the forecast, with half a space
of correction; `python -m bench outlook` shows how that holds on real series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

DECAY_MIN = 300.0
"""After so many minutes, what is unusual now is still so by a third (e⁻¹)."""
TURNOVER_MIN = 120.0
"""How long a vehicle stays on average: what comes and goes meanwhile is noise even where all is as usual."""
SENSED_SD = 0.3
"""Spaces by which a number read this instant may be off."""
COMPLIANCE = 0.8
"""Of drivers who chose a place, so many drive there."""
BAND_Z = 1.2816
"""The band holds 80 of 100 outcomes."""
_INV_ROOT_TAU = 0.3989422804014327


class Outlook(NamedTuple):
    """For each candidate, on arrival."""

    chance: Floats
    """That at least one space is free, 0..1."""
    free: Floats
    """Expected free spaces, 0..capacity."""
    low: Floats
    high: Floats
    """Between these lie 8 of 10 outcomes."""


def outlook(
    capacity: Floats,
    free_now: Floats,
    age_min: Floats,
    ahead_min: Floats | float,
    *,
    usual_then: Floats,
    usual_on_arrival: Floats,
    sd_on_arrival: Floats,
    sent_before: Floats | float = 0.0,
) -> Outlook:
    """The outlook of each candidate, all arrays of one length.

    `free_now` is NaN where nothing is known; it was seen `age_min` ago, the driver comes in `ahead_min`.
    `usual_…` are the profile's occupied shares (when it was seen, and on arrival), `sd_on_arrival` how far
    days lie around that. `sent_before`: drivers who will have come before, and are in no count yet.
    """
    since = ahead_min + age_min
    known = free_now == free_now
    kept = np.exp(since / -DECAY_MIN)
    kept *= known
    usual = usual_on_arrival * capacity
    unusual = capacity - np.where(known, free_now, 0.0)
    unusual -= usual_then * capacity
    free = capacity - usual
    free -= unusual * kept
    free -= sent_before
    spread = sd_on_arrival * capacity
    variance = spread * spread
    variance *= 1.0 - kept * kept
    coming = np.minimum(since * (2.0 / TURNOVER_MIN), 1.0)
    variance += coming * usual_on_arrival * (capacity - usual) + SENSED_SD**2
    variance += sent_before * (1.0 - COMPLIANCE)
    sd = np.sqrt(variance)
    above = ndtr(free / sd)
    expected = free * above + sd * np.exp(free * free / (-2.0 * variance)) * _INV_ROOT_TAU
    band = BAND_Z * sd
    return Outlook(
        chance=np.where(capacity > 0, ndtr((free - 0.5) / sd), 0.0),
        free=np.minimum(expected, capacity),
        low=np.clip(free - band, 0.0, capacity),
        high=np.clip(free + band, 0.0, capacity),
    )

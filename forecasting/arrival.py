"""What awaits a driver: the chance of a free space on arrival, and how many with a band.

What is known now pulls the forecast away from the profile, the less the further ahead. Free spaces are taken
as normal around that, with half a space of correction; the numbers below were fitted on real car parks'
series, and `python -m bench outlook` shows how they hold. One pass of numpy over all candidates of a query.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

DECAY_MIN = 750.0
"""After so many minutes, of what is unusual now a third is left (e⁻¹)."""
SETTLES_MIN = 240.0
"""What is unusual by mere chance (who has just come or gone) is gone sooner: a third is left after this."""
SENSED_VARIANCE = 0.09
"""Of a number read this instant, in spaces²."""
FULL_MIN = 25.0
"""Where it is full, others wait as well: after so many minutes, a third of such places are full still."""
COMPLIANCE = 0.8
"""Of drivers who chose a place, so many drive there."""
BAND_Z = 1.2816
"""The band holds 80 of 100 outcomes."""
_LITTLE = 1e-9
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
    settles_min: Floats | float = SETTLES_MIN,
) -> Outlook:
    """The outlook of each candidate, all arrays of one length.

    `free_now` is NaN where nothing is known; it was seen `age_min` ago, the driver comes in `ahead_min`.
    `usual_…` are the profile's occupied shares (when it was seen, and on arrival), `sd_on_arrival` how far
    days lie around that. `sent_before`: drivers who will have come before, and are in no count yet.
    `settles_min`: shorter where vehicles stay but briefly.
    """
    since = ahead_min + age_min
    known = free_now == free_now
    usual = usual_on_arrival * capacity
    free = capacity - usual
    variance = sd_on_arrival * capacity
    variance *= variance
    variance += _LITTLE
    # Spaces that are taken or not each by itself would lie apart so much; the rest is the day's.
    by_chance = usual_on_arrival * free
    by_chance /= variance
    by_chance = np.minimum(by_chance, 1.0)
    kept = np.exp(since * (-1.0 / DECAY_MIN))
    by_chance *= np.exp(since / -settles_min) - kept
    kept += by_chance
    kept *= known
    variance *= 1.0 - kept * kept
    variance += sent_before * (1.0 - COMPLIANCE) + SENSED_VARIANCE
    unusual = capacity - np.fmax(free_now, 0.0)
    unusual -= usual_then * capacity
    unusual *= kept
    free -= unusual
    free -= sent_before
    sd = np.sqrt(variance)
    away = (free - 0.5) / sd
    chance = ndtr(away)
    expected = away * away
    expected *= -0.5
    expected = np.exp(expected)
    expected *= sd * _INV_ROOT_TAU
    expected += free * chance
    band = BAND_Z * sd
    low = np.minimum(np.maximum(free - band, 0.0), capacity)
    full = free_now < 1.0
    if full.any():
        turned = np.where(full, -np.expm1(since * (-1.0 / FULL_MIN)), 1.0)
        chance *= turned
        expected *= turned
        low[full] = 0.0
    expected = np.minimum(expected, capacity)
    chance *= capacity > 0
    return Outlook(
        chance=chance,
        free=expected,
        low=low,
        high=np.minimum(np.maximum(free + band, expected), capacity),
    )

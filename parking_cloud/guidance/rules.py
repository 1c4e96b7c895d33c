"""What is offered first: pure decisions, for all candidates of a question at once.

A place costs its driver minutes: those of the way there, of the walk, those its price is worth, and those
lost where it turns out to be full. The place that costs least comes first, but never one that is full, or
shut, before one that is neither.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.arrival import BAND_Z
from parking_cloud.guidance.schemas import Prefer

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Weights(NamedTuple):
    """How many minutes of driving each thing is worth."""

    walk: float
    """A minute on foot, there and back."""
    yuan: float
    """A yuan of the price."""
    failing: float
    """A minute lost at a place that is full."""


WEIGHTS = {
    Prefer.BALANCED: Weights(walk=3.0, yuan=2.0, failing=1.5),
    Prefer.WALK: Weights(walk=9.0, yuan=2.0, failing=1.5),
    Prefer.PRICE: Weights(walk=3.0, yuan=6.0, failing=1.5),
    Prefer.CERTAINTY: Weights(walk=3.0, yuan=2.0, failing=6.0),
}
"""Two yuan a minute would be an hour's wage of 120; half a minute a yuan one of 30: here it is 30 an hour.

A minute on foot counts one and a half times one at the wheel, and the walk is made twice."""
SERVICE_MIN = 2.0
"""Between the worst score and the best lie so many minutes; what has no score is taken as in the middle."""
LOOKING_MIN = 4.0
"""A full place costs this, before one drives on to the next."""
BLOCK_FACTOR, BLOCK_M_PER_MIN = 1.35, 300.0
"""To the next place: so much further than a straight line, at 18 km/h."""
LIKELY = 0.5
"""With less of a chance a place is offered after all that have more."""
SOON_MIN = 30.0
"""What is full now is offered last to who arrives within this, whatever the forecast hopes for."""
BOOKED_CHANCE = 0.99
"""A booked space is one's own; one time in a hundred something goes wrong at the gate."""
UNSEEN_MOST = 0.9
"""The most that is promised of a place of which nobody sees today what is free: what is usual for it may be
wrong today (it is shut off, or there is a fair), and no count would show it."""
DOUBT_S = 3_600.0
"""A count outside 0..capacity tells as much as a good one that is an hour older."""


MOST_SURE = 0.95
"""Where nobody sees whether the very spaces are free that a driver needs, no chance is told as better."""
NODE_WEIGHT = 0.304
"""Of each end of a band of 8 in 10, so that with its middle it has the spread of the whole."""


class Candidates(NamedTuple):
    """What is known of each place; NaN: not known."""

    walk_min: Floats
    drive_min: Floats | None
    """None: nobody knows where they come from, which makes no difference between places."""
    price: Floats
    """Fen."""
    chance: Floats
    service_min: Floats
    """What its score is worth (`service_minutes`)."""
    free_now: Floats
    """As far as it is fresh."""
    usable: Flags | None
    """One may drive in on arrival, or book. None: at all of them."""
    doubtful: Flags | None = None
    """Whether the vehicle fits in is not known. None: at none of them."""


class Hoped(NamedTuple):
    """What awaits on arrival, as forecasting.arrival.Outlook says it."""

    chance: Floats
    free: Floats
    low: Floats
    high: Floats


def of_a_kind(hoped: Hoped, share: Floats, number: Floats) -> Hoped:
    """What awaits who needs one of `number` spaces, that `share` of all, whose states nobody knows.

    Free spaces lie among all as if drawn at random: with f of them free, one of that kind is free with
    1 − (1 − share)^f at least. The chance that any is free goes into it as it is.
    """
    taken = np.clip(1.0 - share, 0.0, 1.0)
    # None of them less than one: how likely that is, the chance tells.
    low, middle, high = (taken ** np.maximum(free, 1.0) for free in (hoped.low, hoped.free, hoped.high))
    missing = NODE_WEIGHT * (low + high) + (1.0 - 2.0 * NODE_WEIGHT) * middle
    chance = np.minimum(hoped.chance * (1.0 - missing), MOST_SURE)
    free = np.minimum(hoped.free * share, number)
    sd_of_all = (hoped.high - hoped.low) / (2.0 * BAND_Z)
    away = BAND_Z * np.sqrt(free * taken + (share * sd_of_all) ** 2)
    low, high = np.maximum(free - away, 0.0), np.minimum(free + away, number)
    return Hoped(chance, free, low, np.maximum(high, free))


def minutes_lost(reach_m: float, places: int) -> float:
    """What it costs to find a place full: looking, and the way to the next one.

    So many places within a circle lie so far from each other on average.
    """
    apart = 0.5 * reach_m * math.sqrt(math.pi / max(places, 1))
    return LOOKING_MIN + apart * BLOCK_FACTOR / BLOCK_M_PER_MIN


def costs(places: Candidates, prefer: Prefer, failing_min: float) -> Floats:
    """Minutes that each place costs. A price that nobody knows is taken to be the dearest of those known."""
    weights = WEIGHTS[prefer]
    price = places.price
    unpriced = price != price
    if unpriced.any():
        price = np.where(unpriced, 0.0 if unpriced.all() else np.nanmax(price), price)
    cost = places.walk_min * weights.walk
    if places.drive_min is not None:
        cost += places.drive_min
    cost += price * (weights.yuan / 100.0)
    cost += (1.0 - places.chance) * (failing_min * weights.failing)
    cost += places.service_min
    return cost


def service_minutes(score: float | None) -> float:
    """What a score of 0..100 is worth; without one, what the middle is."""
    return (100.0 - (50.0 if score is None else score)) * (SERVICE_MIN / 100.0)


def tiers(places: Candidates, ahead_min: float) -> NDArray[np.int8]:
    """0: offered first; 1: full or probably so, or perhaps too low; 2: not to be used at that time."""
    poor = places.chance < LIKELY
    if ahead_min <= SOON_MIN:
        poor |= places.free_now == 0.0
    if places.doubtful is not None:
        poor |= places.doubtful
    return poor.astype(np.int8) if places.usable is None else np.where(places.usable, poor, 2).astype(np.int8)


def ranked(places: Candidates, cost: Floats, tier: NDArray[np.int8]) -> NDArray[np.intp]:
    """The places in order: by tier, then cost; those that are equal by what is free, then as they came."""
    known_free = np.where(places.free_now == places.free_now, places.free_now, -1.0)
    return np.lexsort((-known_free, cost, tier))

"""How full a place usually is: by kind of day and half hour, a mean and how far days lie around it.

Recent weeks weigh more, a day that was unlike all others (a fair, a closed road) weighs less, and where
little was seen the profile leans on that of its kind of place. Kinds of days are given, never guessed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


class DayOf(IntEnum):
    """What a day is to those who park."""

    WORK = 0
    REST = 1
    HOLIDAY = 2


DAYS, SLOTS = len(DayOf), 48
CELLS = DAYS * SLOTS
SHARE_SCALE, SD_SCALE = 255.0, 510.0
"""What 1.0 is as a byte. No spread of shares is above a half."""
HALF_LIFE_DAYS = 28.0
DAYS_APART_SD, DAYS_APART_SEEN = 0.1, 2.0
"""How far a place's days are taken to lie apart, as if that had been seen on two days."""
UNLIKE_SD = 2.0
"""A day further from the mean than so many deviations is drawn in to there."""
HOLIDAY_WIDER = 2.0
"""A holiday of which nothing was seen is taken as a day of rest, with so much more variance."""


class Profile(NamedTuple):
    """Bytes by [kind of day, half hour]: a place's occupied share and its deviation, scaled."""

    means: Bytes
    sds: Bytes
    days: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """How many days of each kind it rests on, by weight."""


class HalfHours(NamedTuple):
    """What was seen, an entry per half hour, in no order."""

    days_ago: Floats
    day_of: NDArray[np.intp]
    slot: NDArray[np.intp]
    share: Floats
    """Mean occupied share."""
    within: Floats
    """Its deviation within the half hour."""


def _as_bytes(means: Floats, variances: Floats) -> tuple[Bytes, Bytes]:
    shares = np.rint(np.clip(means, 0.0, 1.0) * SHARE_SCALE).astype(np.uint8)
    sds = np.ceil(np.clip(np.sqrt(variances), 1.0 / SD_SCALE, 0.5) * SD_SCALE).astype(np.uint8)
    return shares, sds


UNKNOWN = Profile(*_as_bytes(np.full((DAYS, SLOTS), 0.6), np.full((DAYS, SLOTS), 0.25**2)))
"""Of a place of which nothing at all is known: rather full, very uncertain."""


def build(seen: HalfHours, usual: Profile = UNKNOWN) -> Profile:
    """The profile of a place that was seen so; `usual` is that of its kind."""
    cell = seen.day_of * SLOTS + seen.slot
    weight = 0.5 ** (seen.days_ago / HALF_LIFE_DAYS)
    total: Floats = np.bincount(cell, weight, CELLS).astype(np.float64)
    divisor = np.where(total > 0, total, 1.0)
    share = seen.share
    mean = np.bincount(cell, weight * share, CELLS) / divisor
    for _ in range(2):
        spread = np.sqrt(np.bincount(cell, weight * (share - mean[cell]) ** 2, CELLS) / divisor)
        most = UNLIKE_SD * spread[cell]
        share = np.clip(share, mean[cell] - most, mean[cell] + most)
        mean = np.bincount(cell, weight * share, CELLS) / divisor
    variance = np.bincount(cell, weight * ((share - mean[cell]) ** 2 + seen.within**2), CELLS) / divisor
    return _leaning(
        mean.reshape(DAYS, SLOTS), variance.reshape(DAYS, SLOTS), total.reshape(DAYS, SLOTS), usual
    )


def _leaning(mean: Floats, variance: Floats, total: Floats, usual: Profile) -> Profile:
    """Mixed with the profile of its kind; of holidays with the place's own days of rest.

    The mean leans the less, the less the place's own days lie apart and the more places of its kind do.
    """
    means, variances = np.empty_like(mean), np.empty_like(mean)
    to_mean = usual.means / SHARE_SCALE
    to_variance = (usual.sds / SD_SCALE) ** 2
    for day in DayOf:
        if day is DayOf.HOLIDAY and total[DayOf.REST].sum() > 0:
            to_mean[day] = means[DayOf.REST]
            to_variance[day] = variances[DayOf.REST] * HOLIDAY_WIDER
        days = total[day]
        apart_by = (days * variance[day] + DAYS_APART_SEEN * DAYS_APART_SD**2) / (days + DAYS_APART_SEEN)
        own = days / (days + apart_by / to_variance[day])
        apart = mean[day] - to_mean[day]
        means[day] = to_mean[day] + own * apart
        variances[day] = own * apart_by + (1 - own) * to_variance[day] + own * (1 - own) * apart**2
    seen = tuple(round(float(number), 1) for number in total.max(axis=1))
    return Profile(*_as_bytes(means, variances), seen)  # type: ignore[arg-type]


def pooled(profiles: Sequence[Profile]) -> Profile:
    """What is usual among places: their mean, with how they differ in the spread."""
    if not profiles:
        return UNKNOWN
    means = np.stack([profile.means for profile in profiles]) / SHARE_SCALE
    variances = (np.stack([profile.sds for profile in profiles]) / SD_SCALE) ** 2
    return Profile(*_as_bytes(means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0)))

"""On a car park simulated vehicle by vehicle, which knows nothing of the forecast's formulas."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from forecasting.arrival import outlook
from forecasting.profile import SD_SCALE, SHARE_SCALE, SLOTS, DayOf, HalfHours, build

Floats = NDArray[np.float64]
CAPACITY, DAYS, STEP_MIN = 60, 70, 5
STEPS = 24 * 60 // STEP_MIN
LEARNT = 49


def free_spaces(seed: int) -> Floats:
    """By [day, step]: vehicles come by the hour, on some days more; they stay three hours or so.

    Who finds it full drives on.
    """
    random = np.random.default_rng(seed)
    left: list[float] = []
    free = np.zeros((DAYS, STEPS))
    for day in range(DAYS):
        busy = random.gamma(10.0, 0.1)
        for step in range(STEPS):
            now = (day * STEPS + step) * STEP_MIN
            hour = step * STEP_MIN / 60
            rate = busy * (0.02 + 0.33 * np.exp(-0.5 * ((hour - 12.5) / 3.0) ** 2))
            for came in sorted(now - random.random(random.poisson(rate * STEP_MIN)) * STEP_MIN):
                while left and left[0] <= came:
                    heapq.heappop(left)
                if len(left) < CAPACITY:
                    heapq.heappush(left, came + random.gamma(2.0, 90.0))
            free[day, step] = CAPACITY - len(left)
    return free


def learnt(free: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation by half hour, of the first weeks."""
    shares = 1 - free[:LEARNT].reshape(LEARNT, SLOTS, -1) / CAPACITY
    days, slots = np.divmod(np.arange(LEARNT * SLOTS), SLOTS)
    seen = HalfHours(
        (LEARNT - days).astype(np.float64),
        np.full(len(days), int(DayOf.WORK)),
        slots,
        shares.mean(axis=2).reshape(-1),
        shares.std(axis=2).reshape(-1),
    )
    profile = build(seen)
    return profile.means[DayOf.WORK] / SHARE_SCALE, profile.sds[DayOf.WORK] / SD_SCALE


def test_brier_and_band_in_the_weeks_after() -> None:
    free = free_spaces(seed=5)
    means, sds = learnt(free)
    later = free[LEARNT:].reshape(-1)
    for ahead in (15, 30, 60):
        steps = np.arange(len(later) - ahead // STEP_MIN)
        now, came = later[steps], later[steps + ahead // STEP_MIN]
        half_hour = (steps * STEP_MIN // 30) % SLOTS
        on_arrival = ((steps * STEP_MIN + ahead) // 30) % SLOTS
        said = outlook(
            np.full(len(steps), float(CAPACITY)),
            now,
            np.zeros(len(steps)),
            float(ahead),
            usual_then=means[half_hour],
            usual_on_arrival=means[on_arrival],
            sd_on_arrival=sds[on_arrival],
        )
        usual = ndtr(((1 - means[on_arrival]) - 0.5 / CAPACITY) / sds[on_arrival])
        there = (came >= 1).astype(np.float64)
        assert 0.02 < 1 - there.mean() < 0.4
        ours, by_now, by_usual = (
            np.mean((chance - there) ** 2) for chance in (said.chance, (now >= 1).astype(float), usual)
        )
        assert ours < by_now
        assert ours < by_usual
        within = (came >= said.low - 0.5) & (came <= said.high + 0.5)
        assert 0.75 < within.mean() < 0.97
        likely = said.chance > 0.9
        assert there[likely].mean() > 0.93

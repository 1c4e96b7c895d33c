"""Failed arrivals in a rush, by who guides the drivers (bench/rush.py): totals of some seeds, and when."""

from __future__ import annotations

from bench.rush import RUSH_MIN, Guide, Outcome, rush
from parking_cloud.launcher import Platform

_SEEDS = range(8)
_SLICE_MIN = 10


def run(_: Platform) -> None:
    """Print failed arrivals of each guide, when they were, and the ratio to "nearest with free spaces"."""
    outcomes = {guide: [rush(seed, guide) for seed in _SEEDS] for guide in Guide}
    nearest = _failed(outcomes[Guide.NEAREST])
    for guide, runs in outcomes.items():
        arrivals = sum(outcome.arrivals for outcome in runs)
        parked = sum(outcome.parked for outcome in runs)
        walked = sum(outcome.walked_m for outcome in runs) / len(runs)
        failed = _failed(runs)
        print(
            f"{guide:36} {failed:4} of {arrivals} arrivals failed, {parked} of"
            f" {sum(outcome.drivers for outcome in runs)} parked, {walked:3.0f} m on foot"
            f"   ratio {failed / nearest:.2f}"
        )
        for begin in range(0, RUSH_MIN + 20, _SLICE_MIN):
            number = sum(
                begin <= moment < begin + _SLICE_MIN for outcome in runs for moment in outcome.failed_at_min
            )
            print(f"   {begin:2} to {begin + _SLICE_MIN:2} min {number:4} {'█' * round(number / 4)}")


def _failed(outcomes: list[Outcome]) -> int:
    return sum(outcome.failed for outcome in outcomes)

"""In a rush, guidance that knows whom it has sent where leaves less than half as many at a full place."""

from __future__ import annotations

from bench.rush import Guide, rush

SEEDS = range(3)


def test_against_nearest_with_free_spaces() -> None:
    outcomes = {guide: [rush(seed, guide) for seed in SEEDS] for guide in Guide}
    failed = {guide: sum(outcome.failed for outcome in runs) for guide, runs in outcomes.items()}
    parked = {guide: sum(outcome.parked for outcome in runs) for guide, runs in outcomes.items()}
    assert failed[Guide.NEAREST] > 100
    assert failed[Guide.ALL] <= failed[Guide.NEAREST] / 2
    assert failed[Guide.ALL] < failed[Guide.CHANCE] <= failed[Guide.NEAREST]
    assert parked[Guide.ALL] >= parked[Guide.NEAREST]


def test_the_same_seed_is_the_same_rush() -> None:
    assert rush(1, Guide.ALL, drivers=60) == rush(1, Guide.ALL, drivers=60)

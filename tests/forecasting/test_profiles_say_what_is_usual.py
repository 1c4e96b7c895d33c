"""A profile is the usual: robust against an odd day, leaning on its kind where little was seen."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.profile import (
    CELLS,
    DAYS,
    SD_SCALE,
    SHARE_SCALE,
    SLOTS,
    UNKNOWN,
    DayOf,
    HalfHours,
    Profile,
    build,
    pooled,
)

NOON = 24


def seen(*days: tuple[float, DayOf, float], within: float = 0.0) -> HalfHours:
    """Whole days: (days ago, kind of day, share at all hours)."""
    ago, kinds, shares = (np.repeat([day[n] for day in days], SLOTS) for n in range(3))
    slots = np.tile(np.arange(SLOTS), len(days))
    return HalfHours(
        ago.astype(np.float64),
        kinds.astype(np.intp),
        slots,
        shares.astype(np.float64),
        np.full(len(slots), within),
    )


def mean(profile: Profile, day: DayOf = DayOf.WORK) -> float:
    return float(profile.means[day, NOON] / SHARE_SCALE)


def sd(profile: Profile, day: DayOf = DayOf.WORK) -> float:
    return float(profile.sds[day, NOON] / SD_SCALE)


def workdays(*shares: float) -> list[tuple[float, DayOf, float]]:
    return [(float(ago), DayOf.WORK, share) for ago, share in enumerate(shares, 1)]


def test_of_nothing_seen_it_is_that_of_its_kind() -> None:
    kind = pooled([build(seen(*workdays(*[0.9] * 40)))])
    nothing = build(HalfHours(*(np.zeros(0, kind) for kind in (float, int, int, float, float))), kind)
    assert (nothing.means[DayOf.WORK] == kind.means[DayOf.WORK]).all()
    assert nothing.days == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("days", "least"), [(1, 0.62), (4, 0.7), (20, 0.83), (40, 0.84)])
def test_the_more_is_seen_the_less_it_leans(days: int, least: float) -> None:
    profile = build(seen(*workdays(*[0.9] * days)))
    assert least < mean(profile) <= 0.9
    assert sd(profile) <= sd(UNKNOWN)


def test_one_odd_day_moves_it_little() -> None:
    usual = build(seen(*workdays(*[0.5, 0.52, 0.48, 0.5] * 5)))
    fair = build(seen(*workdays(*[0.5, 0.52, 0.48, 0.5] * 4, 1.0, 0.52, 0.48, 0.5)))
    assert abs(mean(fair) - mean(usual)) < 0.02


def test_last_weeks_weigh_more_than_those_before() -> None:
    profile = build(seen(*workdays(*[0.8] * 28, *[0.4] * 28)))
    assert mean(profile) > 0.64


def test_days_of_rest_are_their_own() -> None:
    rest = [(float(ago), DayOf.REST, 0.2) for ago in range(1, 20)]
    profile = build(seen(*workdays(*[0.9] * 20), *rest))
    assert mean(profile) > 0.8 > 0.3 > mean(profile, DayOf.REST)


def test_a_holiday_never_seen_is_a_day_of_rest_with_more_doubt() -> None:
    rest = [(float(ago), DayOf.REST, 0.2 + 0.02 * (ago % 3)) for ago in range(1, 20)]
    profile = build(seen(*rest))
    assert mean(profile, DayOf.HOLIDAY) == mean(profile, DayOf.REST)
    assert sd(profile, DayOf.HOLIDAY) > 1.3 * sd(profile, DayOf.REST)


def test_what_changes_within_half_an_hour_is_doubt() -> None:
    calm, lively = (build(seen(*workdays(*[0.5] * 20), within=within)) for within in (0.0, 0.2))
    assert sd(lively) > sd(calm) + 0.05


def test_kinds_hold_how_their_places_differ() -> None:
    full, empty = build(seen(*workdays(*[0.9] * 40))), build(seen(*workdays(*[0.1] * 40)))
    both = pooled([full, empty])
    assert mean(both) == pytest.approx(0.5, abs=0.03)
    assert sd(both) > 0.3
    assert pooled([]) is UNKNOWN


def test_a_facility_takes_288_bytes() -> None:
    profile = build(seen(*workdays(0.5)))
    assert profile.means.nbytes + profile.sds.nbytes == 2 * CELLS == 2 * DAYS * SLOTS == 288

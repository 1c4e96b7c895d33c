"""A mandate takes what its driver allowed, for a stay that nobody doubts: never 307 yuan for half an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.payments.mandate_rules import (
    MOST_A_STAY,
    Allowance,
    Asked,
    MandateState,
    Verdict,
    day_began,
    verdict,
)
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.stays.schemas import Situation

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
ALLOWANCE = Allowance(MandateState.ACTIVE, NOW, NOW, ceiling_stay=3_000, ceiling_day=5_000)
CHARGE = Asked(
    ChargeState.DUE,
    amount=800,
    owed=800,
    final_at=NOW + timedelta(hours=3),
    entered_at=NOW + timedelta(hours=1),
    left_at=NOW + timedelta(hours=3),
    situations=(),
    in_doubt=False,
)


def test_307_yuan_is_not_taken_by_any_mandate_that_can_be_given() -> None:
    widest = ALLOWANCE._replace(ceiling_stay=MOST_A_STAY, ceiling_day=50_000)
    wrong = CHARGE._replace(amount=30_700, owed=30_700)
    assert verdict(widest, wrong, 0) is Verdict.ABOVE_STAY


def test_an_ordinary_stay_is_taken() -> None:
    assert verdict(ALLOWANCE, CHARGE, 0) is Verdict.TAKE


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": 3_001, "owed": 3_001}, Verdict.ABOVE_STAY),
        ({"amount": 3_001, "owed": 1}, Verdict.ABOVE_STAY),
        ({"situations": [Situation.CORRECTED]}, Verdict.UNUSUAL),
        ({"situations": [Situation.MISSED_EXIT]}, Verdict.UNUSUAL),
        ({"in_doubt": True}, Verdict.UNUSUAL),
        ({"state": ChargeState.HELD}, Verdict.NOT_DUE),
        ({"state": ChargeState.OPEN}, Verdict.NOT_DUE),
        ({"owed": 0}, Verdict.NOT_DUE),
        ({"final_at": NOW - timedelta(seconds=1)}, Verdict.EARLIER),
        ({"entered_at": NOW - timedelta(seconds=1)}, Verdict.EARLIER),
        ({"left_at": NOW - timedelta(seconds=1)}, Verdict.EARLIER),
    ],
)
def test_what_is_not_taken(change: dict[str, object], expected: Verdict) -> None:
    assert verdict(ALLOWANCE, CHARGE._replace(**change), 0) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [s for s in MandateState if s is not MandateState.ACTIVE])
def test_a_mandate_that_is_not_active_takes_nothing(state: MandateState) -> None:
    assert verdict(ALLOWANCE._replace(state=state), CHARGE, 0) is Verdict.NOT_ACTIVE


@given(
    st.lists(st.integers(1, 60_000), max_size=30),
    st.integers(1, MOST_A_STAY),
    st.integers(0, 30_000),
)
def test_a_day_never_comes_above_its_ceiling(amounts: list[int], stay: int, more: int) -> None:
    allowance = ALLOWANCE._replace(ceiling_stay=stay, ceiling_day=stay + more)
    taken = 0
    for amount in amounts:
        if verdict(allowance, CHARGE._replace(amount=amount, owed=amount), taken) is Verdict.TAKE:
            assert amount <= stay
            taken += amount
    assert taken <= stay + more


def test_a_day_is_the_citys() -> None:
    assert day_began(datetime(2026, 11, 24, 16, 30, tzinfo=UTC)) == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    assert day_began(datetime(2026, 11, 24, 15, 30, tzinfo=UTC)) == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)

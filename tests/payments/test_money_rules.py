"""The decisions about money, by property: nothing is taken twice, nothing is paid back that never came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.payments import rules
from parking_cloud.payments.rules import AtExit, Paid, PaidAt, Told, Why
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.stays.schemas import StayState
from parking_cloud.tariffs.schemas import PermitKind
from tests.payments.parts import minute

FEN = st.integers(0, 10_000)
KEYS = st.integers(0, 5).map(lambda number: UUID(int=number))
AMOUNTS = st.dictionaries(KEYS, FEN, max_size=6)
PAID = st.lists(
    st.builds(Paid, payment_id=KEYS, at=st.integers(0, 99).map(minute), left=st.integers(-500, 5_000)),
    unique_by=lambda paid: paid.payment_id,
)


@given(stay=st.sampled_from(StayState), amount=FEN, paid=FEN)
def test_only_a_closed_stay_is_due(stay: StayState, amount: int, paid: int) -> None:
    state = rules.charge_state(stay, amount, min(paid, amount))
    assert (state is ChargeState.DUE) == (stay is StayState.CLOSED and paid < amount)
    assert (state is ChargeState.SETTLED) == (stay is StayState.CLOSED and paid >= amount)


@given(wanted=AMOUNTS, owed=AMOUNTS)
def test_no_more_is_paid_than_offered_and_owed(wanted: dict[UUID, int], owed: dict[UUID, int]) -> None:
    shares = rules.parts(wanted, owed)
    assert all(0 < share <= min(wanted[key], owed[key]) for key, share in shares.items())
    assert sum(shares.values()) == sum(min(wanted[key], owed.get(key, 0)) for key in wanted)


@given(paid=PAID, excess=FEN)
def test_an_excess_goes_back_whole_from_the_newest_or_not_at_all(paid: list[Paid], excess: int) -> None:
    left = {payment.payment_id: max(payment.left, 0) for payment in paid}
    if excess > sum(left.values()):
        with pytest.raises(ValueError, match="more is to be refunded"):
            rules.refunds_from(paid, excess)
        return
    shares = rules.refunds_from(paid, excess)
    assert sum(shares.values()) == excess
    assert all(0 < share <= left[payment] for payment, share in shares.items())
    newest_first = sorted(paid, key=lambda p: (p.at, p.payment_id), reverse=True)
    used = [p.payment_id for p in newest_first if p.payment_id in shares]
    whole = [payment for payment in used if shares[payment] == left[payment]]
    assert used[: len(used) - 1] == whole[: len(used) - 1]  # only the oldest of them is not used up


@given(by_charge=st.dictionaries(KEYS, st.integers(1, 10_000), min_size=1), share=st.integers(1, 100))
def test_what_a_bank_takes_back_falls_on_the_charges_within_their_parts(
    by_charge: dict[UUID, int], share: int
) -> None:
    taken = max(sum(by_charge.values()) * share // 100, 1)
    shares = rules.shares_of(taken, by_charge)
    assert sum(shares.values()) == taken
    assert all(0 <= part <= by_charge[charge] for charge, part in shares.items())
    assert shares == rules.shares_of(taken, dict(reversed(by_charge.items())))


@given(attempts=st.integers(0, 500))
def test_tries_come_slower_and_never_end(attempts: int) -> None:
    assert timedelta(seconds=1) <= rules.back_off(attempts) <= rules.back_off(attempts + 1) <= rules.SLOWEST


@given(
    price=FEN,
    owed=FEN,
    permit=st.none() | st.sampled_from(PermitKind),
    mandate=st.booleans(),
    later=st.booleans(),
)
def test_a_gate_opens_for_a_reason(
    price: int, owed: int, permit: PermitKind | None, mandate: bool, later: bool
) -> None:
    owed = min(owed, price)
    opens, why = rules.at_exit(AtExit(price, owed, permit, mandate, later))
    assert opens == (owed == 0 or mandate or later)
    assert (why is Why.DUE) == (not opens)
    assert (why is Why.PAID) == (price > 0 and owed == 0)
    if why is Why.PREPAID:
        assert permit is PermitKind.MONTHLY


def test_good_standing_ends_with_the_limit_and_with_what_is_long_unpaid() -> None:
    def good(owed_now: int, unpaid: int, days: int | None) -> bool:
        oldest = None if days is None else minute(0) - timedelta(days=days)
        return rules.good_standing(
            owed_now=owed_now, unpaid=unpaid, oldest_due=oldest, limit=5000, now=minute(0)
        )

    assert good(5000, 0, None)
    assert not good(5001, 0, None)
    assert good(2000, 3000, 30)
    assert not good(2000, 3001, 30)
    assert not good(1, 1, 31)


def until(left: float, told: Sequence[Told], *paid: tuple[float, int]) -> list[tuple[datetime, int | None]]:
    payments = [PaidAt(minute(at), amount) for at, amount in paid]
    return rules.prices_held(told, payments, minute(left), timedelta(minutes=15))


def test_the_grace_runs_from_the_payment_or_from_the_price() -> None:
    told = [Told(minute(50), minute(50), let_out=False)]
    assert until(65, told, (50, 600)) == [(minute(50), 600)]
    assert until(66, told, (50, 600)) == []
    assert until(74, told, (59, 600)) == [(minute(50), 600)]
    assert until(75, told, (59, 600)) == []
    assert until(65, told) == []


def test_a_payment_is_for_what_was_told_last_and_before_leaving() -> None:
    told = [Told(minute(at), minute(at), let_out=False) for at in (50, 61)]
    assert until(70, told, (62, 1200)) == [(minute(61), 1200)]
    assert until(62, told, (63, 1200)) == []
    assert until(64, told, (51, 600), (63, 600)) == [(minute(50), 600), (minute(61), 1200)]
    assert until(64, [], (51, 600)) == []


def test_what_a_gate_opened_for_holds_whether_paid_or_not() -> None:
    told = [Told(minute(60), minute(50), let_out=True)]
    assert until(75, told) == [(minute(50), None)]
    assert until(76, told) == []
    assert until(50, told) == []


def test_a_gate_that_opened_again_gives_no_second_grace() -> None:
    def already(priced_until: float, now: float) -> bool:
        told = [(minute(60), minute(50))]
        return rules.let_out_already(told, minute(priced_until), minute(now), timedelta(minutes=15))

    assert already(50, 75)
    assert already(61, 62)
    assert not already(49, 62)  # a lower price is news
    assert not already(50, 76)

"""The stages of arrears: by days from when the charge was final, never faster for a pause or a lost
reminder."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.arrears.rules import (
    Pause,
    Policy,
    PolicyStatus,
    Stage,
    answer_by,
    counted,
    next_look,
    punishable,
    reminder_is_due,
    stage,
)

FINAL = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
POLICY = Policy(30, 60, 75, 2, 5, PolicyStatus.CONFIRMED)
ORDER = list(Stage)


def day(days: float) -> datetime:
    return FINAL + timedelta(days=days)


REMINDED = [day(30), day(60)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-1, Stage.PAYMENT_PERIOD),
        (0, Stage.PAYMENT_PERIOD),
        (29.99, Stage.PAYMENT_PERIOD),
        (30, Stage.MAKE_UP),
        (59.99, Stage.MAKE_UP),
        (60, Stage.NEARLY_OVERDUE),
        (74.99, Stage.NEARLY_OVERDUE),
        (75, Stage.OVERDUE),
        (400, Stage.OVERDUE),
    ],
)
def test_by_days_alone(days: float, expected: Stage) -> None:
    assert stage(FINAL, [], REMINDED, day(days), POLICY) is expected


@pytest.mark.parametrize("reminders", [[], [day(30)]])
def test_nobody_is_overdue_without_two_reminders(reminders: list[datetime]) -> None:
    assert stage(FINAL, [], reminders, day(1000), POLICY) is Stage.NEARLY_OVERDUE


def test_a_late_second_reminder_leaves_the_whole_last_stage() -> None:
    late = [day(30), day(80)]
    assert stage(FINAL, [], late, day(94.9), POLICY) is Stage.NEARLY_OVERDUE
    assert stage(FINAL, [], late, day(95), POLICY) is Stage.OVERDUE


def test_an_objection_stops_the_clock_until_it_is_answered() -> None:
    open_ = [Pause(day(20), None)]
    assert stage(FINAL, open_, REMINDED, day(500), POLICY) is Stage.PAYMENT_PERIOD
    answered = [Pause(day(20), day(40))]
    assert stage(FINAL, answered, [], day(49.9), POLICY) is Stage.PAYMENT_PERIOD
    assert stage(FINAL, answered, [], day(50), POLICY) is Stage.MAKE_UP


def test_pauses_that_overlap_count_once() -> None:
    pauses = [Pause(day(1), day(10)), Pause(day(5), day(6)), Pause(day(8), day(12)), Pause(day(-5), day(-1))]
    assert counted(FINAL, pauses, day(20)) == timedelta(days=9)


def test_nothing_follows_from_a_policy_that_is_not_confirmed() -> None:
    unconfirmed = POLICY._replace(status=PolicyStatus.UNCONFIRMED)
    assert punishable(Stage.OVERDUE, POLICY)
    assert not punishable(Stage.OVERDUE, unconfirmed)
    assert not any(punishable(held, POLICY) for held in ORDER[:-1])


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        (Stage.PAYMENT_PERIOD, [], False),
        (Stage.MAKE_UP, [], True),
        (Stage.MAKE_UP, [day(30)], False),
        (Stage.NEARLY_OVERDUE, [day(30)], True),
        (Stage.NEARLY_OVERDUE, [None], False),
        (Stage.NEARLY_OVERDUE, [day(60)], False),
        (Stage.NEARLY_OVERDUE, [day(30), day(60)], False),
        (Stage.NEARLY_OVERDUE, [], True),
    ],
)
def test_each_reminder_waits_for_the_one_before(
    held: Stage, asked: list[datetime | None], expected: bool
) -> None:
    assert reminder_is_due(held, asked, day(61), POLICY, paused=False) is expected
    assert not reminder_is_due(held, asked, day(61), POLICY, paused=True)


def test_the_answer_is_due_after_working_days_of_the_city() -> None:
    # Tuesday evening in UTC is Wednesday here; 1 to 7 October 2026 are off, and 10 October is worked.
    opened = datetime(2026, 9, 29, 17, 0, tzinfo=UTC)
    assert answer_by(opened, POLICY) == date(2026, 10, 13)


moments = st.floats(-10, 200).map(day)
pauses = st.lists(
    st.builds(
        lambda begin, length: Pause(begin, None if length is None else begin + timedelta(days=length)),
        moments,
        st.none() | st.floats(0, 60),
    ),
    max_size=4,
)
reminders = st.lists(moments, max_size=4)
policies = st.builds(
    lambda first, second, third, needed: Policy(
        first, first + second, first + second + third, needed, 5, PolicyStatus.CONFIRMED
    ),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 3),
)


@given(pauses, reminders, policies, moments, st.floats(0, 100))
def test_a_stage_never_goes_back_by_itself(
    stopped: list[Pause], told: list[datetime], policy: Policy, now: datetime, later: float
) -> None:
    before = stage(FINAL, stopped, told, now, policy)
    after = stage(FINAL, stopped, told, now + timedelta(days=later), policy)
    assert ORDER.index(after) >= ORDER.index(before)


@given(pauses, st.lists(moments, max_size=4), policies, moments, moments)
def test_another_pause_never_hurries(
    stopped: list[Pause], told: list[datetime], policy: Policy, now: datetime, since: datetime
) -> None:
    more = [*stopped, Pause(since, None)]
    assert ORDER.index(stage(FINAL, more, told, now, policy)) <= ORDER.index(
        stage(FINAL, stopped, told, now, policy)
    )


@given(pauses, reminders, policies, moments)
def test_overdue_means_that_all_of_it_is_true(
    stopped: list[Pause], told: list[datetime], policy: Policy, now: datetime
) -> None:
    if stage(FINAL, stopped, told, now, policy) is Stage.OVERDUE:
        assert len([at for at in told if at <= now]) >= policy.reminders_needed
        assert counted(FINAL, stopped, now) >= timedelta(days=policy.overdue_from_day)


@given(pauses, reminders, policies, moments)
def test_no_stage_begins_before_the_next_look(
    stopped: list[Pause], told: list[datetime], policy: Policy, now: datetime
) -> None:
    look = next_look(FINAL, stopped, now, policy)
    closed = [pause for pause in stopped if pause.until is None or pause.until <= now]
    if look is None or len(closed) < len(stopped):
        return
    held = stage(FINAL, stopped, told, now, policy)
    just_before = max(now, look - timedelta(seconds=1))
    if not policy.reminders_needed or all(at <= now for at in told):
        moved = stage(FINAL, stopped, told, just_before, policy)
        assert moved is held or held is Stage.NEARLY_OVERDUE

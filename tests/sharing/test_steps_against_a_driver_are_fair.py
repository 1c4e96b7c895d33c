"""Which step comes when: each once, none in doubt, none against a driver that the city has not confirmed."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.sharing.overstay_rules import AGAINST, Action, Standing, Step, next_step, reminder
from tests.tariffs.parts import city

END = city("2026-11-20 21:00")
STEPS = [
    Step(1, timedelta(minutes=10), Action.MESSAGE, None, True),
    Step(2, timedelta(minutes=30), Action.CALL, None, True),
    Step(3, timedelta(minutes=60), Action.SUSPEND, 7, True),
    Step(4, timedelta(minutes=120), Action.CLUE, None, True),
]
IN_THE_WAY = Standing(END, in_doubt=False, in_the_way=True)


def minute(number: float) -> datetime:
    return END + timedelta(minutes=number)


def run(steps: list[Step], looks: list[float], standing: Standing = IN_THE_WAY) -> list[tuple[Action, float]]:
    """What is done, and when, at so many minutes after the end."""
    done: dict[int, datetime] = {}
    found = []
    for at in looks:
        step = next_step(steps, done, standing, minute(at))
        if step is not None:
            done[step.number] = minute(at)
            found.append((step.action, at))
    return found


def test_one_after_another_at_their_times() -> None:
    assert run(STEPS, [0, 9, 10, 11, 30, 45, 60, 119, 120, 500]) == [
        (Action.MESSAGE, 10),
        (Action.CALL, 30),
        (Action.SUSPEND, 60),
        (Action.CLUE, 120),
    ]


def test_a_platform_that_was_away_still_warns_before_it_suspends() -> None:
    assert run(STEPS, [200, 201, 219, 220, 249, 250, 310]) == [
        (Action.MESSAGE, 200),
        (Action.CALL, 220),
        (Action.SUSPEND, 250),
        (Action.CLUE, 310),
    ]


def test_whoever_is_in_nobodys_way_gets_no_more_than_a_message() -> None:
    alone = IN_THE_WAY._replace(in_the_way=False)
    assert run(STEPS, list(range(0, 1000, 5)), alone) == [(Action.MESSAGE, 10)]


def test_while_an_objection_waits_nothing_goes_against_the_driver() -> None:
    objected = IN_THE_WAY._replace(objected=True)
    assert [action for action, _ in run(STEPS, list(range(0, 1000, 5)), objected)] == [
        Action.MESSAGE,
        Action.CALL,
    ]


def test_whoever_was_right_hears_of_nothing_more() -> None:
    assert run(STEPS, list(range(0, 1000, 5)), IN_THE_WAY._replace(upheld=True)) == []


def test_what_the_city_has_not_confirmed_goes_against_nobody() -> None:
    steps = [step._replace(confirmed=False) for step in STEPS]
    assert [action for action, _ in run(steps, list(range(0, 1000, 5)))] == [Action.MESSAGE, Action.CALL]


steps = st.lists(
    st.builds(
        lambda number, after, action, confirmed: Step(
            number, timedelta(minutes=after), action, 7 if action is Action.SUSPEND else None, confirmed
        ),
        st.integers(1, 9),
        st.integers(1, 300),
        st.sampled_from(Action),
        st.booleans(),
    ),
    unique_by=lambda step: step.number,
    max_size=6,
)
looks = st.lists(st.integers(-60, 800), max_size=40).map(sorted)


@given(steps, looks, st.builds(Standing, st.just(END), *[st.booleans()] * 4))
def test_whatever_the_steps_are(steps: list[Step], looks: list[int], standing: Standing) -> None:
    done: dict[int, datetime] = {}
    last = timedelta()
    for at in looks:
        step = next_step(steps, done, standing, minute(at))
        if step is None:
            continue
        assert not standing.in_doubt
        assert not standing.upheld
        assert step.action not in AGAINST or not standing.objected
        assert step.number not in done
        assert minute(at) >= END + step.after
        assert step.confirmed or step.action not in AGAINST
        assert standing.in_the_way or step.action is Action.MESSAGE
        assert step.after >= last
        last, done[step.number] = step.after, minute(at)


@given(st.integers(-100, 100))
def test_a_reminder_is_due_before_the_end_and_only_then(before: int) -> None:
    due = reminder(END, END - timedelta(minutes=before))
    expected = None if not 0 < before <= 30 else timedelta(minutes=30 if before > 10 else 10)
    assert due == expected

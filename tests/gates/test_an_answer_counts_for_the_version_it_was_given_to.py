"""How a pass stands at its gate, and the times of a pass: for whatever was told and answered."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.gates.allow_list_rules import (
    UNCONFIRMED,
    PassState,
    Way,
    Word,
    merged,
    next_try,
    state_of,
)
from tests.factories import NOON

version = st.integers(1, 5)
words = st.builds(Word, version, st.none() | version, st.none() | version, st.booleans())


@given(words, st.sampled_from(Way), st.booleans(), st.booleans())
def test_only_a_yes_to_this_very_version_is_a_promise(
    word: Word, way: Way, has_gate: bool, withdrawn: bool
) -> None:
    state = state_of(word, way=way, has_gate=has_gate, withdrawn=withdrawn)
    answered = word.answered_version == word.version
    if withdrawn:
        assert state is PassState.WITHDRAWN
    elif state is PassState.ACKNOWLEDGED:
        assert answered
        assert word.accepted
    elif state is PassState.NOT_NEEDED:
        assert way in (Way.ASKS, Way.NONE) or (way is Way.UNSET and not has_gate)
    else:
        assert state in UNCONFIRMED
        assert not (answered and word.accepted)


minutes = st.integers(0, 200).map(lambda n: NOON + timedelta(minutes=n))


@given(st.lists(st.tuples(minutes, minutes), max_size=8))
def test_times_are_joined_and_none_is_lost_or_added(during: list[tuple[datetime, datetime]]) -> None:
    found = merged(during)
    assert all(start < end for start, end in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    for minute in range(201):
        at = NOON + timedelta(minutes=minute)
        assert any(s <= at < e for s, e in found) == any(s <= at < e for s, e in during)


@given(st.integers(1, 1000))
def test_a_gate_is_never_given_up(attempts: int) -> None:
    assert timedelta(seconds=10) <= next_try(attempts) <= timedelta(seconds=300)
    assert next_try(attempts) <= next_try(attempts + 1)

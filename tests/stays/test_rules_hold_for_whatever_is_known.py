"""Properties of the pure rules: one place at a time, the same for every order, doubt charges nobody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking_cloud.kernel.ids import stable_id
from parking_cloud.kernel.money import Fen
from parking_cloud.stays.plausible import TRANSITIONS, Cause, Policy, cause_of, judge
from parking_cloud.stays.rules import overlap, stay_id, visits
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayState
from parking_cloud.stays.visit import Action, Decision, Fact, FactKind, Visit
from tests.factories import NOON

PLACES = [stable_id("place", name) for name in ("garage", "street")]
SPACES = [stable_id("space", name) for name in ("a", "b")]
ENDS = [Ended.SPACE, Ended.DRIVER, Ended.ATTENDANT, Ended.TOW, Ended.COUNT]
POLICY = Policy()
LATER = NOON + timedelta(days=3)

times = st.one_of(st.integers(0, 15), st.integers(0, 4000)).map(lambda m: NOON + timedelta(minutes=m))
confidences = st.sampled_from([None, 0.5, 0.99])


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """What may be known of one vehicle."""
    found = []
    for n in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(FactKind))
        by = {
            FactKind.START: st.sampled_from([Opened.SPACE, Opened.DRIVER, Opened.ATTENDANT]),
            FactKind.END: st.sampled_from(
                [Ended.SPACE, Ended.DRIVER, Ended.ATTENDANT, Ended.TOW, Ended.COUNT]
            ),
        }.get(kind, st.just(""))
        space = draw(st.sampled_from([None, *SPACES])) if kind is FactKind.START else None
        found.append(
            Fact(
                id=stable_id("fact", str(n)),
                facility_id=draw(st.sampled_from(PLACES)),
                kind=kind,
                at=draw(times),
                by=draw(by),
                space_id=draw(st.sampled_from(SPACES)) if kind is FactKind.SWAP else space,
                confidence=draw(confidences),
            )
        )
    return found


@st.composite
def decided(draw: st.DrawFn, known: Sequence[Fact]) -> dict[UUID, Decision]:
    """Decisions on some of the stays that there may be."""
    found = {}
    for fact in draw(st.lists(st.sampled_from(known), max_size=3)):
        action = draw(st.sampled_from(Action))
        entered = fact.at
        exited = entered + timedelta(minutes=draw(st.integers(0, 500)))
        void = action is Action.VOID
        found[stay_id(fact.id)] = Decision(
            action=action,
            decided_at=draw(times),
            entered_at=None if void else entered,
            exited_at=None if void else exited,
            basis_entered_at=entered,
            basis_exited_at=draw(st.sampled_from([None, exited])),
        )
    return found


cases = facts().flatmap(lambda known: st.tuples(st.just(known), decided(known)))


def closed(found: Sequence[Visit]) -> list[Visit]:
    return [v for v in found if judge(v, POLICY, LATER)[0] is StayState.CLOSED]


@given(case=cases, seed=st.integers(0, 2**32))
@settings(max_examples=400, deadline=None)
def test_the_same_for_every_order_and_repetition(
    case: tuple[list[Fact], dict[UUID, Decision]], seed: int
) -> None:
    known, decisions = case
    chance = random.Random(seed)
    shuffled = known + chance.choices(known, k=3)
    chance.shuffle(shuffled)
    assert visits(shuffled, decisions) == visits(known, decisions)


@given(case=cases)
@settings(max_examples=600, deadline=None)
def test_never_two_closed_at_once(case: tuple[list[Fact], dict[UUID, Decision]]) -> None:
    found = closed(visits(*case))
    for one, other in combinations(sorted(found, key=lambda v: v.entered_at), 2):
        assert not overlap(one, other)


@given(known=facts())
@settings(max_examples=400, deadline=None)
def test_every_end_has_its_reason_and_no_stay_is_longer_than_what_is_proved(known: list[Fact]) -> None:
    said = {fact.at for fact in known}
    for visit in visits(known, {}):
        assert (visit.exited_at is None) == (visit.ended_by is None)
        assert visit.entered_at in said
        if visit.exited_at is not None:
            assert visit.exited_at >= visit.entered_at
            assert visit.exited_at in said
        if visit.ended_by in (Ended.NEXT_ENTRY, Ended.COUNT):
            assert visit.exited_at is not None
            assert visit.exited_at <= visit.proved_until
            assert judge(visit, POLICY, LATER)[0] is StayState.REVIEW


@given(known=facts(), amount=st.integers(0, 20_000), misread=st.booleans(), plated=st.booleans())
def test_what_is_doubtful_is_never_closed_by_itself(
    known: list[Fact], amount: int, misread: bool, plated: bool
) -> None:
    for visit in visits(known, {}):
        state, situations = judge(visit, POLICY, LATER, misread=misread, plated=plated, amount=Fen(amount))
        if state is StayState.CLOSED:
            assert not misread
            assert plated
            assert amount <= POLICY.dearest
            assert visit.exited_at is not None
            assert visit.exited_at - visit.entered_at <= POLICY.longest
            assert visit.confidence is None or visit.confidence >= POLICY.least_confidence
            assert situations <= {Situation.TOWED, Situation.VEHICLE_SWAP}


@pytest.mark.parametrize("cause", Cause)
def test_every_state_has_its_transitions(cause: Cause) -> None:
    for before in StayState:
        allowed = TRANSITIONS[cause][before]
        for after in StayState:
            likely = cause_of(cause, before, after)
            assert likely is cause if after in allowed else likely is Cause.RECORDS


def test_time_alone_makes_nothing_chargeable() -> None:
    for before, allowed in TRANSITIONS[Cause.TIME].items():
        assert StayState.CLOSED not in allowed or before is StayState.CLOSED
    with pytest.raises(ValueError, match="cannot become"):
        cause_of(Cause.TIME, None, "gone")  # type: ignore[arg-type]


@pytest.mark.parametrize(("apart", "states"), [(4, ["closed", "closed"]), (6, ["review", "review"])])
def test_a_little_overlap_is_the_clocks_and_more_is_in_doubt(apart: int, states: list[str]) -> None:
    def fact(name: str, place: int, kind: FactKind, minute: float) -> Fact:
        at: datetime = NOON + timedelta(minutes=minute)
        return Fact(id=stable_id("fact", name), facility_id=PLACES[place], kind=kind, at=at)

    first, second = visits(
        [
            fact("in", 0, FactKind.ENTRY, 0),
            fact("out", 0, FactKind.EXIT, 60 + apart),
            fact("in2", 1, FactKind.ENTRY, 60),
            fact("out2", 1, FactKind.EXIT, 90),
        ],
        {},
    )
    assert [judge(v, POLICY, LATER)[0] for v in (first, second)] == states
    if states[0] == "closed":
        assert (first.exited_at, second.entered_at) == (NOON + timedelta(minutes=60),) * 2

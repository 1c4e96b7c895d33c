"""A score is the sum of its lines, to the tenth; what is not known counts against nobody."""

from __future__ import annotations

from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.ratings import formulas
from parking_cloud.ratings.rules import (
    PER,
    WHOLE,
    FactRule,
    Formula,
    Inputs,
    Measured,
    Tally,
    explain,
    fact_grade,
    joined,
    ranks,
)
from parking_cloud.ratings.schemas import Fact, Question

FIRST = msgspec.json.decode(formulas._FIRST.read_bytes(), type=Formula)
GOOD = {
    Fact.FRESHNESS: Measured(1_000, 1_000),
    Fact.DRIFT: Measured(0, 1_000),
    Fact.AGREEMENT: Measured(0, 100),
    Fact.DOWNTIME: Measured(0, 1_000),
    Fact.COMPLAINTS: Measured(0, 1_000),
    Fact.TURN_AWAYS: Measured(0, 100),
}


def votes(*marks: int) -> Tally:
    return Tally(len(marks), sum(marks), sum(mark * mark for mark in marks))


def inputs(
    of_drivers: dict[Question, Tally] | None = None,
    facts: dict[Fact, Measured] | None = None,
    city: dict[Question, Tally] | None = None,
) -> Inputs:
    of_drivers = of_drivers or {}
    most = max((tally.votes for tally in of_drivers.values()), default=0)
    return Inputs(ratings=most, votes=of_drivers, city=city or of_drivers, facts=facts or {})


shares = st.integers(0, PER)
rules_of_facts = st.builds(
    lambda weight, bounds, least: FactRule(weight=weight, good=bounds[0], bad=bounds[1], least=least),
    st.integers(0, 100),
    st.tuples(shares, shares).filter(lambda both: both[0] != both[1]),
    st.integers(1, 50),
)
some_formula = st.builds(
    Formula,
    questions=st.dictionaries(st.sampled_from(Question), st.integers(0, 100)),
    prior_votes=st.integers(1, 100),
    neutral_votes=st.integers(1, 100),
    least_votes=st.integers(1, 10),
    rating_days=st.just(365),
    fact_days=st.just(90),
    facts=st.dictionaries(st.sampled_from(Fact), rules_of_facts),
    least_weight=st.integers(1, 100),
    rank_least_ratings=st.just(30),
    rank_least_stays=st.just(300),
)
tallies = st.lists(st.integers(1, 5), max_size=40).map(lambda marks: votes(*marks))
some_votes = st.dictionaries(st.sampled_from(Question), tallies)
measured = st.integers(0, 5_000).flatmap(lambda of: st.builds(Measured, st.integers(0, of), st.just(of)))
some_inputs = st.builds(
    Inputs,
    ratings=st.integers(0, 1_000),
    votes=some_votes,
    city=some_votes,
    facts=st.dictionaries(st.sampled_from(Fact), measured),
)


@given(some_formula, some_inputs)
def test_points_sum_to_the_score_and_none_exceeds_its_weight(formula: Formula, known: Inputs) -> None:
    explained = explain(formula, known)
    counted = [line for line in explained.lines if not line.why_not]
    if explained.score is None:
        assert counted == []
        return
    assert sum(line.points for line in counted) == explained.score
    assert sum(line.weight for line in counted) == WHOLE
    assert all(0 <= line.points <= line.weight for line in counted)
    assert all(line.points == line.weight == 0 for line in explained.lines if line.why_not)
    assert explained.low is not None
    assert explained.high is not None
    assert 0 <= explained.low <= explained.score <= explained.high <= WHOLE


@given(some_formula, some_inputs)
def test_what_was_kept_explains_the_same_score_again(formula: Formula, known: Inputs) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(known), type=Inputs)
    assert explain(formula, kept) == explain(formula, known)


def test_a_score_by_hand() -> None:
    half = {Fact.DOWNTIME: Measured(525, 10_000), Fact.COMPLAINTS: Measured(0, 400)}
    explained = explain(msgspec.structs.replace(FIRST, least_weight=1), inputs(facts=half))
    by_input = {line.input: (line.grade, line.weight, line.points) for line in explained.lines if line.weight}
    # Half way between 0.5 % and 10 % of the time down; two inputs of ten each share the whole.
    assert by_input == {Fact.DOWNTIME: (500, 500, 250), Fact.COMPLAINTS: (1_000, 500, 500)}
    assert explained.score == 750


def test_three_votes_do_not_beat_three_hundred() -> None:
    three, many = votes(5, 5, 5), votes(*[5] * 240, *[4] * 60)
    city = {q: votes(*[4] * 2_000, *[5] * 1_000) for q in Question}
    few = explain(FIRST, inputs(dict.fromkeys(Question, three), GOOD, city))
    lot = explain(FIRST, inputs(dict.fromkeys(Question, many), GOOD, city))
    assert few.score is not None
    assert lot.score is not None
    assert few.score < lot.score
    assert few.stars is not None
    assert lot.stars is not None
    assert few.stars < lot.stars
    assert (few.high or 0) - few.score > (lot.high or 0) - lot.score or few.high == WHOLE


@given(st.integers(3, 20), st.integers(300, 3_000), st.integers(1, 4))
def test_a_few_perfect_votes_never_beat_hundreds_that_are_nearly_so(few: int, lot: int, others: int) -> None:
    """Where the city's drivers are less than pleased, whoever has the proof of hundreds stands above."""
    city = {q: votes(*[others] * 5_000) for q in Question}
    of_few = explain(FIRST, inputs(dict.fromkeys(Question, votes(*[5] * few)), {}, city))
    nearly = votes(*[5] * (lot - lot // 20), *[4] * (lot // 20))
    of_lot = explain(FIRST, inputs(dict.fromkeys(Question, nearly), {}, city))
    assert of_few.score is not None
    assert of_lot.score is not None
    assert of_few.score < of_lot.score


def test_what_is_missing_is_named_and_counts_against_nobody() -> None:
    perfect = explain(FIRST, inputs(facts=GOOD))
    assert perfect.score == WHOLE
    without = explain(FIRST, inputs(facts={f: m for f, m in GOOD.items() if f is not Fact.DRIFT}))
    assert without.score == WHOLE
    drift = next(line for line in without.lines if line.input is Fact.DRIFT)
    assert (drift.why_not, drift.weight, drift.points) == ("none", 0, 0)
    two = explain(FIRST, inputs({Question.PRICE: votes(1, 1)}, GOOD))
    assert two.score == WHOLE
    assert next(line for line in two.lines if line.input is Question.PRICE).why_not == "too_few"


def test_of_too_little_no_score_is_made() -> None:
    explained = explain(FIRST, inputs(facts={Fact.AGREEMENT: GOOD[Fact.AGREEMENT]}))
    assert explained.score is None
    agreement = next(line for line in explained.lines if line.input is Fact.AGREEMENT)
    assert (agreement.grade, agreement.why_not) == (1_000, "not_enough_else")
    assert explain(FIRST, inputs()).score is None


@given(rules_of_facts, st.integers(1, 5_000), st.data())
def test_worse_is_never_graded_better(rule: FactRule, of: int, data: st.DataObject) -> None:
    one, other = data.draw(st.integers(0, of)), data.draw(st.integers(0, of))
    grades = [fact_grade(Measured(part, of), rule) for part in sorted((one, other))]
    assert grades == sorted(grades, reverse=rule.good < rule.bad)
    assert all(0 <= grade <= WHOLE for grade in grades)


@given(st.lists(st.tuples(st.integers(0, WHOLE), st.integers(0, 10_000)), min_size=1, max_size=30))
def test_an_operators_score_is_the_sum_of_what_its_places_brought(parts: list[tuple[int, int]]) -> None:
    if not any(stays for _, stays in parts):
        return
    total, brought = joined(parts)
    stays = sum(count for _, count in parts)
    assert sum(brought) == total
    assert abs(total - Fraction(sum(s * n for s, n in parts), stays)) <= Fraction(1, 2)
    assert min(s for s, n in parts if n) <= total <= max(s for s, n in parts if n)


def test_equal_scores_share_a_rank() -> None:
    assert ranks({"a": 810, "b": 910, "c": 810, "d": 700}) == {"a": 2, "b": 1, "c": 2, "d": 4}

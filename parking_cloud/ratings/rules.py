"""How a score is made of what is known: pure, in whole numbers, and every point of it accounted for.

Marks are 1..5. A grade is 0..1000, weights and points are tenths of a point, and a whole score is 1000 of
them: 100.0. What is not known is left out, and its weight goes to the others: it counts against nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import sqrt
from typing import Annotated, NamedTuple

import msgspec

from parking_cloud.ratings.schemas import Fact, Question

WHOLE = 1_000
"""Tenths of a point in a full score."""
PER = 100_000
"""In what a formula states good and bad shares."""
_NEUTRAL = 3
"""The middle of the marks: where the city's mean begins, before there are votes."""
_SURE = 1.96
"""Standard deviations: nineteen of twenty."""
_LEAST_VARIANCE = 0.25
"""A few equal votes do not make anybody sure."""

Share = Annotated[int, msgspec.Meta(ge=0, le=PER)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class FactRule(msgspec.Struct, frozen=True, kw_only=True):
    """A measured share (of PER) is graded in full at `good`, with nothing at `bad`, evenly between.

    `least`: of how many it must have been measured to count.
    """

    weight: Annotated[int, msgspec.Meta(ge=0, le=100)]
    good: Share
    bad: Share
    least: Positive


class Formula(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the formula. It is data; what is here holds for every one."""

    questions: dict[Question, Annotated[int, msgspec.Meta(ge=0, le=100)]]
    prior_votes: Positive
    """As many votes at the city's mean are added to each facility's own."""
    neutral_votes: Positive
    """As many votes in the middle are added to the city's own."""
    least_votes: Positive
    rating_days: Positive
    fact_days: Positive
    facts: dict[Fact, FactRule]
    least_weight: Annotated[int, msgspec.Meta(ge=1, le=100)]
    """Percent of all weight that must be known for there to be a score."""
    rank_least_ratings: Positive
    rank_least_stays: Positive


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Votes on one question: how many, their sum, and the sum of their squares."""

    votes: int
    total: int
    squares: int


class Measured(msgspec.Struct, frozen=True, array_like=True):
    """So many of so many."""

    part: int
    of: int


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that a score is made of, as it was that day. It is kept: the score can be worked out again."""

    ratings: int
    votes: dict[Question, Tally]
    city: dict[Question, Tally]
    facts: dict[Fact, Measured]


class Line(NamedTuple):
    """One input. `weight`: the most it can bring; `grade` None: not counted, by `why_not`."""

    input: Question | Fact
    grade: int | None
    weight: int
    points: int
    why_not: str


class Explained(NamedTuple):
    """A score with its lines, whose points sum to it. None: too little is known.

    `low` and `high`: where it would lie in nineteen of twenty cases with other votes of the same kind.
    """

    score: int | None
    low: int | None
    high: int | None
    stars: int | None
    """Drivers' mean in hundredths of a mark."""
    lines: list[Line]


def shared_out(total: int, parts: Sequence[Fraction]) -> list[int]:
    """Whole numbers that sum to `total`, each near its part: the largest remainders are rounded up.

    `parts` sum to within half of `total`; who is first wins a tie.
    """
    floors = [int(part // 1) for part in parts]
    missing = total - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda i: (floors[i] - parts[i], i))
    for i in by_remainder[:missing]:
        floors[i] += 1
    return floors


def nearest(value: Fraction) -> int:
    """The nearest whole number; a half goes up."""
    return int((value + Fraction(1, 2)) // 1)


def city_mean(tally: Tally | None, formula: Formula) -> Fraction:
    """What the city's drivers say on a question, beginning in the middle."""
    votes, total = (tally.votes, tally.total) if tally else (0, 0)
    return Fraction(_NEUTRAL * formula.neutral_votes + total, formula.neutral_votes + votes)


def drawn_mean(tally: Tally, city: Tally | None, formula: Formula) -> Fraction:
    """A facility's mean, drawn towards the city's by a fixed number of votes: three say less than three
    hundred."""
    prior = city_mean(city, formula) * formula.prior_votes
    return (prior + tally.total) / (formula.prior_votes + tally.votes)


def fact_grade(measured: Measured, rule: FactRule) -> int:
    """0..1000, evenly between bad and good."""
    if rule.good == rule.bad:
        raise ValueError("good and bad must differ")
    share = Fraction(measured.part * PER, measured.of)
    grade = (share - rule.bad) / (rule.good - rule.bad) * WHOLE
    return nearest(min(max(grade, Fraction(0)), Fraction(WHOLE)))


class _Known(NamedTuple):
    input: Question | Fact
    nominal: int
    grade: int | None
    why_not: str


def _known(formula: Formula, inputs: Inputs) -> list[_Known]:
    """Every input of the formula, in its order, graded where enough is known."""
    found = []
    for question in Question:
        tally = inputs.votes.get(question)
        enough = tally is not None and tally.votes >= formula.least_votes
        grade = None
        if enough and tally is not None:
            grade = nearest((drawn_mean(tally, inputs.city.get(question), formula) - 1) * WHOLE / 4)
        why = "" if enough else ("too_few" if tally and tally.votes else "none")
        found.append(_Known(question, formula.questions.get(question, 0), grade, why))
    for fact, rule in sorted(formula.facts.items(), key=lambda item: list(Fact).index(item[0])):
        measured = inputs.facts.get(fact)
        enough = measured is not None and measured.of >= rule.least
        grade = fact_grade(measured, rule) if enough and measured is not None else None
        why = "" if enough else ("too_few" if measured and measured.of else "none")
        found.append(_Known(fact, rule.weight, grade, why))
    return [known for known in found if known.nominal]


def explain(formula: Formula, inputs: Inputs) -> Explained:
    """The score, and each line of it."""
    known = _known(formula, inputs)
    counted = [k for k in known if k.grade is not None]
    stars = _stars(formula, inputs)
    nominal, all_nominal = sum(k.nominal for k in counted), sum(k.nominal for k in known)
    if not counted or nominal * 100 < formula.least_weight * all_nominal:
        lines = [Line(k.input, k.grade, 0, 0, k.why_not or "not_enough_else") for k in known]
        return Explained(None, None, None, stars, lines)
    weights = shared_out(WHOLE, [Fraction(k.nominal * WHOLE, nominal) for k in counted])
    exact = [Fraction(w * (k.grade or 0), WHOLE) for w, k in zip(weights, counted, strict=True)]
    score = nearest(sum(exact, Fraction(0)))
    brought = iter(zip(weights, shared_out(score, exact), strict=True))
    lines = [
        Line(k.input, None, 0, 0, k.why_not)
        if k.grade is None
        else Line(k.input, k.grade, *next(brought), "")
        for k in known
    ]
    spread = _spread(formula, inputs, lines)
    return Explained(score, max(score - spread, 0), min(score + spread, WHOLE), stars, lines)


def _stars(formula: Formula, inputs: Inputs) -> int | None:
    """Drivers' mean over all questions with votes enough, weighted as in the score."""
    means = {
        question: drawn_mean(tally, inputs.city.get(question), formula)
        for question, tally in inputs.votes.items()
        if tally.votes >= formula.least_votes and formula.questions.get(question)
    }
    weight = sum(formula.questions[question] for question in means)
    if not weight:
        return None
    return nearest(sum(formula.questions[q] * mean * 100 for q, mean in means.items()) / Fraction(weight))


def _spread(formula: Formula, inputs: Inputs, lines: Sequence[Line]) -> int:
    """By how many tenths chance could have moved the votes' part of the score, all of them together."""
    spread = 0.0
    for line in lines:
        tally = inputs.votes.get(line.input) if isinstance(line.input, Question) else None
        if line.grade is None or tally is None:
            continue
        variance = max(tally.squares / tally.votes - (tally.total / tally.votes) ** 2, _LEAST_VARIANCE)
        spread += line.weight / 4 * _SURE * sqrt(variance / (formula.prior_votes + tally.votes))
    return round(spread)


def joined(parts: Sequence[tuple[int, int]]) -> tuple[int, list[int]]:
    """An operator's score of its facilities' (score, stays), weighted by stays; and what each brought to it.

    Raises ValueError where there is no stay at all.
    """
    stays = sum(count for _, count in parts)
    if stays <= 0:
        raise ValueError("there is nothing to weigh by")
    exact = [Fraction(score * count, stays) for score, count in parts]
    total = nearest(sum(exact, Fraction(0)))
    return total, shared_out(total, exact)


def nearest_of(parts: Iterable[tuple[int, int]]) -> int:
    """The mean of (value, count), weighted by the counts, to the nearest whole number."""
    of = list(parts)
    return nearest(Fraction(sum(value * count for value, count in of), sum(count for _, count in of)))


def ranks(scores: Mapping[str, int]) -> dict[str, int]:
    """Places from the highest score down; who are equal share one, and the next is left out."""
    return {name: 1 + sum(other > score for other in scores.values()) for name, score in scores.items()}


def city_tallies(of_facilities: Sequence[Mapping[Question, Tally]]) -> dict[Question, Tally]:
    """All facilities' votes together."""
    found: dict[Question, Tally] = {}
    for votes in of_facilities:
        for question, tally in votes.items():
            before = found.get(question, Tally(0, 0, 0))
            found[question] = Tally(
                before.votes + tally.votes, before.total + tally.total, before.squares + tally.squares
            )
    return found

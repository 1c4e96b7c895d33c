"""A rate as numbers: what a window of so many minutes costs, looked up and not worked out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parking_cloud.tariffs import words
from parking_cloud.tariffs.shapes import NoCharge, PerTime, Rate, Steps, Table
from parking_cloud.tariffs.words import DAY, Pair

StepOf = tuple[int | None, int, int]
"""until, unit, amount"""


class Scale(NamedTuple):
    """A share of every amount, exactly: percentages of percentages."""

    num: int = 1
    den: int = 1
    unit: int = 1
    """Results are multiples of so many fen; what lies between is left to the driver."""

    def of(self, amount: int) -> int:
        return amount * self.num // (self.den * self.unit) * self.unit

    def times(self, percent: int) -> Scale:
        return Scale(self.num * percent, self.den * 100, self.unit)

    @property
    def percent(self) -> int:
        return self.num * 100 // self.den


class Curve:
    """What a window costs by its minutes: never falling, from zero on."""

    __slots__ = ("_base", "_steps", "_tail", "cap", "code", "covers", "size", "table", "words")

    def __init__(
        self, code: str, steps: Sequence[StepOf], said: Pair, *, tail: int, run_on: bool, cap: int | None
    ) -> None:
        self.code = code
        self.words = said
        self.cap = cap
        self._steps = list(steps)
        self._tail = tail
        bounds = [until for until, _, _ in steps if until is not None]
        self.size = max([DAY, *bounds]) + 1
        same: dict[int, int] = {}
        totals, covers = [], []
        for minutes in range(self.size):
            total, paid_for = self._count(minutes)
            totals.append(same.setdefault(total, total))
            covers.append(paid_for if run_on else minutes)
        self.table: list[int] = totals
        """The cost of so many minutes, for those that are usual."""
        self.covers: list[int] | None = covers if run_on else None
        """How many minutes are paid for by then: to the end of the unit that was begun."""

    def at(self, minutes: int) -> int:
        """What so many minutes cost."""
        return self.table[minutes] if minutes < self.size else self._count(minutes)[0]

    def paid_for(self, minutes: int) -> int:
        """How many minutes are paid for when so many have gone by."""
        if self.covers is None:
            return minutes
        return self.covers[minutes] if minutes < self.size else self._count(minutes)[1]

    def _count(self, minutes: int) -> tuple[int, int]:
        """(cost, minutes paid for): each step adds its begun units, but for a tail that is not billed."""
        total = begun_at = 0
        paid_for = minutes
        for until, unit, amount in self._steps:
            inside = (minutes if until is None else min(minutes, until)) - begun_at
            if inside <= 0:
                break
            units, rest = divmod(inside, unit)
            if rest > self._tail:
                units += 1
                paid_for = begun_at + units * unit
            total += units * amount
            begun_at = minutes if until is None else until
        return (total if self.cap is None else min(total, self.cap)), paid_for


def curve_of(rate: Rate, code: str, *, scale: Scale, caps: Scale, tail: int, run_on: bool) -> Curve:
    """The curve of a rate, its amounts and its cap at some percentage."""
    cap = None
    runs_on = False
    if isinstance(rate, NoCharge):
        steps: list[StepOf] = []
        said = ("免费", "free of charge")
    elif isinstance(rate, PerTime):
        # One unit without end: it is begun once.
        amount = scale.of(rate.amount)
        steps = [(None, 1 << 40, amount)]
        said = (f"每次 {words.money(amount)}", f"{words.money(amount)} each time")
    elif isinstance(rate, Table):
        rows = [(row.until, scale.of(row.total)) for row in rate.rows]
        then = None if rate.then is None else (rate.then.unit, scale.of(rate.then.amount))
        steps = _steps_of(rows, then)
        said = words.table_words(rows, then)
        cap = rate.cap
    else:
        assert isinstance(rate, Steps)
        steps = [(step.until, step.unit, scale.of(step.amount)) for step in rate.steps]
        said = words.steps_words(steps)
        cap = rate.cap
        runs_on = run_on
    cap = None if cap is None else caps.of(cap)
    said = _whole(said, rate, cap, tail)
    return Curve(code, steps, said, tail=tail, run_on=runs_on, cap=cap)


def _steps_of(rows: list[tuple[int, int]], then: tuple[int, int] | None) -> list[StepOf]:
    """A table's rows as what each adds to the one before."""
    steps: list[StepOf] = []
    before, counted = 0, 0
    for until, total in rows:
        steps.append((until, until - before, total - counted))
        before, counted = until, total
    return steps if then is None else [*steps, (None, *then)]


def _whole(said: Pair, rate: Rate, cap: int | None, tail: int) -> Pair:
    zh, en = f"{rate.name.zh}：{said[0]}", f"{rate.name.en}: {said[1]}"
    if cap is not None:
        zh, en = f"{zh}，最高 {words.money(cap)}", f"{en}, at most {words.money(cap)}"
    if tail and not isinstance(rate, NoCharge):
        zh, en = f"{zh}；尾数不超过 {tail} 分钟不计", f"{en}; a rest of up to {tail} min is not billed"
    return zh, en

"""Comparing our ledger with a provider's books, and working out what an operator is owed: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class DifferenceKind(StrEnum):
    MISSING_HERE = "missing_here"
    """In the provider's books, not in our ledger."""
    MISSING_THERE = "missing_there"
    """In our ledger, not in the provider's books."""
    AMOUNT = "amount"
    """In both, with different amounts."""
    TIMING = "timing"
    """In both, on the two sides of a midnight: explained by itself."""
    UNKNOWN_LINE = "unknown_line"
    """A line whose cause is none of ours, such as an adjustment of the provider's."""


class Cause(NamedTuple):
    """What a line or a movement is of: a kind of movement and its reference; one side of it is enough to find
    the other."""

    kind: str
    reference: str


class Entry(NamedTuple):
    """A line or a movement: what it did to the money at the provider (fen), on which day of the city."""

    cause: Cause
    amount: int
    day: date


class Difference(NamedTuple):
    """One cause on which a day's two sides do not agree. `here` and `there` are of that day alone."""

    kind: DifferenceKind
    cause: Cause
    here: int
    there: int

    @property
    def explained(self) -> bool:
        return self.kind is DifferenceKind.TIMING


def compare(
    day: date,
    there: Sequence[Entry],
    here: Sequence[Entry],
    known_there: Mapping[Cause, Entry],
    known_here: Mapping[Cause, Entry],
    unknown: Sequence[tuple[str, int]] = (),
) -> list[Difference]:
    """Every difference of a day, so that their sum is the whole of it to the fen.

    `known_*`: what the other side has of these causes on whatever day; `unknown`: lines (id, amount) that
    name nothing of ours.
    """
    lines = _by_cause(there)
    booked = _by_cause(here)
    found = []
    for cause in sorted(lines.keys() | booked.keys()):
        line, ours = lines.get(cause, 0), booked.get(cause, 0)
        if line == ours and cause in lines and cause in booked:
            continue
        kind = _kind(cause, day, cause in lines, cause in booked, known_there, known_here)
        if kind is not None:
            found.append(Difference(kind, cause, ours, line))
    found += [Difference(DifferenceKind.UNKNOWN_LINE, Cause("line", id_), 0, n) for id_, n in unknown]
    return found


def undone(there: Mapping[Cause, Entry], here: Mapping[Cause, Entry]) -> set[Cause]:
    """Refunds that went out at the provider and came back, while our ledger has neither: one that never was
    confirmed is not booked here, so the two lines explain each other."""
    found = set()
    for out in there:
        back = Cause("refund_failed", out.reference)
        if out.kind != "refund_done" or back not in there or out in here or back in here:
            continue
        if there[out].amount + there[back].amount == 0:
            found |= {out, back}
    return found


def _by_cause(entries: Iterable[Entry]) -> dict[Cause, int]:
    sums: dict[Cause, int] = {}
    for entry in entries:
        sums[entry.cause] = sums.get(entry.cause, 0) + entry.amount
    return sums


def _kind(
    cause: Cause,
    day: date,
    is_there: bool,
    is_here: bool,
    known_there: Mapping[Cause, Entry],
    known_here: Mapping[Cause, Entry],
) -> DifferenceKind | None:
    if is_there and is_here:
        return DifferenceKind.AMOUNT
    other = known_here.get(cause) if is_there else known_there.get(cause)
    one = known_there.get(cause) if is_there else known_here.get(cause)
    if other is None:
        return DifferenceKind.MISSING_HERE if is_there else DifferenceKind.MISSING_THERE
    if one is not None and other.amount != one.amount:
        return DifferenceKind.AMOUNT
    return DifferenceKind.TIMING if other.day != day else DifferenceKind.AMOUNT


class Item(NamedTuple):
    """What one movement did for one charge: the stuff that statements are made of."""

    facility: str
    day: date
    kind: str
    """`charged`, `paid`, `refunded`, `charged_back` or `fee`."""
    method: str
    amount: int
    """Fen, above zero in the operator's favour (a charge that was lowered is below zero)."""
    commission_bp: int = 0
    """The platform's share of it, in 1/10,000."""


class Line(NamedTuple):
    """A statement's line: one facility on one day. All in fen; what leaves the operator is below zero."""

    facility: str
    day: date
    charged: int
    paid_card: int
    paid_alipay: int
    paid_wechat_pay: int
    cash: int
    """Taken by attendants, less what was paid back in cash: the operator has it already."""
    refunded: int
    charged_back: int
    fees: int
    commission: int

    @property
    def electronic(self) -> int:
        return self.paid_card + self.paid_alipay + self.paid_wechat_pay

    @property
    def net(self) -> int:
        """What the operator is owed of it, besides the cash that it holds."""
        return self.electronic + self.refunded + self.charged_back + self.fees + self.commission


_SHARED = ("paid", "refunded", "charged_back")
"""Kinds of items of which the platform has its share."""
_PAID = {"card": 0, "alipay": 1, "wechat_pay": 2}


def statement_lines(items: Iterable[Item]) -> list[Line]:
    """The lines of a statement, by facility and day. The platform has its share of what drivers paid there,
    less what went back; where it changed, each payment has its own."""
    sums: dict[tuple[str, date], list[int]] = {}
    bases: dict[tuple[str, date], dict[int, int]] = {}
    for item in items:
        of = item.facility, item.day
        sums.setdefault(of, [0] * 8)[_column(item)] += item.amount
        base = bases.setdefault(of, {})
        if item.kind in _SHARED:
            base[item.commission_bp] = base.get(item.commission_bp, 0) + item.amount
    return [
        _line(facility, day, row, sum(commission(base, bp) for bp, base in bases[facility, day].items()))
        for (facility, day), row in sorted(sums.items())
    ]


def _column(item: Item) -> int:
    """charged, card, alipay, wechat, cash, refunded, charged back, fee."""
    match item.kind:
        case "charged":
            return 0
        case "paid" | "refunded" if item.method == "cash":
            return 4
        case "paid":
            return 1 + _PAID[item.method]
        case "refunded":
            return 5
        case "charged_back":
            return 6
        case "fee":
            return 7
    raise ValueError(f"no column for {item.kind}")


def _line(facility: str, day: date, row: list[int], share: int) -> Line:
    charged, card, alipay, wechat, cash, refunded, charged_back, fees = row
    return Line(
        facility=facility,
        day=day,
        charged=charged,
        paid_card=card,
        paid_alipay=alipay,
        paid_wechat_pay=wechat,
        cash=cash,
        refunded=refunded,
        charged_back=charged_back,
        fees=fees,
        commission=-share,
    )


def commission(base: int, bp: int) -> int:
    """The platform's part in fen, rounded to the operator's favour; of more paid back than paid, given
    back."""
    return base * bp // 10_000


class Totals(NamedTuple):
    """What a statement comes to."""

    net: int
    """Of its lines."""
    carried_in: int
    """Below zero: what an earlier statement left the operator owing."""
    payout: int
    carried_out: int


def totals(lines: Iterable[Line], carried_in: int) -> Totals:
    """What is paid out: never below zero, what is missing is carried to the next statement."""
    net = sum(line.net for line in lines)
    due = net + carried_in
    return Totals(net, carried_in, max(due, 0), min(due, 0))

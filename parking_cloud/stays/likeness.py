"""Whether two plates may be one plate read twice, once wrongly: a pure decision on two texts."""

from __future__ import annotations

from sensor_gateway.plates import PROVINCES

_LIKE = ("0DQOU", "8B3", "2Z7", "5S", "1I7LT", "6G", "CG", "4A", "VY", "MN", "HN")
"""Characters that cameras take for each other; a character may be in several groups."""
_ANOTHER = 2
"""What it costs to take one character for quite another, or to lose one."""
_MOST = 2
"""One character quite wrong, or two that are like the right ones. Two wrong ones are another vehicle."""


def alike(one: str, other: str) -> bool:
    """True where a camera may have made one of these plates of the other."""
    return one != other and abs(len(one) - len(other)) <= 1 and distance(one, other) <= _MOST


def same_color(one: str | None, other: str | None) -> bool:
    """True unless both colours are known, and differ."""
    return one is None or other is None or one == other


def distance(one: str, other: str) -> int:
    """What it costs to read one for the other: 1 for a like character, 2 for any other or a lost one."""
    above = [_ANOTHER * n for n in range(len(other) + 1)]
    for row, a in enumerate(one, 1):
        here = [_ANOTHER * row]
        for column, b in enumerate(other, 1):
            lost = min(above[column], here[-1]) + _ANOTHER
            here.append(min(lost, above[column - 1] + _taken_for(a, b)))
        above = here
    return above[-1]


def _taken_for(a: str, b: str) -> int:
    if a == b:
        return 0
    if a in PROVINCES and b in PROVINCES:
        return 1
    return 1 if any(a in group and b in group for group in _LIKE) else _ANOTHER

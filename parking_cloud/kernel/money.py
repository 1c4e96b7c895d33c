"""Money: whole fen, never a float."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NewType

Fen = NewType("Fen", int)
"""An amount in fen (1/100 yuan)."""

_YUAN = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,2}))?", re.ASCII)


def parse_yuan(text: str) -> Fen:
    """Yuan as people write it ("12.5", "¥3") → fen, exactly. Raises ValueError for anything else."""
    match = _YUAN.fullmatch(text.strip().removeprefix("¥").removeprefix("￥").removesuffix("元").strip())
    if match is None:
        raise ValueError(f"not an amount in yuan with at most two decimals: {text!r}")
    sign, yuan, cents = match.groups()
    amount = int(yuan) * 100 + int((cents or "0").ljust(2, "0"))
    return Fen(-amount if sign else amount)


def format_yuan(amount: Fen) -> str:
    """Fen → "¥12.50"."""
    sign = "-" if amount < 0 else ""
    return f"{sign}¥{abs(amount) // 100:,}.{abs(amount) % 100:02d}"


def share_out(amount: Fen, weights: Sequence[int]) -> list[Fen]:
    """Parts of `amount` in proportion to `weights`, by largest remainder; they sum to it exactly.

    Raises ValueError where weights are negative or all zero.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError("weights must not be negative, and not all zero")
    sign = -1 if amount < 0 else 1
    parts = [abs(amount) * weight // total for weight in weights]
    remainders = [abs(amount) * weight % total for weight in weights]
    short = abs(amount) - sum(parts)
    for index in sorted(range(len(weights)), key=lambda i: -remainders[i])[:short]:
        parts[index] += 1
    return [Fen(sign * part) for part in parts]

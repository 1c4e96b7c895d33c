"""Spans of time as sets: joined, cut, asked whether they hold another. All of them half open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple


class Span(NamedTuple):
    """From a moment until another, which is not in it any more."""

    start: datetime
    end: datetime


def union(spans: Iterable[Span]) -> list[Span]:
    """The same times as few spans, in order; those that touch are one."""
    joined: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def without(spans: Iterable[Span], cut: Iterable[Span]) -> list[Span]:
    """What of the first lies in none of the second."""
    left = union(spans)
    for hole in union(cut):
        left = [
            part
            for span in left
            for part in (
                Span(span.start, min(span.end, hole.start)),
                Span(max(span.start, hole.end), span.end),
            )
            if part.start < part.end
        ]
    return left


def within(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """What of them lies within the bounds."""
    cut = (Span(max(span.start, bounds.start), min(span.end, bounds.end)) for span in spans)
    return [span for span in cut if span.start < span.end]


def holding(spans: Sequence[Span], asked: Span) -> Span | None:
    """The one of these joined spans that holds all of the asked time; None where none does."""
    return next((s for s in spans if s.start <= asked.start and asked.end <= s.end), None)


def minutes_of(spans: Iterable[Span]) -> int:
    """How many whole minutes they last together, counted once where they overlap."""
    return int(sum((span.end - span.start).total_seconds() for span in union(spans)) // 60)

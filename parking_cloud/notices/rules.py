"""When a notice that a carrier did not take is tried again."""

from __future__ import annotations

from datetime import timedelta

MOST_ATTEMPTS = 12
"""About two days in all; then it counts as failed, and a person may look why."""
_FIRST = timedelta(seconds=30)
_LONGEST = timedelta(hours=6)


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts: doubled each time, up to six hours."""
    return min(_FIRST * (1 << min(attempts - 1, 20)), _LONGEST)

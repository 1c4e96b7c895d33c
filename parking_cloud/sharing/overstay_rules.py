"""Who is reminded, and which step comes next for whoever has not left: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

REMINDERS = (timedelta(minutes=30), timedelta(minutes=10))
"""So long before the end of a booked time whoever is still inside is reminded."""
LOOKED_BACK = timedelta(days=3)
"""So long after its end a booked time is still looked at."""


class Action(StrEnum):
    MESSAGE = "message"
    CALL = "call"
    """The people on the spot see to it."""
    SUSPEND = "suspend"
    """The driver may not book for some days."""
    CLUE = "clue"
    """Enforcement is told; officers decide."""


AGAINST = (Action.SUSPEND, Action.CLUE)
"""These go against the driver: only where the city has confirmed the step, and the vehicle is in the way."""


class Step(NamedTuple):
    """What is done so long after the end of a booked time; `days`: of a suspension."""

    number: int
    after: timedelta
    action: Action
    days: int | None
    confirmed: bool


class Standing(NamedTuple):
    """How a vehicle stands that has not left in time."""

    ended_at: datetime
    in_doubt: bool
    """What is known of its stay is not sure: then nothing is done."""
    in_the_way: bool
    """The facility is closed to everybody by now, or somebody has booked the space next."""
    objected: bool = False
    """The driver says that it is wrong, and the city has not answered yet."""
    upheld: bool = False
    """The city has found that the driver was right."""


def reminder(ends_at: datetime, now: datetime) -> timedelta | None:
    """Which reminder is due; a late one is not made up for by two."""
    due = [before for before in REMINDERS if ends_at - before <= now < ends_at]
    return min(due, default=None)


def next_step(
    steps: Sequence[Step], done: Mapping[int, datetime], standing: Standing, now: datetime
) -> Step | None:
    """The next step, if it is due. Each once; after the one before the time between the two passes anew, so
    that a platform that was away does not do all of them at once."""
    if standing.in_doubt or standing.upheld:
        return None
    since, before = standing.ended_at, timedelta()
    for step in sorted(steps, key=lambda s: (s.after, s.number)):
        if step.number in done:
            since, before = max(since, done[step.number]), max(before, step.after)
            continue
        if not may_be_done(step):
            continue
        if now < standing.ended_at + step.after or now < since + (step.after - before):
            return None
        if step.action is not Action.MESSAGE and not standing.in_the_way:
            return None
        if step.action in AGAINST and standing.objected:
            return None
        return step
    return None


def may_be_done(step: Step) -> bool:
    """What goes against a driver has to be the city's confirmed rule."""
    return step.confirmed or step.action not in AGAINST


def is_in_the_way(*, open_to_all: bool, booked_next: bool) -> bool:
    return booked_next or not open_to_all

"""What the numbers mean: pure decisions on counts and times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from sensor_gateway.observation import RUNNING_COUNT_WRAPS


class Numbers(msgspec.Struct, frozen=True):
    """A facility's numbers as shown. `free` and `occupied` are None where nothing is known."""

    free: int | None
    occupied: int | None
    unknown: int
    quality: str


def numbers_from_count(reported_free: int | None, capacity: int) -> Numbers:
    """Numbers of a counted facility: shown within 0..capacity, and flagged where the count was not."""
    if reported_free is None:
        return Numbers(None, None, capacity, "unknown")
    free = min(max(reported_free, 0), capacity)
    return Numbers(free, capacity - free, 0, "good" if free == reported_free else "out_of_range")


def numbers_from_spaces(occupied: int, free: int, capacity: int) -> Numbers:
    """Numbers of a facility with a sensor in each space: a silent space is unknown, never free."""
    if occupied + free == 0:
        return Numbers(None, None, capacity, "unknown")
    return Numbers(free, occupied, max(capacity - occupied - free, 0), "good")


def passed(before: int | None, now: int) -> int:
    """Vehicles between two values of a running count that wraps at RUNNING_COUNT_WRAPS.

    A step of over half the range is no traffic: the counter started again from 0. None: its first value,
    from which counting starts.
    """
    if before is None:
        return 0
    step = (now - before) % RUNNING_COUNT_WRAPS
    return now if step > RUNNING_COUNT_WRAPS // 2 else step


def is_stale(observed_at: datetime | None, now: datetime, limit: timedelta) -> bool:
    """True where nothing was heard within `limit` before `now`."""
    return observed_at is None or now - observed_at > limit


class Statement(msgspec.Struct, frozen=True, order=True):
    """That a space is occupied or free. They are ordered by time, then by the observation's id."""

    at: datetime
    id: UUID
    occupied: bool


class SpaceView(msgspec.Struct, frozen=True):
    """What follows from all statements about a space, in whatever order they came.

    `newest.occupied` has been so since `changed_at`; the opposite was last said at `opposite_at`. A change
    is shown at once, unless the run of statements before it was shorter than the hold-off: then the space
    flaps, and the change is shown once it has lasted that long (`settles_at`). So a change that stays is
    never shown later than one hold-off after it happened.
    """

    newest: Statement
    changed_at: datetime
    shown: bool
    opposite_at: datetime | None = None
    settles_at: datetime | None = None


def follow(view: SpaceView | None, statement: Statement, hold_off: timedelta) -> SpaceView:
    """The view after a statement that is newer than all before it."""
    if view is None:
        return SpaceView(statement, statement.at, statement.occupied)
    view = settle(view, statement.at)
    if statement.occupied == view.newest.occupied:
        return msgspec.structs.replace(view, newest=statement)
    at_once = statement.at - view.changed_at >= hold_off
    shown = statement.occupied if at_once else view.shown
    return SpaceView(
        newest=statement,
        changed_at=statement.at,
        opposite_at=view.newest.at,
        shown=shown,
        settles_at=None if shown == statement.occupied else statement.at + hold_off,
    )


def settle(view: SpaceView, now: datetime) -> SpaceView:
    """The view at `now`, with nothing said since: what has lasted long enough is shown."""
    if view.settles_at is None or now < view.settles_at:
        return view
    return msgspec.structs.replace(view, shown=view.newest.occupied, settles_at=None)


def replay(statements: Iterable[Statement], hold_off: timedelta) -> SpaceView | None:
    """The view that follows from a history."""
    view: SpaceView | None = None
    for statement in sorted(statements):
        view = follow(view, statement, hold_off)
    return view


def fit_in_late(view: SpaceView, statement: Statement, hold_off: timedelta) -> SpaceView | None:
    """The view after a statement older than its newest; None where only the history can tell."""
    if view.newest.at < view.changed_at + hold_off:
        return None
    if statement.at >= view.changed_at:
        return view if statement.occupied == view.newest.occupied else None
    if statement.occupied == view.newest.occupied:
        within = view.opposite_at is None or statement.at >= view.opposite_at
        return None if within else view
    opposite_at = max(view.opposite_at or statement.at, statement.at)
    return msgspec.structs.replace(view, opposite_at=opposite_at)

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


def passed(before: int, now: int, seconds: float, *, restarted: bool = False) -> int:
    """Vehicles between two values of one lane's running count, which wraps at RUNNING_COUNT_WRAPS.

    A fast gate is built for 60 vehicles a minute, and a platoon may pass so for some minutes. Over hours a
    lane carries no more than 600 an hour: a barrier needs about six seconds a vehicle, and people come in
    waves. What is beyond both is no traffic: then the counter started again from 0, as it does where it is
    known to have `restarted`. Where even that is too many, nothing is known.
    """
    most = 10 + min(seconds, 600) + max(seconds - 600, 0) / 6
    step = (now - before) % RUNNING_COUNT_WRAPS
    if step <= most and not restarted:
        return step
    return now if now <= most else 0


def is_stale(observed_at: datetime | None, now: datetime, limit: timedelta) -> bool:
    """True where nothing was heard within `limit` before `now`."""
    return observed_at is None or now - observed_at > limit


PRIOR_RIGHT, PRIOR_TOTAL = 19, 20
"""What is believed of a device before anybody looked: right 19 times of 20, worth as much as 20 findings."""


def accuracy(agreed: int, disagreed: int) -> float:
    """How likely a device is right: the mean of the Beta posterior of its findings (prior 19 of 20)."""
    return (PRIOR_RIGHT + agreed) / (PRIOR_TOTAL + agreed + disagreed)


def certainty(accuracy: float, age: timedelta, limit: timedelta, *, doubted: bool) -> float:
    """How sure one space (or a count) is, 0..1, when its newest statement is so old.

    Its device's accuracy, half of it where an open fault puts the device in doubt; halved again by each
    `limit` of age, and 0 past the first: then the statement is stale. A facility's certainty is the sum over
    its spaces (those unknown are 0) by its capacity.
    """
    if age > limit:
        return 0.0
    faded: float = 0.5 ** (max(age, timedelta(0)) / limit)
    return accuracy * faded * (0.5 if doubted else 1.0)


def carried_on(certain: float | None, summed_at: datetime | None, now: datetime, limit: timedelta) -> float:
    """A sum of certainties at a later time, with nothing heard since: what halves in each part halves whole.

    (But for what has become stale since; the sum is made every 20 seconds.)
    """
    if certain is None or summed_at is None or now <= summed_at:
        return certain or 0.0
    faded: float = 0.5 ** ((now - summed_at) / limit)
    return certain * faded


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
    never shown later than one hold-off after it happened. Where nothing has been said for too long
    (`silent`), nobody knows: whatever is shown counts no more until the next statement.
    """

    newest: Statement
    changed_at: datetime
    shown: bool
    opposite_at: datetime | None = None
    settles_at: datetime | None = None
    silent: bool = False

    @property
    def counts_as(self) -> bool | None:
        """Occupied, free or unknown in the facility's sums."""
        return None if self.silent else self.shown


def follow(view: SpaceView | None, statement: Statement, hold_off: timedelta) -> SpaceView:
    """The view after a statement that is newer than all before it."""
    if view is None:
        return SpaceView(statement, statement.at, statement.occupied)
    view = msgspec.structs.replace(settle(view, statement.at), silent=False)
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


def carried_over(view: SpaceView, before: SpaceView | None, since: datetime) -> SpaceView:
    """A view made from what was said since a time, with what was known from before that time.

    Where all of it says the same: since when it is so, and when the opposite was last said.
    """
    if before is None:
        return view
    if before.silent and view.newest == before.newest:
        view = msgspec.structs.replace(view, silent=True)
    if view.opposite_at is not None:
        return view
    if before.newest.occupied != view.newest.occupied:
        return msgspec.structs.replace(view, opposite_at=before.newest.at)
    changed_at = before.changed_at if before.changed_at < since else view.changed_at
    return msgspec.structs.replace(view, changed_at=changed_at, opposite_at=before.opposite_at)


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

"""How far an unpaid charge has come: pure decisions over a policy that is data, with its source and dates.

Days count from when the charge was final, and stand still while an objection is open. What a stage means
for a driver depends on whether the policy is confirmed as law here: one that is not only informs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from parking_cloud.kernel.calendar import add_working_days
from parking_cloud.kernel.clock import city_time


class Stage(StrEnum):
    PAYMENT_PERIOD = "payment_period"
    """缴费期."""
    MAKE_UP = "make_up"
    """补缴: the payment period is over, and the driver is reminded."""
    NEARLY_OVERDUE = "nearly_overdue"
    """即将逾期: reminded once more."""
    OVERDUE = "overdue"
    """已逾期: only after the reminders that the policy asks for have really been given."""


class PolicyStatus(StrEnum):
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    """Taken from another city's practice: it informs; nothing may follow from it."""


class Policy(NamedTuple):
    """When the stages begin, in days from when the charge was final."""

    make_up_from_day: int
    nearly_overdue_from_day: int
    overdue_from_day: int
    reminders_needed: int
    answer_working_days: int
    """Within which the operator answers an objection; then it is the city's."""
    status: PolicyStatus


class Pause(NamedTuple):
    """An objection's time. `until` None: it is open still."""

    since: datetime
    until: datetime | None


class Colour(StrEnum):
    """三色: how near a charge is to being overdue."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


COLOURS = {
    Stage.PAYMENT_PERIOD: Colour.GREEN,
    Stage.MAKE_UP: Colour.YELLOW,
    Stage.NEARLY_OVERDUE: Colour.RED,
    Stage.OVERDUE: Colour.RED,
}


def counted(final_at: datetime, pauses: Iterable[Pause], now: datetime) -> timedelta:
    """The time that has run: pauses are left out, wherever they overlap only once."""
    ran = max(now - final_at, timedelta(0))
    stood_until = final_at
    for since, until in sorted(pauses, key=lambda pause: pause.since):
        begin = max(since, stood_until)
        end = min(now if until is None else until, now)
        if end > begin:
            ran -= end - begin
            stood_until = end
    return max(ran, timedelta(0))


def stage(
    final_at: datetime,
    pauses: Sequence[Pause],
    given: Sequence[datetime],
    now: datetime,
    policy: Policy,
) -> Stage:
    """The stage that holds at `now`. `given`: when each reminder was really given.

    Overdue it is only after the reminders that are needed, and a full last stage after the last of them: a
    reminder that came late does not take from the driver's time.
    """
    days = counted(final_at, pauses, now) / timedelta(days=1)
    if days < policy.make_up_from_day:
        return Stage.PAYMENT_PERIOD
    if days < policy.nearly_overdue_from_day:
        return Stage.MAKE_UP
    if days < policy.overdue_from_day or not _was_reminded(pauses, given, now, policy):
        return Stage.NEARLY_OVERDUE
    return Stage.OVERDUE


def _was_reminded(pauses: Sequence[Pause], given: Sequence[datetime], now: datetime, policy: Policy) -> bool:
    reached = sorted(at for at in given if at <= now)
    if len(reached) < policy.reminders_needed:
        return False
    if not policy.reminders_needed:
        return True
    last_needed = reached[policy.reminders_needed - 1]
    last_stage = timedelta(days=policy.overdue_from_day - policy.nearly_overdue_from_day)
    return counted(last_needed, pauses, now) >= last_stage


def reminder_is_due(
    held: Stage, asked: Sequence[datetime | None], now: datetime, policy: Policy, *, paused: bool
) -> bool:
    """Whether the next reminder is to be asked for. `asked`: those so far, each with when it was really
    given.

    The first comes with the make-up period, the others with what follows: each only when the one before
    has been given for a whole last stage, so that a platform that was away does not remind twice in one
    day. None while an objection is open.
    """
    if paused or held is Stage.PAYMENT_PERIOD or len(asked) >= policy.reminders_needed:
        return False
    if not asked:
        return True
    last = asked[-1]
    apart = timedelta(days=policy.overdue_from_day - policy.nearly_overdue_from_day)
    return held is not Stage.MAKE_UP and last is not None and now - last >= apart


def punishable(held: Stage, policy: Policy) -> bool:
    """Whether anything may follow for the driver, such as being refused to leave first and pay later."""
    return held is Stage.OVERDUE and policy.status is PolicyStatus.CONFIRMED


def answer_by(opened_at: datetime, policy: Policy) -> date:
    """The last day for the operator's answer, in working days of the city. Raises UnknownHolidayYear."""
    return add_working_days(city_time(opened_at).date(), policy.answer_working_days)


def next_look(final_at: datetime, pauses: Sequence[Pause], now: datetime, policy: Policy) -> datetime | None:
    """When the next stage can begin at the soonest; None while an objection is open: nothing can."""
    if any(pause.until is None for pause in pauses):
        return None
    ran = counted(final_at, pauses, now)
    for day in (policy.make_up_from_day, policy.nearly_overdue_from_day, policy.overdue_from_day):
        if ran < timedelta(days=day):
            return now + (timedelta(days=day) - ran)
    return now + timedelta(hours=6)

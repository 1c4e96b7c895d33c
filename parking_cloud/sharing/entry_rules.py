"""Whether a gate lets a vehicle in, whether a driver was turned away, whom to offer what: pure decisions."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.sharing.times import Span

EARLY = timedelta(minutes=15)
"""So long before its time a driver may find the gate shut, and so long after its begin or end say so."""


LATE = timedelta(minutes=30)
"""So long after the begin, who says that the gate stayed shut may have stood there before."""
FAR_M = 2000
"""Whose phone is further away than that does not stand at the gate."""


class EntryWhy(StrEnum):
    BOOKED = "booked"
    PERMIT = "permit"
    WALK_IN = "walk_in"
    """Open to everybody now, and there is room."""
    FULL = "full"
    NOT_OPEN = "not_open"
    """Not open to the public now, and this vehicle has no booking."""
    TOO_EARLY = "too_early"
    """It is booked, for a time that begins soon."""


class AtEntry(NamedTuple):
    """What is known of a vehicle and a facility at the moment it stands at the gate."""

    booked: bool
    booked_soon: bool
    permit: bool
    open_to_all: bool
    room: int | None
    """Free spaces that nobody has booked; None: not known."""


def at_entry(facts: AtEntry) -> tuple[bool, EntryWhy]:
    """Whether to open, and why. Where nobody knows how much room there is, the gate's own count decides."""
    if facts.booked:
        return True, EntryWhy.BOOKED
    if facts.permit:
        return True, EntryWhy.PERMIT
    if facts.open_to_all and (facts.room is None or facts.room > 0):
        return True, EntryWhy.WALK_IN
    if facts.booked_soon:
        return False, EntryWhy.TOO_EARLY
    return False, EntryWhy.FULL if facts.open_to_all else EntryWhy.NOT_OPEN


class NotNow(StrEnum):
    """Why nobody was turned away by what is known."""

    NOT_CONFIRMED = "not_confirmed"
    NOT_THE_TIME = "not_the_time"
    INSIDE = "inside"


def turned_away_of(slots: list[Span], *, confirmed: bool, now: datetime) -> Span | NotNow:
    """The time of a booking at whose gate the driver stands, or why that cannot be."""
    if not confirmed:
        return NotNow.NOT_CONFIRMED
    near = [slot for slot in slots if slot.start - EARLY <= now < slot.end + EARLY]
    if not near:
        return NotNow.NOT_THE_TIME
    holding = [slot for slot in near if slot.start <= now < slot.end]
    return holding[0] if holding else near[0]


def nothing_used(begun: datetime, slot: Span, *, had_been_in: bool, now: datetime) -> bool:
    """Whether all of the money of a time comes back, and not only that of what is still to come: nobody was
    in before, and it is said soon after the begin."""
    return not had_been_in and now < min(begun + LATE, slot.end)


def stands_against(state: PassState, *, seen: bool, metres: int | None) -> bool:
    """Whether a record counts against its institution: not what is said from far away; nor, where the gate
    had said yes and saw nobody, what is said from nowhere."""
    if metres is not None and metres > FAR_M:
        return False
    return state is not PassState.ACKNOWLEDGED or seen or metres is not None

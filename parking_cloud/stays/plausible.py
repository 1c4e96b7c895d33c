"""Whether a visit may be charged by itself: a pure decision.

An implausible one never is. It goes to the operator with its evidence, and the operator carries the proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from parking_cloud.kernel.money import Fen
from parking_cloud.stays.schemas import Situation, StayState
from parking_cloud.stays.visit import Visit

DOUBTFUL = frozenset(Situation) - {Situation.TOWED, Situation.VEHICLE_SWAP, Situation.CORRECTED}
"""Each of these is looked at by a person. A tow and a swap prove when the visit had ended."""
DOUBTFUL_WHILE_OPEN = frozenset({Situation.TOO_LONG, Situation.PLATE_MISREAD, Situation.NO_PLATE})


class Policy(msgspec.Struct, frozen=True):
    """What a facility takes for plausible."""

    longest: timedelta = timedelta(hours=72)
    dearest: Fen = Fen(10_000)
    least_confidence: float = 0.9


class Cause(StrEnum):
    """Why a stay changes."""

    RECORDS = "records"
    """Gates, spaces or somebody at the place said something."""
    PERSON = "person"
    """Somebody decided about the stay."""
    TIME = "time"
    """It went on for too long, or nobody proved it in time."""


TRANSITIONS: Mapping[Cause, Mapping[StayState | None, frozenset[StayState]]] = {
    Cause.RECORDS: {
        None: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.OPEN: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.CLOSED: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.REVIEW: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.VOID: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
    },
    Cause.PERSON: {
        StayState.OPEN: frozenset({StayState.OPEN, StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.CLOSED: frozenset({StayState.CLOSED, StayState.REVIEW, StayState.VOID}),
        StayState.REVIEW: frozenset({StayState.REVIEW, StayState.CLOSED, StayState.VOID, StayState.OPEN}),
        StayState.VOID: frozenset({StayState.VOID, StayState.CLOSED, StayState.REVIEW}),
    },
    Cause.TIME: {
        StayState.OPEN: frozenset({StayState.OPEN, StayState.REVIEW}),
        StayState.CLOSED: frozenset({StayState.CLOSED}),
        StayState.REVIEW: frozenset({StayState.REVIEW, StayState.VOID}),
        StayState.VOID: frozenset({StayState.VOID}),
    },
}
"""What may become of a stay, by what changes it. Time alone never makes anything chargeable."""


def judge(
    visit: Visit,
    policy: Policy,
    now: datetime,
    *,
    misread: bool = False,
    plated: bool = True,
    amount: Fen | None = None,
) -> tuple[StayState, frozenset[Situation]]:
    """The state of a visit's stay, and all that is out of the ordinary about it.

    `misread`: the plate may be another's; `amount`: what it would cost, where that is known.
    """
    situations = set(visit.situations)
    if misread:
        situations.add(Situation.PLATE_MISREAD)
    if not plated:
        situations.add(Situation.NO_PLATE)
    if visit.confidence is not None and visit.confidence < policy.least_confidence:
        situations.add(Situation.PLATE_UNSURE)
    if (visit.exited_at or now) - visit.entered_at > policy.longest:
        situations.add(Situation.TOO_LONG)
    if amount is not None and amount > policy.dearest:
        situations.add(Situation.TOO_DEAR)
    found = frozenset(situations)
    if visit.void:
        return StayState.VOID, found
    if visit.standing is not None:
        return StayState.REVIEW if visit.doubted else StayState.CLOSED, found
    if visit.contradicted:
        return StayState.REVIEW, found | {Situation.CORRECTED}
    doubtful = DOUBTFUL_WHILE_OPEN if visit.exited_at is None else DOUBTFUL
    if found & doubtful:
        return StayState.REVIEW, found
    return StayState.OPEN if visit.exited_at is None else StayState.CLOSED, found


def cause_of(cause: Cause, before: StayState | None, after: StayState) -> Cause:
    """Why a stay's state moves on: the given cause, or records that came meanwhile. Raises ValueError where
    neither may do that."""
    for likely in (cause, Cause.RECORDS):
        if after in TRANSITIONS[likely].get(before, ()):
            return likely
    raise ValueError(f"a stay that is {before} cannot become {after} because of {cause}")

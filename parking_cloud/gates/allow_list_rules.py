"""How a pass stands: a pure decision."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from parking_cloud.kernel.hooks import RETRIES_S

Stretch = tuple[datetime, datetime]


class Way(StrEnum):
    """How a facility's gate learns of passes."""

    UNSET = "unset"
    """Nobody has said: where a gate reports passages, nothing may be promised."""
    PUSH = "push"
    PULL = "pull"
    ASKS = "asks"
    """It asks for each vehicle: POST /v1/entries."""
    NONE = "none"
    """There is no barrier."""


class PassState(StrEnum):
    WAITING = "waiting"
    TOLD = "told"
    """The gate has it, and has not answered."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    NOT_NEEDED = "not_needed"
    """No barrier, or one that asks for each vehicle."""


UNCONFIRMED = (PassState.WAITING, PassState.TOLD, PassState.REFUSED)
"""The gate has not said yes: the driver is not to rely on it."""


class Word(NamedTuple):
    """What was told to a gate and what it answered, of a pass at some version."""

    version: int
    told_version: int | None
    answered_version: int | None
    accepted: bool | None


def state_of(word: Word, *, way: Way, has_gate: bool, withdrawn: bool) -> PassState:
    """How a pass stands. An answer counts only for the very version it was given to."""
    if withdrawn:
        return PassState.WITHDRAWN
    if way in (Way.ASKS, Way.NONE) or (way is Way.UNSET and not has_gate):
        return PassState.NOT_NEEDED
    if word.answered_version == word.version:
        return PassState.ACKNOWLEDGED if word.accepted else PassState.REFUSED
    return PassState.TOLD if word.told_version == word.version else PassState.WAITING


def merged(during: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of time in order, without overlaps; those that touch are one. Empty ones fall away."""
    found: list[Stretch] = []
    for start, end in sorted(stretch for stretch in during if stretch[0] < stretch[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def next_try(attempts: int) -> timedelta:
    """The pause after so many failures in a row. A gate is never given up: people stand before it."""
    return timedelta(seconds=RETRIES_S[min(attempts, len(RETRIES_S)) - 1])

"""What is known of a vehicle, and the visits that follow: the words of rules.py."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from parking_cloud.stays.schemas import Ended, Opened, Situation


class FactKind(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"
    START = "start"
    """Somebody, or a space with a sighting, says that it is there from now on."""
    END = "end"
    SWAP = "swap"
    """Another vehicle stands on the space."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing known of the vehicle: a passage as it stands, or a mark that somebody made."""

    id: UUID
    facility_id: UUID
    kind: FactKind
    at: datetime
    by: str = ""
    """Of a start or an end: one of Opened or Ended."""
    space_id: UUID | None = None
    confidence: float | None = None
    """Of a reading that no person has checked."""


class Action(StrEnum):
    CONFIRM = "confirm"
    CORRECT = "correct"
    VOID = "void"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of a stay, and what had been derived of it then."""

    action: Action
    decided_at: datetime
    entered_at: datetime | None = None
    exited_at: datetime | None = None
    basis_entered_at: datetime | None = None
    basis_exited_at: datetime | None = None


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What follows for one visit."""

    id: UUID
    facility_id: UUID
    entered_at: datetime
    opened_by: Opened
    entry_event_id: UUID | None = None
    exited_at: datetime | None = None
    ended_by: Ended | None = None
    exit_event_id: UUID | None = None
    not_after: datetime | None = None
    """Where the end is not known: by then it had left."""
    proved_until: datetime
    """The last moment at which it was certainly there."""
    space_id: UUID | None = None
    confidence: float | None = None
    situations: frozenset[Situation] = frozenset()
    facts: tuple[Fact, ...] = ()
    """What it rests on, in order."""
    decision: Decision | None = None
    contradicted: bool = False
    """Records say something else than was decided before they came."""
    doubted: bool = False
    """It lasts while another visit of the vehicle does."""
    derived: tuple[datetime, datetime | None] | None = None
    """Begin and end by the records of its place alone: what a decision is set against."""

    @property
    def void(self) -> bool:
        return self.decision is not None and self.decision.action is Action.VOID

    @property
    def standing(self) -> Decision | None:
        """The decision by which a person answers for it."""
        return self.decision if self.decision and not self.void and not self.contradicted else None

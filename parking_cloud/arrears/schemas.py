"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from parking_cloud.arrears.rules import Colour, Stage

Grounds = Annotated[str, msgspec.Meta(min_length=4, max_length=1000)]
Reason = Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class ObjectionIn(msgspec.Struct, frozen=True, kw_only=True):
    """Why a charge is wrong. `receipt`: the token of a payment for it, from who is not signed in."""

    grounds: Grounds
    receipt: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ObjectionOut(msgspec.Struct, frozen=True, kw_only=True):
    """An objection as whoever made it sees it."""

    id: UUID
    state: str
    opened_at: datetime
    answer_by: date
    with_the_city: bool
    answered_at: datetime | None
    answer: str


class ObjectionItem(msgspec.Struct, frozen=True, kw_only=True):
    """An objection on the desk. Who said it is not shown: it is the charge that is judged."""

    id: UUID
    charge_id: UUID
    stay_id: UUID | None
    facility: str
    amount: int
    paid: int
    grounds: str
    opened_at: datetime
    answer_by: date
    with_the_city: bool
    colour: Colour


class AnswerIn(msgspec.Struct, frozen=True, kw_only=True):
    """`upheld` with `lowered_to` in fen (0: nothing is owed, and the stay is taken back); or `rejected`."""

    outcome: Literal["upheld", "rejected"]
    reason: Reason
    lowered_to: Annotated[int, msgspec.Meta(ge=0)] = 0


class CaseItem(msgspec.Struct, frozen=True, kw_only=True):
    """An unpaid charge, for staff. No plate: a person is looked up only with a reason, elsewhere."""

    charge_id: UUID
    stay_id: UUID | None
    facility: str
    stage: Stage
    colour: Colour
    stage_since: datetime
    final_at: datetime
    owed: int
    reminders_given: int
    paused: bool
    only_informs: bool


class CasePage(msgspec.Struct, frozen=True):
    items: list[CaseItem]
    next_cursor: UUID | None


class ByHandIn(msgspec.Struct, frozen=True, kw_only=True):
    """A reminder that was given otherwise: a letter, a call, a note handed over. `note` says how and to
    whom."""

    note: Reason
    given_at: datetime


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """An unpaid charge, as the driver whose it is sees it."""

    charge_id: UUID
    facility: str
    owed: int
    final_at: datetime
    stage: Stage
    paused: bool
    only_informs: bool

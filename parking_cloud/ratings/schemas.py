"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec


class Question(StrEnum):
    """What a driver is asked, each answered with 1..5 or not at all."""

    FINDING = "finding"
    """Finding the way."""
    NUMBER = "number"
    """The number shown was true."""
    PRICE = "price"
    """The price was clear."""
    PAYMENT = "payment"
    STAFF = "staff"


class Fact(StrEnum):
    """What the platform measures by itself."""

    FRESHNESS = "freshness"
    """Of how many spaces the state was fresh, wherever anything was known."""
    DRIFT = "drift"
    """How far what was derived lay from what was counted."""
    AGREEMENT = "agreement"
    """How often people on the spot found what the sensor said to be wrong."""
    DOWNTIME = "downtime"
    """How much of the time nothing was known."""
    COMPLAINTS = "complaints"
    """Objections upheld, by stays."""
    TURN_AWAYS = "turn_aways"
    """Booked drivers turned away, by bookings."""


class TextState(StrEnum):
    """Who may read what a driver wrote. The marks count whatever becomes of the text."""

    SHOWN = "shown"
    SCREENED = "screened"
    """Held for a person."""
    HIDDEN = "hidden"


Mark = Annotated[int, msgspec.Meta(ge=1, le=5)]
Language = Literal["zh-CN", "en"]
Reason = Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class RatingIn(msgspec.Struct, frozen=True, kw_only=True):
    """At least one of the five marks, and perhaps a few words."""

    finding: Mark | None = None
    number: Mark | None = None
    price: Mark | None = None
    payment: Mark | None = None
    staff: Mark | None = None
    text: Annotated[str, msgspec.Meta(max_length=500)] = ""
    language: Language = "zh-CN"
    agree: bool = False
    """Everybody may read the text: the consent is given with it. Without a consent it is read by nobody."""


class AnswerOut(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    month: str | None
    """Year and month; None where the rating's own is not told."""


class MyRating(msgspec.Struct, frozen=True, kw_only=True):
    """A rating as its author sees it."""

    id: UUID
    stay_id: UUID
    facility_id: UUID
    facility: str
    marks: dict[Question, int]
    text: str
    agreed: bool
    """They let others read the text, when they wrote it and since; else nobody does."""
    state: TextState
    reason: str
    """Why the text is hidden, or held."""
    created_at: datetime
    may_change: bool
    answer: AnswerOut | None


class OpenStay(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that can be rated still."""

    stay_id: UUID
    facility_id: UUID
    facility: str
    entered_at: datetime
    exited_at: datetime
    until: datetime


class PublicRating(msgspec.Struct, frozen=True, kw_only=True):
    """A rating as everybody reads it: by nobody, of a month, or of no time where few rated in that month."""

    id: UUID
    marks: dict[Question, int]
    text: str
    language: str
    month: str | None
    answer: AnswerOut | None


class PublicRatings(msgspec.Struct, frozen=True, kw_only=True):
    facility_id: UUID
    facility: str
    count: int
    means: dict[Question, float]
    """Of the questions with votes enough, each drawn towards the city's mean."""
    items: list[PublicRating]
    next_page: int | None


class DeskRating(msgspec.Struct, frozen=True, kw_only=True):
    """A rating on the desk. Who wrote it is shown to nobody."""

    id: UUID
    facility_id: UUID
    facility: str
    marks: dict[Question, int]
    text: str
    published: str
    """The text as it would be published: what tells of a person masked."""
    found: list[str]
    """What the rules held it for."""
    state: TextState
    reason: str
    reported_why: str
    month: str
    answer: str
    may_answer: bool


class DecisionIn(msgspec.Struct, frozen=True, kw_only=True):
    """The city's word on a text: shown, or hidden with a reason that its author is told."""

    state: Literal["shown", "hidden"]
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class AnswerIn(msgspec.Struct, frozen=True, kw_only=True):
    text: Annotated[str, msgspec.Meta(min_length=2, max_length=500)]


class ReportIn(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A facility's published score. `value` is 0..100, `stars` drivers' mean 1..5: None where too little is
    known; `count` is of ratings."""

    value: float | None
    stars: float | None
    count: int


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a score: what was measured, the most it can bring, and what it brought. Points of a
    score's lines sum exactly to it."""

    input: str
    counted: bool
    value: float | None
    """What it was graded as, 0..100."""
    weight: float
    points: float
    words: dict[str, str]


class ScoreOut(msgspec.Struct, frozen=True, kw_only=True):
    """A facility's score with its lines."""

    facility_id: UUID
    facility: str
    day: date
    value: float | None
    low: float | None
    high: float | None
    stars: float | None
    count: int
    lines: list[LineOut]
    formula: UUID
    trial: bool
    """The formula is not confirmed by the city: the score informs, and nothing follows from it."""


class PlaceShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one facility brought to its operator's score."""

    facility_id: UUID
    facility: str
    value: float
    stays: int
    points: float


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """An operator in a quarter's ranking. `rank` None: not ranked, and `why_not` says why."""

    operator: str
    name: str
    rank: int | None
    why_not: str
    value: float | None
    low: float | None
    high: float | None
    stays: int
    ratings: int
    facilities: int
    places: list[PlaceShare]


class RankingOut(msgspec.Struct, frozen=True, kw_only=True):
    """A quarter's ranking of operators, as it was made once."""

    quarter: str
    made_at: datetime
    formula: UUID
    trial: bool
    lines: list[Ranked]

"""The tables of ratings, scores and rankings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.ratings.schemas import Question, TextState

_MARKS = ", ".join(Question)
_EACH = " and ".join(f"{question} between 1 and 5" for question in Question)
_STATES = ", ".join(f"'{state}'" for state in TextState)


class Rating(Base):
    """评价: what one driver says of one stay.

    Its id is random, not of its time: it is public, and a time would tell who was where.
    """

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint(f"coalesce({_MARKS}) is not null", name="any_mark"),
        CheckConstraint(_EACH, name="marks"),
        CheckConstraint("length(text) <= 500 and length(answer) <= 500", name="length"),
        CheckConstraint(f"state in ({_STATES})", name="state"),
        CheckConstraint("state <> 'hidden' or reason <> ''", name="reason"),
        CheckConstraint("(answer = '') = (answered_at is null)", name="answered"),
        CheckConstraint("(reported_why = '') = (reported_at is null)", name="reported"),
        CheckConstraint("language in ('zh-CN', 'en')", name="language"),
        Index("ix_rating_facility_id", "facility_id", "created_at"),
        Index("ix_rating_user_id", "user_id", "created_at"),
        Index("ix_rating_screened", "created_at", postgresql_where="state = 'screened'"),
        Index("ix_rating_reported", "reported_at", postgresql_where="reported_at is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"), unique=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    """None: the account is gone, and with it what was written."""
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    finding: Mapped[int | None] = mapped_column(SmallInteger)
    number: Mapped[int | None] = mapped_column(SmallInteger)
    price: Mapped[int | None] = mapped_column(SmallInteger)
    payment: Mapped[int | None] = mapped_column(SmallInteger)
    staff: Mapped[int | None] = mapped_column(SmallInteger)
    text: Mapped[str] = mapped_column(default="", server_default="")
    published: Mapped[str] = mapped_column(default="", server_default="")
    """The text with what tells of a person masked; all that anybody but its author and the desk reads."""
    found: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    language: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime | None]
    """Once it may be changed."""
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    reported_at: Mapped[datetime | None]
    reported_by: Mapped[UUID | None]
    reported_why: Mapped[str] = mapped_column(default="", server_default="")
    answer: Mapped[str] = mapped_column(default="", server_default="")
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]


class RatingsFormula(Base):
    """The weights as data, with their source. In force from a day on until the next one is; never changed."""

    __tablename__ = "ratings_formula"
    __table_args__ = (
        CheckConstraint("status in ('confirmed', 'unconfirmed')", name="status"),
        CheckConstraint("source <> ''", name="source"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    effective_from: Mapped[date] = mapped_column(unique=True)
    formula: Mapped[dict[str, Any]]
    status: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[UUID | None]


class FacilityDataDay(Base):
    """A day's samples of a facility's numbers: of how many anything was known, and of how many spaces."""

    __tablename__ = "facility_data_day"
    __table_args__ = (
        CheckConstraint("0 <= known and known <= samples", name="samples"),
        CheckConstraint("0 <= spaces_known and spaces_known <= spaces", name="spaces"),
    )

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    samples: Mapped[int]
    known: Mapped[int]
    spaces: Mapped[int] = mapped_column(BigInteger)
    spaces_known: Mapped[int] = mapped_column(BigInteger)


class FacilityScore(Base):
    """A facility's newest score."""

    __tablename__ = "facility_score"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    day: Mapped[date]
    score: Mapped[int | None] = mapped_column(SmallInteger)
    """Tenths of a point, as its band's ends."""
    low: Mapped[int | None] = mapped_column(SmallInteger)
    high: Mapped[int | None] = mapped_column(SmallInteger)
    stars: Mapped[int | None] = mapped_column(SmallInteger)
    """Hundredths of a mark."""
    count: Mapped[int]
    made_at: Mapped[datetime]


class FacilityScoreDay(Base):
    """A score of the past with all that it was made of: by its formula it can be worked out again.

    A day on which nothing differs from the day before has no row.
    """

    __tablename__ = "facility_score_day"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    score: Mapped[int | None] = mapped_column(SmallInteger)
    low: Mapped[int | None] = mapped_column(SmallInteger)
    high: Mapped[int | None] = mapped_column(SmallInteger)
    formula_id: Mapped[UUID] = mapped_column(ForeignKey("ratings_formula.id"))
    inputs: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class OperatorRanking(Base):
    """A quarter's ranking of operators: made once, and never changed (by a trigger)."""

    __tablename__ = "operator_ranking"
    __table_args__ = (CheckConstraint("quarter ~ '^[0-9]{4}Q[1-4]$'", name="quarter"),)

    quarter: Mapped[str] = mapped_column(primary_key=True)
    formula_id: Mapped[UUID] = mapped_column(ForeignKey("ratings_formula.id"))
    trial: Mapped[bool]
    lines: Mapped[list[Any]] = mapped_column(JSONB)
    made_at: Mapped[datetime]


class OperatorStanding(Base):
    """How a quarter would be ranked by its newest scores: made with them, since everybody may ask for it."""

    __tablename__ = "operator_standing"

    quarter: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date]
    """Of the scores."""
    formula_id: Mapped[UUID] = mapped_column(ForeignKey("ratings_formula.id"))
    trial: Mapped[bool]
    lines: Mapped[list[Any]] = mapped_column(JSONB)
    made_at: Mapped[datetime]

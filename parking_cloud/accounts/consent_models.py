"""Consents' tables: what is asked for in words, who said yes to which words, and what the law has us keep."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class ConsentText(Base):
    """What a consent says, by purpose and version. Rows come with the migrations; the newest is asked for."""

    __tablename__ = "consent_text"
    __table_args__ = (CheckConstraint("purpose in ('position', 'rating', 'sms')", name="purpose"),)

    purpose: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    texts: Mapped[dict[str, Any]]
    """By language: title and body."""


class Consent(Base):
    """A driver's yes to one text, until they take it back. The row stays: it proves what was agreed when."""

    __tablename__ = "consent"
    __table_args__ = (
        ForeignKeyConstraint(["purpose", "version"], ["consent_text.purpose", "consent_text.version"]),
        CheckConstraint("withdrawn_at >= given_at", name="order"),
        Index(
            "uq_consent_one_at_a_time",
            "user_id",
            "purpose",
            unique=True,
            postgresql_where="withdrawn_at is null",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    purpose: Mapped[str]
    version: Mapped[int]
    given_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class RetentionRule(Base):
    """What stays when an account is closed, and why. Rows come with the migrations."""

    __tablename__ = "retention_rule"
    __table_args__ = (CheckConstraint("status in ('confirmed', 'unconfirmed')", name="status"),)

    what: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    texts: Mapped[dict[str, Any]]
    """By language: what, why, how long."""
    status: Mapped[str]
    source: Mapped[str]

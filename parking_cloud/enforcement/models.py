"""Enforcement's tables: kinds of clues, the clues that came in, and their evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class ClueKind(Base):
    """What a clue may be of. Rows come with the migrations.

    One whose basis in law was not found stays unconfirmed: it is looked into, and punishes nobody.
    """

    __tablename__ = "clue_kind"
    __table_args__ = (
        CheckConstraint("status in ('confirmed', 'unconfirmed')", name="status"),
        CheckConstraint("status <> 'confirmed' or legal_basis <> ''", name="basis"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    names: Mapped[dict[str, Any]]
    """By language."""
    reportable: Mapped[bool]
    """Whether drivers choose it; others come from the platform itself."""
    place: Mapped[int]
    status: Mapped[str]
    legal_basis: Mapped[str]
    source: Mapped[str]


class Clue(Base):
    """线索: a suspected violation before review. A trigger keeps what it says; only its state moves on, and
    its reporter may be forgotten."""

    __tablename__ = "clue"
    __table_args__ = (
        CheckConstraint("source in ('report', 'booking')", name="source"),
        CheckConstraint("state in ('received', 'withdrawn')", name="state"),
        CheckConstraint("(lat is null) = (lon is null)", name="position"),
        CheckConstraint("(plate_hash is null) = (plate_sealed is null)", name="plate"),
        CheckConstraint("char_length(text) <= 2000", name="text"),
        Index("ix_clue_reporter_id", "reporter_id", "id"),
        Index("ix_clue_kind", "kind", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(unique=True)
    """The receipt's number: says nothing, cannot be counted on from."""
    cause: Mapped[str] = mapped_column(unique=True)
    """Names what it is of: told of it again, it is the same clue."""
    kind: Mapped[str] = mapped_column(ForeignKey("clue_kind.code"))
    source: Mapped[str]
    facility_id: Mapped[UUID | None] = mapped_column(ForeignKey("facility.id"))
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    at: Mapped[datetime]
    text: Mapped[str]
    plate_hash: Mapped[bytes | None]
    plate_sealed: Mapped[bytes | None]
    reporter_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    state: Mapped[str] = mapped_column(default="received", server_default="received")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ClueEvidence(Base):
    """证据: a photo as it came in, sealed. A trigger forbids update and delete."""

    __tablename__ = "clue_evidence"
    __table_args__ = (
        CheckConstraint("number between 1 and 9", name="number"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    )

    clue_id: Mapped[UUID] = mapped_column(ForeignKey("clue.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes]
    """Of the photo as it came in, before it was sealed."""
    sealed: Mapped[bytes]
    received_at: Mapped[datetime]

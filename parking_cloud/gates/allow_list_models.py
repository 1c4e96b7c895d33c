"""The tables of allow lists: whom a facility's gate lets in, and what the gate has said about it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.kernel.db import Base

_WAYS = ", ".join(f"'{way}'" for way in Way)


class GateAllowList(Base):
    """One facility's list: its version, how its gate is told, and how far the gate is."""

    __tablename__ = "gate_allow_list"
    __table_args__ = (
        CheckConstraint(f"way in ({_WAYS})", name="way"),
        CheckConstraint("(way = 'push') = (url is not null)", name="url"),
        CheckConstraint("url ~ '^https?://'", name="scheme"),
        CheckConstraint("held_version between 0 and version", name="held"),
        Index("ix_gate_allow_list_push", "push_at", postgresql_where="way = 'push'"),
    )

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    way: Mapped[str] = mapped_column(default=Way.UNSET.value, server_default=Way.UNSET.value)
    url: Mapped[str | None]
    generation: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Of the secret that signs what is pushed."""
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """Moves on with each change of a pass."""
    held_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """What the gate has said that it holds; 0: it is sent the whole list."""
    heard_at: Mapped[datetime | None]
    """When the gate last answered or asked."""
    push_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    """A desk is telling this gate; no other does meanwhile, so that it hears everything in order."""
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failure: Mapped[str] = mapped_column(default="", server_default="")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GatePass(Base):
    """A vehicle that one gate lets in, and when. Its id is that of what it was made for."""

    __tablename__ = "gate_pass"
    __table_args__ = (
        UniqueConstraint("facility_id", "version", name="uq_gate_pass_version"),
        CheckConstraint("not isempty(during)", name="during"),
        CheckConstraint("ends_at = upper(during)", name="ends_at"),
        CheckConstraint("(told_version is null) = (told_at is null)", name="told"),
        CheckConstraint("told_version <= version and answered_version <= version", name="versions"),
        CheckConstraint(
            "(answered_version is null) = (answered_at is null)"
            " and (answered_version is null) = (accepted is null)",
            name="answered",
        ),
        Index("ix_gate_pass_plate_hash", "plate_hash", "facility_id"),
        Index("ix_gate_pass_ends_at", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    during: Mapped[list[Range[datetime]]] = mapped_column(TSTZMULTIRANGE)
    ends_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(BigInteger)
    withdrawn_at: Mapped[datetime | None]
    told_version: Mapped[int | None] = mapped_column(BigInteger)
    told_at: Mapped[datetime | None]
    answered_version: Mapped[int | None] = mapped_column(BigInteger)
    answered_at: Mapped[datetime | None]
    accepted: Mapped[bool | None]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    """Why the gate refused it, in its own words, or why it cannot be told."""
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

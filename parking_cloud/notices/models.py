"""The notices' tables: where people want to be told, and what they were told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.contacts import Channel
from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class NoticeState(StrEnum):
    QUEUED = "queued"
    """Not yet given to anybody; in the app, where nobody has that vehicle yet."""
    SENT = "sent"
    """Given to the carrier; in the app, laid where its reader finds it."""
    FAILED = "failed"
    READ = "read"


class Contact(Base):
    """Where a user wants to be told, besides in the app. One of a kind; its address is sealed."""

    __tablename__ = "contact"
    __table_args__ = (CheckConstraint("channel in ('sms', 'mail')", name="channel"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]
    language: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Notice(Base):
    """通知: one thing told to one reader by one channel. What it says never changes.

    To a user, to whoever has a vehicle (found by its plate's hash, in the app only), or to one address.
    """

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint(f"channel in ({', '.join(repr(str(c)) for c in Channel)})", name="channel"),
        CheckConstraint(f"state in ({', '.join(repr(str(s)) for s in NoticeState)})", name="state"),
        CheckConstraint("(channel = 'in_app') = (address_sealed is null)", name="address"),
        CheckConstraint(
            "user_id is not null or plate_hash is not null or address_sealed is not null", name="reader"
        ),
        CheckConstraint("plate_hash is null or about_at is not null", name="about"),
        CheckConstraint("state not in ('sent', 'read') or sent_at is not null", name="sent"),
        CheckConstraint("(state = 'read') = (read_at is not null)", name="read"),
        UniqueConstraint("dedupe_key", "channel", name="uq_notice_once"),
        Index(
            "ix_notice_try_again", "try_again_at", postgresql_where="state = 'queued' and channel <> 'in_app'"
        ),
        Index("ix_notice_user_id", "user_id", "id", postgresql_where="channel = 'in_app'"),
        Index("ix_notice_plate_hash", "plate_hash", postgresql_where="user_id is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    dedupe_key: Mapped[str]
    """Names the cause: told of it again, nothing more is sent."""
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    plate_hash: Mapped[bytes | None]
    about_at: Mapped[datetime | None]
    """Of when it is: a vehicle's later holder is not told of it."""
    channel: Mapped[str]
    address_sealed: Mapped[bytes | None]
    language: Mapped[str]
    """Of what is sent; in the app the reader chooses."""
    texts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """schemas.Words by language."""
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    try_again_at: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    carrier_id: Mapped[str] = mapped_column(default="", server_default="")
    """The carrier's own number for it, by which a complaint can be followed up."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]

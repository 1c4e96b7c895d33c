"""The tables of guidance boards: what hangs where, what its rows count, and when it last asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.guidance.signs.rules import Arrow, Level, Shows, Way
from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id

_LEVELS = ", ".join(str(level.value) for level in Level)
_WAYS = ", ".join(f"'{way}'" for way in Way)
_ARROWS = ", ".join(f"'{arrow}'" for arrow in Arrow)
_SHOWS = ", ".join(f"'{shows}'" for shows in Shows)


class Sign(Base):
    """诱导屏: a guidance board, with its own rules. Of its key only the SHA-256 is kept."""

    __tablename__ = "sign"
    __table_args__ = (
        CheckConstraint(f"level in ({_LEVELS})", name="level"),
        CheckConstraint(f"way in ({_WAYS})", name="way"),
        CheckConstraint("facing between 0 and 359", name="facing"),
        CheckConstraint("key_hash ~ '^[0-9a-f]{64}$'", name="key_hash"),
        CheckConstraint("full_below >= 1 and open_again_at >= full_below", name="thresholds"),
        CheckConstraint("blank_after_s between 60 and 7200", name="blank_after_s"),
        CheckConstraint("digits between 1 and 5 and columns between 10 and 64", name="size"),
        CheckConstraint("brightness between 1 and 100", name="brightness"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    level: Mapped[int]
    position: Mapped[Any] = mapped_column(Geography(geometry_type="POINT", srid=4326, spatial_index=False))
    facing: Mapped[int | None]
    """Where it looks: degrees clockwise from north."""
    way: Mapped[str]
    key_hash: Mapped[str]
    full_below: Mapped[int]
    open_again_at: Mapped[int]
    blank_after_s: Mapped[int]
    digits: Mapped[int]
    columns: Mapped[int]
    """Its width in half-width characters."""
    brightness: Mapped[int]
    active: Mapped[bool]
    synthetic: Mapped[bool] = mapped_column(default=False, server_default="false")
    registered_at: Mapped[datetime]


class SignRow(Base):
    """One line of a board: the facilities it names, and those of a district, counted together."""

    __tablename__ = "sign_row"
    __table_args__ = (
        UniqueConstraint("sign_id", "place"),
        CheckConstraint(f"arrow in ({_ARROWS})", name="arrow"),
        CheckConstraint(f"shows in ({_SHOWS})", name="shows"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    sign_id: Mapped[UUID] = mapped_column(ForeignKey("sign.id", ondelete="CASCADE"))
    place: Mapped[int]
    label: Mapped[str]
    arrow: Mapped[str]
    shows: Mapped[str]
    district: Mapped[str | None]
    was_full: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether it was full when last judged: what keeps it from flickering at its threshold."""


class SignRowFacility(Base):
    """A facility that a line counts."""

    __tablename__ = "sign_row_facility"

    row_id: Mapped[UUID] = mapped_column(ForeignKey("sign_row.id", ondelete="CASCADE"), primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True, index=True)


class SignState(Base):
    """When a board last asked or acknowledged, which version it then had, and what it was last told."""

    __tablename__ = "sign_state"

    sign_id: Mapped[UUID] = mapped_column(ForeignKey("sign.id", ondelete="CASCADE"), primary_key=True)
    heard_at: Mapped[datetime | None]
    heard_version: Mapped[str | None]
    told_at: Mapped[datetime | None]
    told_version: Mapped[str | None]


class SignListening(Base):
    """From when until when a process of ours could hear the boards that come this way, without a gap."""

    __tablename__ = "sign_listening"
    __table_args__ = (
        CheckConstraint(f"way in ({_WAYS})", name="way"),
        CheckConstraint("until >= since", name="span"),
    )

    way: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    until: Mapped[datetime]

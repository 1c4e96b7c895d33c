"""The tariffs' tables: what a tariff was when, where it holds, and who has a permit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, column, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.tariffs.schemas import PermitKind, Pricing


def _one_at_a_time(key: str, start: str, end: str, name: str) -> ExcludeConstraint:
    return ExcludeConstraint(
        (column(key), "="), (func.tstzrange(column(start), column(end)), "&&"), name=name
    )


class TariffRow(Base):
    """收费标准: its name, who set it, and what it was filed under."""

    __tablename__ = "tariff"
    __table_args__ = (
        CheckConstraint(f"pricing in ({', '.join(repr(str(p)) for p in Pricing)})", name="pricing"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_en: Mapped[str]
    operator_id: Mapped[UUID | None] = mapped_column(ForeignKey("operator.id"), index=True)
    """None: for the whole city."""
    pricing: Mapped[str]
    filing_number: Mapped[str] = mapped_column(default="", server_default="")
    """备案号 or 文号."""
    source: Mapped[str] = mapped_column(default="", server_default="")
    """Where it is published."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TariffVersion(Base):
    """What a tariff says from one moment to another.

    A trigger keeps that from ever changing: stays are priced by it, and it is kept in memory by its id.
    """

    __tablename__ = "tariff_version"
    __table_args__ = (
        CheckConstraint("effective_until > effective_from", name="order"),
        _one_at_a_time("tariff_id", "effective_from", "effective_until", "ex_tariff_version_one_at_a_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    effective_from: Mapped[datetime]
    effective_until: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]
    """shapes.Tariff"""
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TariffAssignment(Base):
    """Which tariff holds at a facility, and whose permits."""

    __tablename__ = "tariff_assignment"
    __table_args__ = (
        CheckConstraint("valid_until > valid_from", name="order"),
        _one_at_a_time("facility_id", "valid_from", "valid_until", "ex_tariff_assignment_one_at_a_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"), index=True)
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class PermitRow(Base):
    """停车证、包月、免费名单: at one facility, at all of an operator's, or (a free list) in all the city."""

    __tablename__ = "permit"
    __table_args__ = (
        CheckConstraint(f"kind in ({', '.join(repr(str(k)) for k in PermitKind)})", name="kind"),
        CheckConstraint("valid_until > valid_from", name="order"),
        CheckConstraint(
            "num_nonnulls(facility_id, operator_id) = 1"
            " or (num_nonnulls(facility_id, operator_id) = 0 and kind = 'free_list')",
            name="where",
        ),
        Index("ix_permit_plate_hash", "plate_hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    facility_id: Mapped[UUID | None] = mapped_column(ForeignKey("facility.id"), index=True)
    operator_id: Mapped[UUID | None] = mapped_column(ForeignKey("operator.id"), index=True)
    kind: Mapped[str]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    source: Mapped[str]
    """By what it was granted."""
    revoked_at: Mapped[datetime | None]
    """It held until then."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

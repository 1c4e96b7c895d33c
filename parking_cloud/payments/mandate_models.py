"""The tables of automatic payment and of permits that are bought."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.payments.mandate_rules import MOST_A_DAY, MOST_A_STAY, Verdict
from parking_cloud.tariffs.schemas import VehicleClass


class Mandate(Base):
    """授权: a driver lets stays of their verified vehicles be paid by a method kept at the provider.

    The ceilings are the driver's; the database allows none above the platform's own.
    """

    __tablename__ = "mandate"
    __table_args__ = (
        CheckConstraint("state in ('asked', 'active', 'paused', 'stopped', 'failed')", name="state"),
        CheckConstraint(f"ceiling_stay between 1 and {MOST_A_STAY}", name="ceiling_stay"),
        CheckConstraint(f"ceiling_day between ceiling_stay and {MOST_A_DAY}", name="ceiling_day"),
        CheckConstraint(
            "state not in ('active', 'paused') or (saved_method <> '' and active_from is not null)",
            name="method",
        ),
        Index(
            "uq_mandate_of_driver",
            "user_id",
            unique=True,
            postgresql_where="state in ('asked', 'active', 'paused')",
        ),
        Index(
            "ix_mandate_look_again",
            "look_again_at",
            postgresql_where="look_again_at is not null",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    provider: Mapped[str]
    method: Mapped[str]
    state: Mapped[str]
    ceiling_stay: Mapped[int] = mapped_column(BigInteger)
    ceiling_day: Mapped[int] = mapped_column(BigInteger)
    saving_id: Mapped[str] = mapped_column(default="", server_default="")
    """The provider's id of the keeping of the method."""
    saved_method: Mapped[str] = mapped_column(default="", server_default="")
    """`customer/method`; empty again once it was stopped and the provider has forgotten it."""
    action: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    return_url: Mapped[str] = mapped_column(default="", server_default="")
    failure: Mapped[str] = mapped_column(default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    look_again_at: Mapped[datetime | None]
    """When the desk has something to do for it at the provider."""
    asked_at: Mapped[datetime]
    active_from: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MandateTaking(Base):
    """What was decided for a charge as it was then assessed: once, however often it is asked."""

    __tablename__ = "mandate_taking"
    __table_args__ = (
        CheckConstraint(f"verdict in ({', '.join(repr(str(v)) for v in Verdict)})", name="verdict"),
        CheckConstraint("(verdict = 'take') = (payment_id is not null)", name="payment"),
    )

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    assessment: Mapped[int] = mapped_column(primary_key=True)
    mandate_id: Mapped[UUID] = mapped_column(ForeignKey("mandate.id"))
    verdict: Mapped[str]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"))
    at: Mapped[datetime]


class PermitProduct(Base):
    """A permit that can be bought (月卡): where it holds, for how long, for how much."""

    __tablename__ = "permit_product"
    __table_args__ = (
        CheckConstraint("months between 1 and 24", name="months"),
        CheckConstraint("price > 0", name="price"),
        CheckConstraint("refund in ('none', 'by_day')", name="refund"),
        CheckConstraint(
            f"vehicle_class in ({', '.join(repr(str(c)) for c in VehicleClass)})", name="vehicle_class"
        ),
        Index("ix_permit_product_facility_id", "facility_id", postgresql_where="ended_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    """Where it holds; where it holds at all of the operator's facilities, the one that it is sold by."""
    operator_wide: Mapped[bool] = mapped_column(default=False, server_default="false")
    name: Mapped[dict[str, Any]] = mapped_column(JSONB)
    vehicle_class: Mapped[str]
    months: Mapped[int]
    price: Mapped[int] = mapped_column(BigInteger)
    refund: Mapped[str]
    """`by_day`: the days left, of those bought; `none`."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class PermitPurchase(Base):
    """A permit that somebody buys: granted once its charge is settled."""

    __tablename__ = "permit_purchase"
    __table_args__ = (
        CheckConstraint("state in ('unpaid', 'granted', 'given_back', 'lapsed')", name="state"),
        CheckConstraint("ends_on > starts_on", name="days"),
        CheckConstraint("(state in ('granted', 'given_back')) = (permit_id is not null)", name="permit"),
        Index("ix_permit_purchase_user_id", "user_id"),
        Index("ix_permit_purchase_unpaid", "asked_at", postgresql_where="state = 'unpaid'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("permit_product.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    """The first day on which it no longer holds."""
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), unique=True)
    permit_id: Mapped[UUID | None]
    state: Mapped[str]
    asked_at: Mapped[datetime]

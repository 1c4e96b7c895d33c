"""Drivers' tables: the phone they sign in by, the code on its way to it, and where they are signed in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class DriverPhone(Base):
    """The phone that signs a driver in: sealed, and found by a keyed hash. It goes when the account is
    closed."""

    __tablename__ = "driver_phone"
    __table_args__ = (CheckConstraint("octet_length(phone_hash) = 32", name="phone_hash"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    phone_hash: Mapped[bytes] = mapped_column(unique=True)
    phone_sealed: Mapped[bytes]
    since: Mapped[datetime]


class PhoneCode(Base):
    """The code that is live for a phone, by the network from which it was asked for: what somebody asks or
    tries elsewhere ends nobody's. Whose phone it is, or whether anybody's, is not asked before that."""

    __tablename__ = "phone_code"
    __table_args__ = (CheckConstraint("tries >= 0 and tries_elsewhere >= 0", name="tries"),)

    phone_hash: Mapped[bytes] = mapped_column(primary_key=True)
    asked_from: Mapped[bytes] = mapped_column(primary_key=True)
    """A keyed hash of phone and network."""
    code_hash: Mapped[bytes]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    tries_elsewhere: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of other networks: a phone may change its own between asking and typing."""
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class DriverSession(Base):
    """A phone or browser in which a driver is signed in, until it runs out or is ended."""

    __tablename__ = "driver_session"
    __table_args__ = (
        Index("ix_driver_session_user_id", "user_id", "id"),
        Index("ix_driver_session_until", "until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    device: Mapped[str]
    """What kind of thing it is, in two words: enough to know one's own, nothing to tell people apart."""
    begun_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LicencePhoto(Base):
    """The photo that a driver sent of a vehicle's licence, drawn anew and sealed."""

    __tablename__ = "licence_photo"

    binding_id: Mapped[UUID] = mapped_column(ForeignKey("vehicle_binding.id"), primary_key=True)
    sealed: Mapped[bytes]
    uploaded_at: Mapped[datetime]


class BarrierPayment(Base):
    """A driver's payment at a barrier for a vehicle they had claimed: it counts for a while as proof."""

    __tablename__ = "barrier_payment"
    __table_args__ = (Index("ix_barrier_payment_binding_id", "binding_id"),)

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    binding_id: Mapped[UUID] = mapped_column(ForeignKey("vehicle_binding.id"))
    paid_at: Mapped[datetime]

"""Accounts' tables: people with a role, and the keys of sources that send data."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.accounts.roles import Role
from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id

_ROLES = ", ".join(f"'{role}'" for role in Role)


class User(Base):
    """A person or an outside system that signs in. User names are compared without case.

    `operator_id` and `institution_id` say whose staff it is, or whose system; they point to the registry,
    which is not imported here.
    """

    __tablename__ = "user_account"
    __table_args__ = (
        CheckConstraint(f"role in ({_ROLES})", name="role"),
        CheckConstraint("operator_id is null or role in ('operator_staff', 'integration')", name="operator"),
        CheckConstraint("institution_id is null or role = 'institution_manager'", name="institution"),
        Index("uq_user_account_username", text("lower(username)"), unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str]
    password_hash: Mapped[str | None]
    """None: signs in by phone, or not any more."""
    role: Mapped[str]
    operator_id: Mapped[UUID | None]
    institution_id: Mapped[UUID | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    failed_logins: Mapped[int] = mapped_column(default=0, server_default="0")
    locked_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    """A driver has closed the account: what may be forgotten is."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Base):
    """The key by which a source sends data. Only its SHA-256 is kept: the key itself is long and random."""

    __tablename__ = "api_key"
    __table_args__ = (CheckConstraint("key_hash ~ '^[0-9a-f]{64}$'", name="key_hash"),)

    source: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    any_device: Mapped[bool] = mapped_column(default=False, server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class VehicleBinding(Base):
    """A driver's word that a vehicle is theirs: worth nothing until it is verified.

    A plate has one verified holder at a time, by the database.
    """

    __tablename__ = "vehicle_binding"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'verified', 'refused', 'ended')", name="state"),
        CheckConstraint("(state in ('verified', 'ended')) <= (since is not null)", name="since"),
        CheckConstraint("(state = 'ended') = (ended_at is not null)", name="ended"),
        CheckConstraint("proof in ('licence', 'payments')", name="proof"),
        Index("uq_vehicle_binding_holder", "plate_hash", unique=True, postgresql_where="state = 'verified'"),
        Index(
            "uq_vehicle_binding_claim",
            "user_id",
            "plate_hash",
            unique=True,
            postgresql_where="state in ('pending', 'verified')",
        ),
        Index("ix_vehicle_binding_pending", "id", postgresql_where="state = 'pending'"),
        Index("ix_vehicle_binding_plate_hash", "plate_hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    plate_hash: Mapped[bytes]
    plate_sealed: Mapped[bytes]
    state: Mapped[str]
    asked_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    since: Mapped[datetime | None]
    """From when on the holder sees the vehicle's stays and charges: never another holder's."""
    ended_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="", server_default="")
    """Why it was refused or ended, for the driver to read."""
    proof: Mapped[str | None]
    """By what it was verified (vehicles.Proof)."""

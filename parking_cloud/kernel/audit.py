"""The audit log: who did or looked at what, and why. It only grows: the database refuses anything else."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class AuditEntry(Base):
    """One deed. A trigger forbids update and delete."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject_type", "subject_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    detail: Mapped[dict[str, Any]]


async def record(
    session: AsyncSession,
    *,
    actor_id: UUID | None,
    actor_role: str,
    action: str,
    subject_type: str,
    subject_id: str,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one entry in the caller's transaction: the deed and its record stand or fall together.

    `detail` holds no plate and no secret.
    """
    session.add(
        AuditEntry(
            actor_id=actor_id,
            actor_role=actor_role,
            action=action,
            subject_type=subject_type,
            subject_id=subject_id,
            reason=reason,
            detail=detail or {},
        )
    )
    await session.flush()

"""Drivers who may not book for a while."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.sharing.models import BookingBan
from parking_cloud.sharing.problems import MayNotBook


async def ban(session: AsyncSession, user_id: UUID, *, until: datetime, cause: str, now: datetime) -> None:
    """A driver may not book until then; once for each cause. What is booked already stays."""
    await session.execute(
        insert(BookingBan)
        .values(id=new_id(), user_id=user_id, since=now, until=until, cause=cause)
        .on_conflict_do_nothing(index_elements=["cause"])
    )


async def lift(session: AsyncSession, cause: str, now: datetime) -> None:
    """It should not have been: the driver may book again."""
    await session.execute(
        update(BookingBan)
        .where(BookingBan.cause == cause, BookingBan.lifted_at.is_(None))
        .values(lifted_at=now)
    )


async def banned_until(session: AsyncSession, user_id: UUID, now: datetime) -> datetime | None:
    """Until when a driver may not book; None where he may."""
    return await session.scalar(
        select(func.max(BookingBan.until)).where(
            BookingBan.user_id == user_id,
            BookingBan.until > now,
            or_(BookingBan.lifted_at.is_(None), BookingBan.lifted_at > now),
        )
    )


async def refuse_banned(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """Raises MayNotBook."""
    until = await banned_until(session, user_id, now)
    if until is not None:
        raise MayNotBook(until=city_time(until).strftime("%Y-%m-%d %H:%M"))

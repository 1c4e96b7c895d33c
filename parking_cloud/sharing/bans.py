"""Drivers who may not book for a while.

With them the vehicle that overstayed: a phone signs up again in a minute, a vehicle is proved by its licence.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.sharing.models import BookingBan
from parking_cloud.sharing.problems import MayNotBook


async def ban(
    session: AsyncSession, user_id: UUID, plate_hash: bytes, *, until: datetime, cause: str, now: datetime
) -> None:
    """A driver may not book until then, nor anybody for this vehicle; once for each cause. What is booked
    already stays."""
    await session.execute(
        insert(BookingBan)
        .values(id=new_id(), user_id=user_id, plate_hash=plate_hash, since=now, until=until, cause=cause)
        .on_conflict_do_nothing(index_elements=["cause"])
    )


async def lift(session: AsyncSession, cause: str, now: datetime) -> None:
    """It should not have been: the driver may book again."""
    await session.execute(
        update(BookingBan)
        .where(BookingBan.cause == cause, BookingBan.lifted_at.is_(None))
        .values(lifted_at=now)
    )


async def banned_until(
    session: AsyncSession, user_id: UUID, now: datetime, plate_hash: bytes | None = None
) -> datetime | None:
    """Until when a driver may not book, or not for a vehicle; None where he may."""
    return await session.scalar(
        select(func.max(BookingBan.until)).where(
            or_(BookingBan.user_id == user_id, BookingBan.plate_hash == plate_hash),
            BookingBan.until > now,
            or_(BookingBan.lifted_at.is_(None), BookingBan.lifted_at > now),
        )
    )


async def refuse_banned(session: AsyncSession, user_id: UUID, plate_hash: bytes, now: datetime) -> None:
    """Raises MayNotBook."""
    until = await banned_until(session, user_id, now, plate_hash)
    if until is not None:
        raise MayNotBook(until=city_time(until).strftime("%Y-%m-%d %H:%M"))


async def bans_of(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """What a driver was not allowed, ever: for the document of all that is kept about them."""
    rows = await session.scalars(
        select(BookingBan).where(BookingBan.user_id == user_id).order_by(BookingBan.id)
    )
    return [
        {"since": row.since, "until": row.until, "cause": row.cause, "lifted_at": row.lifted_at}
        for row in rows
    ]

"""Drivers, stays that have ended, and ratings of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of, upsert_user
from parking_cloud.accounts.tokens import Identity
from parking_cloud.ratings.drivers import rate
from parking_cloud.ratings.models import Rating
from parking_cloud.ratings.schemas import MyRating, RatingIn
from tests.arrears.parts import holder
from tests.payments.parts import left, minute, parked

ALL_FIVE = RatingIn(finding=5, number=5, price=5, payment=5, staff=5)
A_DAY = 24 * 60
"""Minutes."""


async def stayed(session: AsyncSession, facility: UUID, at: float = 0, **of: Any) -> UUID:
    """A stay of an hour, from so many minutes after noon; committed."""
    stay = await parked(session, facility, at=at, **of)
    await left(session, stay, at + 60)
    return stay


async def rated(
    session: AsyncSession, who: Identity, facility: UUID, said: RatingIn = ALL_FIVE, at: float = 0
) -> MyRating:
    """Their stay of an hour is rated when it ends; committed."""
    stay = await stayed(session, facility, at)
    rating = await rate(session, who.user_id, stay, said, minute(at + 61))
    await session.commit()
    return rating


async def voted(session: AsyncSession, facility: UUID, marks: list[int], now: datetime) -> None:
    """So many stays, each rated with one mark throughout; committed. Written at once: hundreds."""
    ids = [uuid4() for _ in marks]
    await session.execute(
        text(
            "insert into stay (id, facility_id, vehicle_class, state, entered_at, opened_by, exited_at,"
            " ended_by, derived_entered_at, facts_from, facts_until, situations)"
            " select n.id, :facility, 'small', 'closed', :then, 'gate', :now, 'gate', :then, :then, :now,"
            " '{}' from unnest(cast(:ids as uuid[])) as n(id)"
        ),
        {"ids": ids, "facility": facility, "then": now - timedelta(hours=1), "now": now},
    )
    session.add_all(
        Rating(
            stay_id=stay,
            facility_id=facility,
            language="zh-CN",
            state="shown",
            created_at=now,
            **dict.fromkeys(("finding", "number", "price", "payment", "staff"), mark),
        )
        for stay, mark in zip(ids, marks, strict=True)
    )
    await session.commit()


async def staff(session: AsyncSession, name: str = "attendant") -> Identity:
    """Staff of the small city's operator."""
    operator = await session.scalar(text("select id from operator where code = 'op'"))
    user = await upsert_user(
        session, username=name, password="a long enough one", role=Role.OPERATOR_STAFF, operator_id=operator
    )
    await session.commit()
    return identity_of(user)


async def facility(session: AsyncSession, code: str) -> UUID:
    found = await session.scalar(text("select id from facility where code = :code"), {"code": code})
    assert isinstance(found, UUID)
    return found


__all__ = ["ALL_FIVE", "A_DAY", "facility", "holder", "rated", "staff", "stayed", "voted"]

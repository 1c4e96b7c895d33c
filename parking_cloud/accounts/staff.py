"""Who is staff of whom: whom to tell of what happens at their facilities."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.models import User
from parking_cloud.accounts.roles import Role


async def staff_of(
    session: AsyncSession, *, operators: Collection[UUID] = (), institutions: Collection[UUID] = ()
) -> list[UUID]:
    """The people of these operators and institutions, without systems."""
    query = select(User.id).where(
        User.active,
        or_(
            (User.role == Role.OPERATOR_STAFF) & User.operator_id.in_(operators),
            (User.role == Role.INSTITUTION_MANAGER) & User.institution_id.in_(institutions),
        ),
    )
    return list(await session.scalars(query.order_by(User.id)))

"""A driver closes their account. What only they needed goes at once; what others must keep is by nobody's
name. The slices above forget what is theirs (driver.closing)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.consents import Purpose, withdraw
from parking_cloud.accounts.models import User
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import end_all
from parking_cloud.kernel import audit

_GONE = (
    "delete from licence_photo where binding_id in (select id from vehicle_binding where user_id = :user)",
    "delete from barrier_payment where binding_id in (select id from vehicle_binding where user_id = :user)",
    # That nobody sees an earlier holder's time hangs on the hash and the times; the plate is not needed.
    "update vehicle_binding set plate_sealed = '' where user_id = :user",
    "delete from phone_code where phone_hash in (select phone_hash from driver_phone where user_id = :user)",
    "delete from driver_phone where user_id = :user",
    "delete from driver_session where user_id = :user",
)


async def close(session: AsyncSession, who: Identity, now: datetime) -> None:
    """Nobody signs in to it any more; the same phone begins anew with another account."""
    await end_all(session, who.user_id, now)
    for purpose in Purpose:
        await withdraw(session, who.user_id, purpose, now)
    for statement in _GONE:
        await session.execute(text(statement), {"user": who.user_id})
    user = await session.get_one(User, who.user_id)
    user.username, user.password_hash = _nobody(who.user_id), None
    user.active, user.closed_at = False, now
    await session.flush()
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="accounts.closed",
        subject_type="user",
        subject_id=str(who.user_id),
    )


def _nobody(user_id: UUID) -> str:
    return f"closed-{user_id.hex}"

"""Charges that somebody objects to: arrears says so, and what asks for money looks at `disputed_at`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.charging import give_up_live_payments, lock_charges, tell


async def dispute(session: AsyncSession, charge_id: UUID, since: datetime | None, now: datetime) -> None:
    """Somebody objects to a charge, or has been answered (`since` is None).

    Meanwhile it is not asked for, and what is on its way is given up; who wants to may still pay it.
    """
    (charge,) = await lock_charges(session, ids=[charge_id])
    charge.disputed_at, charge.changed_at = since, now
    await session.flush()
    if since is not None:
        await give_up_live_payments(session, [charge_id], now)
    await tell(session, charge, charge.state)

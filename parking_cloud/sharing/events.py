"""The events of sharing."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.sharing import passes
from parking_cloud.sharing.models import Booking

BOOKING_CHANGED = "sharing.booking_changed"
"""Outbox topic, key: the booking's id, payload {"was", "state"}: its state before ("" at first) and after.
Told with the same state twice where its vehicle or its times have changed."""


async def tell(session: AsyncSession, booking: Booking, was: str) -> None:
    """Others hear that a booking has changed; its gate is told in the same breath."""
    await passes.follow(session, booking)
    await outbox.add(session, BOOKING_CHANGED, str(booking.id), {"was": was, "state": booking.state})

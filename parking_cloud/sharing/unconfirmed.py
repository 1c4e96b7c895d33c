"""Bookings whose gate has not said yes: their drivers are told before they stand there, and its people."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates import allow_list
from parking_cloud.gates.allow_list import Unconfirmed
from parking_cloud.kernel.clock import city_time
from parking_cloud.notices.schemas import Reader
from parking_cloud.notices.service import tell
from parking_cloud.registry.service import FacilityLabel, facility_labels
from parking_cloud.sharing.gate_texts import unconfirmed_staff_texts, unconfirmed_texts
from parking_cloud.sharing.people import tell_staff
from parking_cloud.sharing.schemas import BookingState
from parking_cloud.sharing.service import booking_facts

TOLD_BEFORE = timedelta(seconds=60)
_ANSWERS_WITHIN = timedelta(seconds=10)
"""A gate that was told only now is given so long."""


async def tell_unconfirmed(session: AsyncSession, now: datetime) -> None:
    """A minute before a booking begins, whoever's gate has not said yes is told, and the facility's people.
    The worker's job."""
    found = await allow_list.unconfirmed(session, before=now + TOLD_BEFORE, now=now)
    facts = await booking_facts(session, [each.id for each in found])
    labels = await facility_labels(session, {each.facility_id for each in found})
    for each in found:
        booking = facts.get(each.id)
        if booking is None or booking.state != BookingState.CONFIRMED:
            continue
        if each.changed_at <= now - _ANSWERS_WITHIN:
            await _tell(session, each, booking.user_id, labels[each.facility_id], now)


async def _tell(
    session: AsyncSession, found: Unconfirmed, user_id: UUID, place: FacilityLabel, now: datetime
) -> None:
    begins = city_time(found.begins_at).strftime("%m-%d %H:%M")
    key = f"gate {found.id} {found.begins_at.isoformat()}"
    news = await tell(
        session,
        reader=Reader(user_id=user_id),
        kind="gate_not_confirmed",
        dedupe_key=key,
        texts=unconfirmed_texts(place.name, begins),
        now=now,
    )
    if news:
        texts = unconfirmed_staff_texts(place.name, begins, found.state)
        await tell_staff(session, place, "gate_not_confirmed", f"{key} staff", texts, now)

"""Drivers are told what becomes of their bookings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.notices.schemas import Reader, Texts
from parking_cloud.notices.service import tell
from parking_cloud.registry.service import facility_names, space_numbers
from parking_cloud.sharing import texts
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.times import Span


async def confirmed(session: AsyncSession, booking: Booking, now: datetime) -> None:
    space = (await space_numbers(session, [booking.space_id]))[booking.space_id]
    said = texts.confirmed_texts(
        await _place(session, booking), space, _said(booking.starts_at), _said(booking.ends_at)
    )
    await _tell(session, booking, "booking_confirmed", f"booking {booking.id} confirmed", said, now)


async def paid_too_late(session: AsyncSession, booking: Booking, now: datetime) -> None:
    said = texts.late_texts(
        await _place(session, booking), _said(booking.starts_at), format_yuan(Fen(booking.price))
    )
    await _tell(session, booking, "booking_not_kept", f"booking {booking.id} too late", said, now)


async def closed(
    session: AsyncSession,
    booking: Booking,
    closing_id: UUID,
    closed_for: Span,
    reason: str,
    back: int,
    *,
    wholly: bool,
    now: datetime,
) -> bool:
    """Whether it was news to the driver."""
    words = texts.closed_texts if wholly else texts.partly_closed_texts
    start, end = (_said(at) for at in closed_for)
    said = words(await _place(session, booking), start, end, reason, format_yuan(Fen(back)))
    return await _tell(session, booking, "booking_closed", f"closing {closing_id} {booking.id}", said, now)


async def _tell(
    session: AsyncSession, booking: Booking, kind: str, key: str, said: Texts, now: datetime
) -> bool:
    reader = Reader(user_id=booking.user_id)
    return await tell(session, reader=reader, kind=kind, dedupe_key=key, texts=said, now=now)


async def _place(session: AsyncSession, booking: Booking) -> str:
    return (await facility_names(session, [booking.facility_id]))[booking.facility_id]


def _said(at: datetime) -> str:
    return city_time(at).strftime("%m-%d %H:%M")

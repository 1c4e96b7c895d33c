"""A driver closes their account: every slice forgets what was theirs, in one transaction.

What is owed is named first. It does not keep anybody from leaving: it is the vehicle's, and stays owed.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import closing, consents
from parking_cloud.accounts.consents import Kept
from parking_cloud.accounts.tokens import Identity
from parking_cloud.enforcement.service import forget_reporter
from parking_cloud.kernel.problems import Problem
from parking_cloud.notices import service as notices
from parking_cloud.payments import mandates
from parking_cloud.payments.mandates import NoMandate
from parking_cloud.payments.mine import MyCharge, my_charges
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.ratings.drivers import forget as forget_ratings
from parking_cloud.sharing.ending import cancel
from parking_cloud.sharing.mine import my_bookings
from parking_cloud.sharing.schemas import BookingOut

_MOST_BOOKINGS = 200
_AT_ONCE = 100


class OwedFirst(Problem):
    slug = "owed-is-named-first"
    status = 409
    title = {"zh-CN": "还有未支付的费用", "en": "Something is still to pay"}
    detail = {
        "zh-CN": "注销不会免除这些费用。请先支付，或确认已知悉金额（owed，单位：分）。",
        "en": "Closing the account does not settle it. Pay it, or confirm that you know it (`owed`, in fen).",
    }


class ClosingOut(msgspec.Struct, frozen=True, kw_only=True):
    """What closing the account would mean. Amounts in fen."""

    owed: list[MyCharge]
    owed_total: int
    bookings: list[BookingOut]
    """They would be cancelled, and paid back by their rules."""
    kept: list[Kept]


async def look(
    session: AsyncSession, who: Identity, secret_key: str, language: str, now: datetime
) -> ClosingOut:
    """What closing would mean, said before it is done."""
    owed = await _owed(session, who, secret_key)
    return ClosingOut(
        owed=owed,
        owed_total=sum(charge.owed for charge in owed),
        bookings=await _to_come(session, who, now),
        kept=await consents.kept_by_law(session, language),
    )


async def close(session: AsyncSession, who: Identity, secret_key: str, owed: int, now: datetime) -> None:
    """Close it. `owed`: what the driver was told they owe. Raises OwedFirst."""
    if sum(charge.owed for charge in await _owed(session, who, secret_key)) != owed:
        raise OwedFirst()
    for booking in await _to_come(session, who, now):
        await cancel(session, who.user_id, booking.id, now)
    with suppress(NoMandate):
        await mandates.stop(session, who.user_id, now)
    await forget_ratings(session, who.user_id)
    await forget_reporter(session, who.user_id)
    await notices.forget(session, who.user_id, now)
    await closing.close(session, who, now)


async def _owed(session: AsyncSession, who: Identity, secret_key: str) -> list[MyCharge]:
    owed: list[MyCharge] = []
    before: UUID | None = None
    while True:
        page = await my_charges(session, who.user_id, secret_key, before=before, limit=_AT_ONCE)
        owed += [charge for charge in page.items if charge.state is ChargeState.DUE and charge.owed > 0]
        before = page.next_cursor
        if before is None:
            return owed


async def _to_come(session: AsyncSession, who: Identity, now: datetime) -> list[BookingOut]:
    """Those that do not go on from another of them: that one is cancelled with what goes on from it. In the
    order in which facilities are locked."""
    mine = await my_bookings(session, who.user_id, now, before=None, limit=_MOST_BOOKINGS)
    live = {booking.id: booking for booking in mine if booking.may_cancel}
    first = [booking for booking in live.values() if booking.extends not in live]
    return sorted(first, key=lambda booking: (booking.facility_id, booking.id))

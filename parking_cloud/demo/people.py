"""The demo's driver (演示) signs in by phone, as drivers do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.models import User
from parking_cloud.accounts.phone_codes import PhoneBook, give_phone, holder_of
from parking_cloud.driver.signing_in import DEMO_PHONE
from parking_cloud.kernel.settings import Settings


async def ensure_people(session: AsyncSession, drivers: Sequence[User], settings: Settings) -> None:
    """The first of the demo's drivers has the demo's phone; loaded again, it stays so."""
    book = PhoneBook(settings.plate_key)
    if drivers and await holder_of(session, book, DEMO_PHONE) is None:
        await give_phone(session, book, drivers[0].id, DEMO_PHONE, datetime.now(UTC))

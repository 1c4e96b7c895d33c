"""Drivers with vehicles, stays and a signed-in client, for the tests of their pages and data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from litestar.testing import AsyncTestClient
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.accounts.vehicles import ClaimDecision, VehicleIn
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.payments.parts import KEY, OWN, VAULT, minute
from tests.serving import client_of

DESK = Identity(user_id=uuid4(), username="desk", role=Role.CITY_ADMINISTRATOR)


class Phone:
    """A driver's phone: what it asks is asked in their name."""

    def __init__(self, client: AsyncTestClient[Any], settings: Settings, clock: FixedClock) -> None:
        self.client, self.settings, self.clock = client, settings, clock

    async def asks(self, who: Identity, method: str, path: str, **more: Any) -> Any:
        token = issue(who, self.settings.secret_key, self.clock.now())
        headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **more)


@asynccontextmanager
async def a_phone(settings: Settings, at: float = 120) -> AsyncIterator[Phone]:
    """The application, so many minutes from noon."""
    clock, settings = FixedClock(minute(at)), msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(settings, clock) as client:
        yield Phone(client, settings, clock)


async def verified(
    session: AsyncSession, who: Identity, plate: str = OWN, since: datetime | None = None
) -> UUID:
    """A vehicle of theirs; committed."""
    since = since or minute(-60)
    claim = await vehicles.claim(session, who, VehicleIn(plate), VAULT, since)
    seen = ClaimDecision(verified=True, reason="行驶证原件", plate=plate, since=since)
    await vehicles.decide(session, DESK, claim.id, seen, VAULT, since)
    await session.commit()
    return claim.id

"""The demo's network servers may not speak for each other's devices."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.models import ApiKey
from parking_cloud.demo import credentials, load
from parking_cloud.kernel.settings import Settings
from tests.factories import small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_a_network_servers_key_is_for_its_own_devices(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "build_city", small_city)
    keys = {source: f"a key of {source}" for source in credentials.SCOPES}
    await load.load(settings, credentials.Credentials(keys, [], "a seed"), lived_in=False)
    async with sessions() as session:
        rows = (await session.scalars(select(ApiKey))).all()
    may = {row.source: row.any_device for row in rows}
    assert may.keys() == credentials.SCOPES.keys()
    limited = {source for source, any_device in may.items() if not any_device}
    assert limited == {"chirpstack", "the-things-stack"}

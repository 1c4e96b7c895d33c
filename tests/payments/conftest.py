"""What several tests of payments stand on."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tests.payments.scene import Scene


@pytest.fixture
def money(session: AsyncSession, sessions: async_sessionmaker[AsyncSession]) -> Scene:
    """A desk with a scripted provider."""
    return Scene(session, sessions)

"""Carriers and drivers for the tests of notices."""

from __future__ import annotations

from collections import deque
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of, upsert_user
from parking_cloud.accounts.tokens import Identity
from parking_cloud.notices.senders import Message

KEY = "5a" * 32
"""The data key: plates and contacts are sealed under keys derived from it."""


class ScriptedCarrier:
    """The far side of a carrier's adapter: takes each id once, and fails as the test says."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = deque(failures)
        self.taken: dict[UUID, Message] = {}
        self.asked = 0

    async def send(self, message: Message) -> str:
        self.asked += 1
        failure = self.failures.popleft() if self.failures else None
        if isinstance(failure, LostAnswer):
            self.taken[message.id] = message
        if failure is not None:
            raise failure.cause if isinstance(failure, LostAnswer) else failure
        self.taken[message.id] = message
        return f"carrier-{len(self.taken)}"

    async def close(self) -> None:
        self.failures.clear()


class LostAnswer(Exception):
    """The carrier took it, and its answer did not come back."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def driver(session: AsyncSession, name: str) -> Identity:
    """A driver who can sign in."""
    return identity_of(
        await upsert_user(session, username=name, password="a long enough one", role=Role.DRIVER)
    )

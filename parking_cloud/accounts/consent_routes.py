"""Consents over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import ConsentOut, Purpose
from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import pick_language

WhoRequest = Request[Identity, Any, Any]


class Agreed(msgspec.Struct, frozen=True):
    """To which words: the version that was read."""

    version: int


class ConsentController(Controller):
    path = "/v1/me/consents"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]

    @get()
    async def offered(self, request: WhoRequest, session: AsyncSession) -> list[ConsentOut]:
        """What you may agree to, and have."""
        language = pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))
        return await consents.offered(session, request.user.user_id, language)

    @put("/{purpose:str}", status_code=204)
    async def give(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, purpose: Purpose, data: Agreed
    ) -> None:
        """Agree to these words."""
        await consents.give(session, request.user.user_id, purpose, data.version, clock.now())

    @delete("/{purpose:str}")
    async def withdraw(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, purpose: Purpose
    ) -> None:
        """No more, from now on."""
        await consents.withdraw(session, request.user.user_id, purpose, clock.now())


route_handlers: list[ControllerRouterHandler] = [ConsentController]

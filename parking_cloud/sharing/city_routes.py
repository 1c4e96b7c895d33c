"""The city's settings of sharing over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get, put
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import CONSOLE_ROLES, Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.sharing import city_desk
from parking_cloud.sharing.city_desk import PolicyIn, RuleIn
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.rule import Rule, rule_at
from parking_cloud.sharing.rules import Policy

StaffRequest = Request[Identity, Any, Any]


class SharingSettingsController(Controller):
    path = "/v1/sharing"
    tags = ["sharing"]

    @get("/policy", guards=[allow(*CONSOLE_ROLES)])
    async def policy(self, reading: AsyncSession, clock: Clock) -> Policy:
        """How bookings go now."""
        return await policy_at(reading, clock.now())

    @put("/policy", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def set_policy(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, data: PolicyIn
    ) -> Policy:
        """Set it from a moment on; the answer is what holds now."""
        return await city_desk.set_policy(session, request.user, data, clock.now())

    @get("/rule", guards=[allow(*CONSOLE_ROLES)])
    async def rule(self, reading: AsyncSession, clock: Clock) -> Rule | None:
        """What institutions are asked now, and by which source."""
        return await rule_at(reading, clock.now())

    @put("/rule", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def set_rule(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, data: RuleIn
    ) -> Rule | None:
        """Set it from a day on; the answer is what holds now."""
        await city_desk.set_rule(session, request.user, data, clock.now())
        return await rule_at(session, clock.now())


route_handlers: list[ControllerRouterHandler] = [SharingSettingsController]

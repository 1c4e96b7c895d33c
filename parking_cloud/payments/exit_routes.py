"""Gates over HTTP: may this vehicle leave, and what to do while nobody can be asked."""

from __future__ import annotations

from typing import Any

from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import policies
from parking_cloud.payments.exits import ExitAsk, ExitOut, ask_to_leave
from parking_cloud.payments.policies import ExitRules, LaneTold, Policy, RulesHeld
from sensor_gateway.sealing import PlateVault

_AT_GATES = allow(Role.INTEGRATION, Role.OPERATOR_STAFF)
_SET = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_SEE = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)

StaffRequest = Request[Identity, Any, Any]


class ExitController(Controller):
    path = "/v1/exits"
    tags = ["payments"]

    @post("", guards=[_AT_GATES], status_code=200)
    async def leave(
        self,
        request: StaffRequest,
        session: AsyncSession,
        redis: Redis,
        limiter: Limiter,
        clock: Clock,
        settings: Settings,
        data: ExitAsk,
    ) -> ExitOut:
        """May the gate open for this vehicle? Asked again, nothing changes."""
        return await ask_to_leave(
            session,
            redis,
            limiter,
            PlateVault(settings.plate_key),
            request.user,
            data,
            public_url=settings.public_url,
            now=clock.now(),
        )

    @get("/rules", guards=[_AT_GATES])
    async def rules(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility: str
    ) -> ExitRules:
        """What the gate does while the platform does not answer: fetched beforehand, and kept."""
        return await policies.exit_rules(session, request.user, facility, clock.now())

    @post("/rules/held", guards=[_AT_GATES], status_code=204)
    async def held(self, request: StaffRequest, session: AsyncSession, clock: Clock, data: RulesHeld) -> None:
        """The gate holds these rules now."""
        await policies.rules_held(session, request.user, data, clock.now())

    @get("/rules/held", guards=[_SEE])
    async def lanes(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility: str
    ) -> list[LaneTold]:
        """Which rules each lane holds."""
        return await policies.lanes_told(session, request.user, facility, clock.now())


class PolicyController(Controller):
    path = "/v1/facilities/{facility:str}/payment-policy"
    tags = ["payments"]

    @get("", guards=[_SEE])
    async def policy(self, request: StaffRequest, session: AsyncSession, facility: str) -> Policy:
        """How a facility lets vehicles out."""
        place = await policies.place_for(session, request.user, facility)
        return await policies.policy_of(session, place.id)

    @put("", guards=[_SET])
    async def set_policy(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility: str, data: Policy
    ) -> Policy:
        """Give a facility its policy."""
        return await policies.set_policy(session, request.user, facility, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [ExitController, PolicyController]

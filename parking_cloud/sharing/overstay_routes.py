"""Overstays over HTTP: a driver's own, the city's steps, and objections with their answers."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import CONSOLE_ROLES, Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.sharing import overstay_desk as desk
from parking_cloud.sharing.overstay_desk import AnswerIn, ObjectionIn, OverstayOut, StepIn, StepsIn

WhoRequest = Request[Identity, Any, Any]


class MyOverstayController(Controller):
    path = "/v1/me/overstays"
    tags = ["sharing"]
    guards = [allow(Role.DRIVER)]

    @get("")
    async def mine(self, request: WhoRequest, reading: AsyncSession) -> list[OverstayOut]:
        """Where you had not left in time, what followed from it, and your objections."""
        return await desk.overstays_of(reading, request.user.user_id)

    @post("/{overstay_id:uuid}/objection", status_code=201)
    async def object_to(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, overstay_id: UUID, data: ObjectionIn
    ) -> OverstayOut:
        """Say that it is wrong; the city answers."""
        return await desk.object_to(session, request.user.user_id, overstay_id, data, clock.now())


class OverstayController(Controller):
    path = "/v1/sharing"
    tags = ["sharing"]

    @get("/overstay-steps", guards=[allow(*CONSOLE_ROLES)])
    async def steps(self, reading: AsyncSession) -> list[StepIn]:
        """What is done, and when, about whoever does not leave."""
        return await desk.steps(reading)

    @put("/overstay-steps", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def set_steps(self, request: WhoRequest, session: AsyncSession, data: StepsIn) -> list[StepIn]:
        """Set all of them."""
        return await desk.set_steps(session, request.user, data)

    @get("/overstay-objections", guards=[allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR)])
    async def objections(
        self, reading: AsyncSession, limit: Annotated[int, Parameter(ge=1, le=200)] = 50
    ) -> list[OverstayOut]:
        """Those that wait for an answer, oldest first."""
        return await desk.waiting_objections(reading, limit)

    @post(
        "/overstay-objections/{overstay_id:uuid}/answer",
        guards=[allow(Role.CITY_ADMINISTRATOR)],
        status_code=200,
    )
    async def answer(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, overstay_id: UUID, data: AnswerIn
    ) -> OverstayOut:
        """Answer one; where the driver was right, the suspension ends at once and the clue is withdrawn."""
        return await desk.answer(session, request.user, overstay_id, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [MyOverstayController, OverstayController]

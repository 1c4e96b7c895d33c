"""Arrears and objections over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get, post
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.arrears import objections, policies, service
from parking_cloud.arrears.policies import PolicyIn, PolicyOut
from parking_cloud.arrears.rules import Stage
from parking_cloud.arrears.schemas import (
    AnswerIn,
    ByHandIn,
    CasePage,
    ObjectionIn,
    ObjectionItem,
    ObjectionOut,
    Owed,
)
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

_SEE = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)

WhoRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=500)]


@post("/v1/charges/{charge_id:uuid}/objections", guards=[public], tags=["arrears"])
async def object_to(
    request: Request[Identity | None, Any, Any],
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    charge_id: UUID,
    data: ObjectionIn,
) -> ObjectionOut:
    """A charge is wrong: said by its verified driver, by who paid it (with the receipt's token), or by
    staff on a driver's behalf. The clock of arrears stands still until it is answered."""
    return await objections.object_to(
        session, charge_id, data, request.user, settings.secret_key, clock.now()
    )


@get("/v1/me/arrears", guards=[allow(Role.DRIVER)], tags=["drivers"])
async def mine(request: WhoRequest, session: AsyncSession) -> list[Owed]:
    """What you owe, and in which stage it is."""
    return await service.owed_by(session, request.user.user_id)


class ArrearsController(Controller):
    path = "/v1/arrears"
    tags = ["arrears"]

    @get("/cases", guards=[_SEE])
    async def cases(
        self,
        request: WhoRequest,
        session: AsyncSession,
        stage: Stage | None = None,
        cursor: UUID | None = None,
        limit: Limit = 100,
    ) -> CasePage:
        """Unpaid charges by stage."""
        return await service.list_cases(session, request.user, stage=stage, after=cursor, limit=limit)

    @post("/cases/{charge_id:uuid}/reminders", guards=[_ACT], status_code=204)
    async def by_hand(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, charge_id: UUID, data: ByHandIn
    ) -> None:
        """A reminder was given by letter, by telephone or in person."""
        await service.reminded_by_hand(session, request.user, charge_id, data, clock.now())

    @get("/objections", guards=[_SEE])
    async def to_answer(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, limit: Limit = 100
    ) -> list[ObjectionItem]:
        """What is to be answered, the nearest to its day first."""
        operator = service.own_operator(request.user)
        return await objections.to_be_answered(session, operator, clock.now(), limit)

    @get("/charges/{charge_id:uuid}/objections", guards=[_SEE])
    async def of_charge(
        self, request: WhoRequest, session: AsyncSession, charge_id: UUID
    ) -> list[ObjectionOut]:
        """A charge's objections with their answers."""
        return await service.objections_of(session, request.user, charge_id)

    @post("/objections/{objection_id:uuid}/answer", guards=[_ACT], status_code=204)
    async def answer(
        self,
        request: WhoRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        objection_id: UUID,
        data: AnswerIn,
    ) -> None:
        """Uphold it (the charge is lowered, the excess goes back), or reject it with a reason."""
        plates = PlateVault(settings.plate_key) if settings.plate_key else None
        await service.answer(session, request.user, objection_id, data, clock.now(), plates)

    @get("/policies", guards=[_SEE])
    async def list_policies(self, session: AsyncSession) -> list[PolicyOut]:
        """The stages in force, before and to come, each with its source."""
        return await policies.list_policies(session)

    @post("/policies", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def add_policy(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, data: PolicyIn
    ) -> dict[str, UUID]:
        """Stages from a day in the future on."""
        return {"id": await policies.add_policy(session, request.user, data, clock.now())}


route_handlers: list[ControllerRouterHandler] = [object_to, mine, ArrearsController]

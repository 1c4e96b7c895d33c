"""Operations over HTTP: faults, findings, checks, accuracy, and the health of sources."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.operations import service
from parking_cloud.operations.rules import Condition
from parking_cloud.operations.schemas import (
    Accuracy,
    CheckClosing,
    CheckOut,
    CheckPage,
    DutyIn,
    FaultPage,
    FindingIn,
    FindingOut,
    SignFaultPage,
    SourceOut,
)
from parking_cloud.operations.signs import list_sign_faults
from parking_cloud.operations.sources import list_sources

_SEE = allow(Role.OPERATOR_STAFF, Role.ENFORCEMENT_OFFICER, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = allow(Role.OPERATOR_STAFF, Role.ENFORCEMENT_OFFICER, Role.CITY_ADMINISTRATOR)

StaffRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=500)]


@post("/v1/findings", guards=[_ACT], tags=["operations"])
async def state_finding(
    request: StaffRequest, session: AsyncSession, clock: Clock, data: FindingIn
) -> FindingOut:
    """A space is occupied or free, as seen by a person. A sensor that said otherwise will be checked."""
    return await service.state_finding(session, request.user, data, clock.now())


class OperationsController(Controller):
    path = "/v1/operations"
    tags = ["operations"]

    @get("/faults", guards=[_SEE])
    async def faults(
        self,
        request: StaffRequest,
        session: AsyncSession,
        condition: Condition | None = None,
        facility_id: UUID | None = None,
        closed: bool = False,
        cursor: UUID | None = None,
        limit: Limit = 100,
    ) -> FaultPage:
        """What is wrong with devices, each with its evidence; newest first."""
        return await service.list_faults(
            session,
            request.user,
            condition=condition,
            facility_id=facility_id,
            closed=closed,
            before=cursor,
            limit=limit,
        )

    @get("/sign-faults", guards=[allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR)])
    async def sign_faults(
        self, session: AsyncSession, closed: bool = False, cursor: UUID | None = None, limit: Limit = 100
    ) -> SignFaultPage:
        """Guidance boards that do not ask for their numbers; newest first."""
        return await list_sign_faults(session, closed=closed, before=cursor, limit=limit)

    @get("/checks", guards=[_SEE])
    async def checks(
        self,
        request: StaffRequest,
        session: AsyncSession,
        closed: bool = False,
        cursor: UUID | None = None,
        limit: Limit = 100,
    ) -> CheckPage:
        """Sensors that disagreed with a person and have to be looked at; newest first."""
        return await service.list_checks(session, request.user, closed=closed, before=cursor, limit=limit)

    @post("/checks/{check_id:uuid}/close", guards=[_ACT], status_code=200)
    async def close_check(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, check_id: UUID, data: CheckClosing
    ) -> CheckOut:
        """What a look at the device showed."""
        return await service.close_check(session, request.user, check_id, data, clock.now())

    @get("/devices/{device_id:uuid}/accuracy", guards=[_SEE])
    async def accuracy(self, request: StaffRequest, session: AsyncSession, device_id: UUID) -> Accuracy:
        """How often people found a device right, in all and by month."""
        return await service.device_accuracy(session, request.user, device_id)

    @get("/sources", guards=[allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR)])
    async def sources(self, session: AsyncSession, clock: Clock) -> list[SourceOut]:
        """When each source was last heard, whether it is late, and how far its clock is from ours."""
        return await list_sources(session, clock.now())

    @put("/sources/{source:str}/duty", guards=[allow(Role.CITY_ADMINISTRATOR)], status_code=204)
    async def duty(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, source: str, data: DutyIn
    ) -> None:
        """How often a source has to send something; it may be set before the source was ever heard."""
        await service.set_source_duty(session, request.user, source, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [state_finding, OperationsController]

"""Drivers' vehicles over HTTP, and the desk that verifies them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import ClaimDecision, ClaimOut, VehicleIn, VehicleOut
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

WhoRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=200)]


class MyVehiclesController(Controller):
    path = "/v1/me/vehicles"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]

    @get()
    async def mine(self, request: WhoRequest, session: AsyncSession, settings: Settings) -> list[VehicleOut]:
        """Your vehicles, and how their verification stands."""
        return await vehicles.vehicles_of(session, request.user.user_id, PlateVault(settings.plate_key))

    @post()
    async def claim(
        self, request: WhoRequest, session: AsyncSession, settings: Settings, clock: Clock, data: VehicleIn
    ) -> VehicleOut:
        """Ask for a vehicle: it is pending until the desk has seen its licence."""
        return await vehicles.claim(session, request.user, data, PlateVault(settings.plate_key), clock.now())

    @delete("/{binding_id:uuid}")
    async def give_up(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, binding_id: UUID
    ) -> None:
        """It is no longer yours: you see nothing of it any more."""
        await vehicles.give_up(session, request.user, binding_id, clock.now())


class VehicleDeskController(Controller):
    path = "/v1/vehicle-claims"
    tags = ["drivers"]
    guards = [allow(Role.CITY_ADMINISTRATOR)]

    @get()
    async def waiting(self, session: AsyncSession, settings: Settings, limit: Limit = 100) -> list[ClaimOut]:
        """Claims that wait, oldest first."""
        return await vehicles.claims(session, PlateVault(settings.plate_key), limit)

    @post("/{binding_id:uuid}/decision", status_code=204)
    async def decide(
        self,
        request: WhoRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        binding_id: UUID,
        data: ClaimDecision,
    ) -> None:
        """What the licence that was shown says."""
        vault = PlateVault(settings.plate_key)
        await vehicles.decide(session, request.user, binding_id, data, vault, clock.now())


route_handlers: list[ControllerRouterHandler] = [MyVehiclesController, VehicleDeskController]

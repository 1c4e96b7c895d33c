"""Drivers' vehicles over HTTP, and the desk that verifies them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import licences, vehicles
from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import ClaimDecision, ClaimOut, VehicleIn, VehicleOut
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.limits import Limit as RateLimit
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.photos import redrawn
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

_PHOTOS_AN_HOUR = 12


@dataclass
class PhotoForm:
    """One photo: JPEG, PNG or WebP."""

    photo: UploadFile


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

    @post("/{binding_id:uuid}/licence", status_code=204)
    async def show_licence(
        self,
        request: WhoRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        limiter: Limiter,
        binding_id: UUID,
        data: Annotated[PhotoForm, Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> None:
        """A photo of the vehicle's licence, for the desk alone; deleted a month after its decision."""
        user, now = request.user.user_id, clock.now()
        await limiter.count([RateLimit(f"licence:{user}", _PHOTOS_AN_HOUR, timedelta(hours=1))], now)
        photo = await redrawn(await data.photo.read())
        vault = FileVault(settings.plate_key, licences.PURPOSE)
        await licences.keep_photo(session, request.user, binding_id, photo, vault, now)

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

    @post("/{binding_id:uuid}/licence", status_code=200)
    async def licence(
        self, request: WhoRequest, session: AsyncSession, settings: Settings, binding_id: UUID
    ) -> Response[bytes]:
        """The photo of the licence that the driver sent (JPEG). Each look is kept."""
        vault = FileVault(settings.plate_key, licences.PURPOSE)
        photo = await licences.look_at_photo(session, request.user, binding_id, vault)
        return Response(photo, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

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

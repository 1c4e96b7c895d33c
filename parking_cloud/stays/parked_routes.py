"""“I'm parked” over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.coordinates import Crs, Position, to_wgs84
from parking_cloud.kernel.idempotency import IdempotencyKey, once
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import parked
from parking_cloud.stays.parked import NearestSpace, ParkedOut
from parking_cloud.stays.wire import Started
from sensor_gateway.sealing import PlateVault

Number = Annotated[str, Parameter(min_length=1, max_length=40)]


class Here(msgspec.Struct, frozen=True):
    """In the body, so that no log has where somebody was."""

    lat: float
    lon: float
    crs: Crs = Crs.WGS84


class ParkIn(msgspec.Struct, frozen=True):
    vehicle_id: UUID
    space_id: UUID


class ParkedController(Controller):
    path = "/v1/me/parked"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]

    @get()
    async def mine(self, request: Request[Identity, Any, Any], session: AsyncSession) -> list[ParkedOut]:
        """Where your vehicles stand by your own word."""
        return await parked.parked(session, request.user.user_id)

    @post()
    async def park(
        self,
        request: Request[Identity, Any, Any],
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        data: ParkIn,
        idempotency_key: IdempotencyKey = None,
    ) -> Started:
        """Your vehicle stands on this space from now on."""

        async def deed() -> Started:
            vault = PlateVault(settings.plate_key)
            who, now = request.user, clock.now()
            return Started(await parked.park(session, vault, who, data.vehicle_id, data.space_id, now))

        return await once(session, request, idempotency_key, Started, deed)

    @post("/near", status_code=200)
    async def near(
        self, request: Request[Identity, Any, Any], session: AsyncSession, data: Here
    ) -> list[NearestSpace]:
        """The spaces nearest to you. Needs your consent; your position is not kept."""
        return await parked.nearest(session, request.user, to_wgs84(Position(data.lat, data.lon), data.crs))

    @get("/space")
    async def space(self, session: AsyncSession, facility: Number, number: Number) -> NearestSpace:
        """A space by the number painted on it."""
        return await parked.by_number(session, facility, number)


route_handlers: list[ControllerRouterHandler] = [ParkedController]

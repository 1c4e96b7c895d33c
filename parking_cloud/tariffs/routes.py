"""Tariffs over HTTP: prices for everybody; keeping tariffs and permits for staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, get, post
from litestar.connection import Request
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.tariffs import checking, keeping, service
from parking_cloud.tariffs.permit_routes import PermitController
from parking_cloud.tariffs.schemas import (
    AssignmentIn,
    Checked,
    CheckIn,
    FacilityTariff,
    Kept,
    QuoteIn,
    QuoteOut,
    TariffDetail,
    TariffIn,
    TariffOut,
    VersionIn,
)

_SEE = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_KEEP = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)

StaffRequest = Request[Identity, Any, Any]


@get("/v1/facilities/{facility:str}/tariff", guards=[public], tags=["tariffs"])
async def facility_tariff(reading: AsyncSession, clock: Clock, facility: str) -> FacilityTariff:
    """What a facility (by id or code) charges, now, in sentences."""
    return await service.tariff_at(reading, facility, clock.now())


class TariffController(Controller):
    path = "/v1/tariffs"
    tags = ["tariffs"]

    @post("/quote", guards=[public], status_code=200)
    async def quote(self, reading: AsyncSession, clock: Clock, data: QuoteIn) -> QuoteOut:
        """What a planned stay would cost, with the reason of each line."""
        return await service.quote_planned(reading, data, clock.now())

    @post("/check", guards=[_SEE], status_code=200, sync_to_thread=True)
    def check(self, clock: Clock, data: CheckIn) -> Checked:
        """A tariff's price over 48 hours, and what is probably not meant; nothing is written."""
        return checking.check(data, clock.now())

    @get("/", guards=[_SEE])
    async def tariffs(self, request: StaffRequest, reading: AsyncSession) -> list[TariffOut]:
        """Tariffs by code; for an operator's staff the city's and their own."""
        return await service.list_tariffs(reading, request.user)

    @post("/", guards=[_KEEP])
    async def save(self, request: StaffRequest, session: AsyncSession, data: TariffIn) -> Kept:
        """Add a tariff, or by its code change what is said about it."""
        return Kept(await keeping.save_tariff(session, request.user, data))

    @get("/{tariff_id:uuid}", guards=[_SEE])
    async def tariff(self, request: StaffRequest, session: AsyncSession, tariff_id: UUID) -> TariffDetail:
        """A tariff with its versions and where it holds."""
        return await service.get_tariff(session, request.user, tariff_id)

    @post("/{tariff_id:uuid}/versions", guards=[_KEEP])
    async def add_version(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, tariff_id: UUID, data: VersionIn
    ) -> Kept:
        """From a moment on the tariff says this; what was to begin later is replaced."""
        version = await keeping.add_version(
            session, request.user, tariff_id, data.data, data.effective_from, clock.now()
        )
        return Kept(version)

    @post("/{tariff_id:uuid}/facilities", guards=[_KEEP])
    async def assign(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, tariff_id: UUID, data: AssignmentIn
    ) -> Kept:
        """From a moment on the tariff holds at a facility."""
        facility = await service.place(session, data.facility)
        assigned = await keeping.assign(
            session, request.user, facility.id, tariff_id, data.since, clock.now()
        )
        return Kept(assigned)


route_handlers: list[ControllerRouterHandler] = [facility_tariff, TariffController, PermitController]

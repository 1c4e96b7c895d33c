"""Permits over HTTP, for staff. A plate goes in and never comes out; each look-up says why."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.connection import Request
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.tariffs import staff_permits
from parking_cloud.tariffs.schemas import Kept, Moment, PermitFacts, PermitKind
from sensor_gateway.sealing import PlateVault

Reason = Annotated[str, msgspec.Meta(min_length=2, max_length=300)]
PlateText = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
StaffRequest = Request[Identity, Any, Any]


class PermitIn(msgspec.Struct, frozen=True, kw_only=True):
    """A permit at one facility (by id or code) or at all of an operator's; a free list may leave both out."""

    plate: PlateText
    kind: PermitKind
    facility: str | None = None
    operator_id: UUID | None = None
    valid_from: Moment
    valid_until: Moment | None = None
    reason: Reason


class PermitSearch(msgspec.Struct, frozen=True, kw_only=True):
    plate: PlateText
    reason: Reason


class Revoking(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason


class PermitController(Controller):
    path = "/v1/permits"
    tags = ["tariffs"]
    guards = [allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)]

    @post("/")
    async def grant(
        self, request: StaffRequest, session: AsyncSession, settings: Settings, data: PermitIn
    ) -> Kept:
        """Grant a permit."""
        permit = await staff_permits.grant(
            session,
            request.user,
            PlateVault(settings.plate_key),
            plate=data.plate,
            kind=data.kind,
            facility=data.facility,
            operator_id=data.operator_id,
            valid_from=data.valid_from,
            valid_until=data.valid_until,
            reason=data.reason,
        )
        return Kept(permit)

    @post("/search", status_code=200)
    async def search(
        self, request: StaffRequest, session: AsyncSession, settings: Settings, data: PermitSearch
    ) -> list[PermitFacts]:
        """The permits of a plate; an operator's staff see those that hold at its facilities."""
        vault = PlateVault(settings.plate_key)
        return await staff_permits.search(session, request.user, vault, data.plate, data.reason)

    @post("/{permit_id:uuid}/revoke", status_code=200)
    async def revoke(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, permit_id: UUID, data: Revoking
    ) -> PermitFacts:
        """It holds no longer from now on."""
        return await staff_permits.revoke(session, request.user, permit_id, data.reason, clock.now())

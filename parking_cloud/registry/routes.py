"""The registry over HTTP: devices for administrators, imports by CSV."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.connection import Request
from litestar.params import Parameter
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.registry import service
from parking_cloud.registry.csv_import import parse_csv
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceOut


class DeviceList(msgspec.Struct, frozen=True):
    items: list[DeviceOut]
    next_cursor: str | None


class ImportDone(msgspec.Struct, frozen=True):
    part: str
    rows: int


class RegistryController(Controller):
    path = "/v1/registry"
    tags = ["registry"]

    @get("/devices", guards=[allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR, Role.INTEGRATION)])
    async def devices(
        self,
        session: AsyncSession,
        facility_id: UUID | None = None,
        cursor: str = "",
        limit: Annotated[int, Parameter(ge=1, le=1000)] = 500,
    ) -> DeviceList:
        """Devices by external id, of one facility where it is given."""
        items = await service.list_devices(session, facility_id=facility_id, after=cursor, limit=limit + 1)
        more = len(items) > limit
        return DeviceList(items[:limit], items[limit - 1].external_id if more else None)

    @post("/imports/{part:str}", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def import_csv(
        self, request: Request[Identity, Any, Any], session: AsyncSession, part: str
    ) -> ImportDone:
        """Add or update operators, institutions, facilities, zones, spaces or devices from a CSV body.

        The body is the file itself. All of it is written or nothing; the refusal lists every bad row.
        """
        batch = parse_csv(part, await request.body())
        await import_batch(session, batch)
        rows = len(getattr(batch, part))
        await audit.record(
            session,
            actor_id=request.user.user_id,
            actor_role=request.user.role,
            action="registry.import",
            subject_type=part,
            subject_id="",
            detail={"rows": rows},
        )
        return ImportDone(part, rows)

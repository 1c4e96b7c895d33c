"""Gates over HTTP: how far a facility's derived count is from its full counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.reconciliation import Reconciliation, reconciliations
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.service import get_facility
from parking_cloud.registry.service import facilities_of

StaffRequest = Request[Identity, Any, Any]


class ReconciliationPage(msgspec.Struct, frozen=True):
    """Newest first; `next_before` is the cursor of the next page."""

    items: list[Reconciliation]
    drift: int | None
    """The newest drift that is known: vehicles too many (above zero) or too few in the derived count."""
    next_before: datetime | None


class GateController(Controller):
    path = "/v1/facilities"
    tags = ["gates"]

    @get(
        "/{facility:str}/reconciliation",
        guards=[allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)],
    )
    async def reconciliation(
        self,
        request: StaffRequest,
        reading: AsyncSession,
        settings: Settings,
        clock: Clock,
        facility: str,
        before: datetime | None = None,
        limit: Annotated[int, Parameter(ge=1, le=500)] = 50,
    ) -> ReconciliationPage:
        """Full counts against what entries and exits since the count before them had led to expect.

        An operator's staff see those of its own facilities.
        """
        stale_after = timedelta(seconds=settings.stale_after_s)
        found = await get_facility(reading, facility, now=clock.now(), stale_after=stale_after)
        await _may_see(reading, request.user, found.id)
        items = await reconciliations(
            reading, found.id, before=before or clock.now() + timedelta(days=1), limit=limit + 1
        )
        known = [item.drift for item in items if item.drift is not None]
        more = len(items) > limit
        return ReconciliationPage(
            items[:limit], known[0] if known else None, items[limit - 1].counted_at if more else None
        )


async def _may_see(session: AsyncSession, who: Identity, facility_id: UUID) -> None:
    """Raise NotAllowed for staff of another operator."""
    if who.role is not Role.OPERATOR_STAFF:
        return
    if who.operator_id is None or facility_id not in await facilities_of(session, who.operator_id):
        raise NotAllowed()


route_handlers: list[ControllerRouterHandler] = [GateController]

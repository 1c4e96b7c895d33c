"""Occupancy over HTTP: facilities and spaces as they are now, and the live stream."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from litestar import Controller, get
from litestar.params import Parameter
from litestar.response import ServerSentEvent
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service
from parking_cloud.occupancy.schemas import FacilityDetail, FacilityPage, SpaceList
from parking_cloud.occupancy.stream import EventHub


class FacilityController(Controller):
    path = "/v1/facilities"
    tags = ["occupancy"]

    @get("/", guards=[public])
    async def facilities(
        self,
        reading: AsyncSession,
        settings: Settings,
        clock: Clock,
        cursor: str = "",
        limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
        kind: str | None = None,
        district: str | None = None,
    ) -> FacilityPage:
        """All facilities by code, a page at a time."""
        return await service.page_facilities(
            reading,
            after=cursor,
            limit=limit,
            kind=kind,
            district=district,
            now=clock.now(),
            stale_after=timedelta(seconds=settings.stale_after_s),
        )

    @get("/{facility:str}", guards=[public])
    async def facility(
        self, reading: AsyncSession, settings: Settings, clock: Clock, facility: str
    ) -> FacilityDetail:
        """One facility, by id or code."""
        return await service.get_facility(
            reading, facility, now=clock.now(), stale_after=timedelta(seconds=settings.stale_after_s)
        )

    @get("/{facility:str}/spaces", guards=[public])
    async def spaces(
        self, reading: AsyncSession, settings: Settings, clock: Clock, facility: str
    ) -> SpaceList:
        """The spaces of a facility, by number."""
        limit = timedelta(seconds=settings.stale_after_s)
        return SpaceList(await service.list_spaces(reading, facility, now=clock.now(), stale_after=limit))


@get("/v1/occupancy/stream", guards=[public], tags=["occupancy"], media_type="text/event-stream")
async def occupancy_stream(
    event_hub: EventHub,
    last_event_id: Annotated[str | None, Parameter(header="Last-Event-ID", required=False)] = None,
) -> ServerSentEvent:
    """Server-sent events: `facility` with its new numbers; `reset` where events were missed for good."""
    return ServerSentEvent(event_hub.listen(last_event_id))


route_handlers: list[ControllerRouterHandler] = [FacilityController, occupancy_stream]

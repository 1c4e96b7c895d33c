"""Occupancy over HTTP: facilities and spaces as they are now, and the live stream."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import ServerSentEvent
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service
from parking_cloud.occupancy.boxes import parse_box
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
    state: State,
    event_hub: EventHub,
    bbox: str | None = None,
    facility: Annotated[list[UUID] | None, Parameter(max_items=200)] = None,
    last_event_id: Annotated[str | None, Parameter(header="Last-Event-ID", required=False)] = None,
) -> ServerSentEvent:
    """Server-sent events: `facility` with its new numbers; `reset` where events were missed for good.

    `bbox` (west,south,east,north in WGS-84 degrees) and `facility` (repeated) ask for the facilities in
    that box and for these alone; those of a box are told apart once, when the stream is opened. After 15
    quiet seconds comes `alive`; its id, like every id, is where to go on by Last-Event-ID.
    """
    wanted: set[UUID] | None = None if bbox is None and facility is None else set(facility or ())
    if wanted is not None and bbox is not None:
        # Not for as long as the stream: the connection goes back at once.
        async with state.reading() as reading:
            wanted |= await service.facilities_within(reading, parse_box(bbox))
    return ServerSentEvent(event_hub.listen(last_event_id, wanted))


route_handlers: list[ControllerRouterHandler] = [FacilityController, occupancy_stream]

"""Sharing over HTTP, for everybody."""

from __future__ import annotations

from litestar import get
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.clock import Clock
from parking_cloud.sharing import (
    city_routes,
    gate_routes,
    manager_routes,
    me_routes,
    overstay_routes,
    use_routes,
)
from parking_cloud.sharing.offers import Name, OfferOut, offers
from parking_cloud.sharing.schemas import Moment


@get("/v1/sharing/offers", guards=[public], tags=["sharing"])
async def sharing_offers(
    session: AsyncSession, clock: Clock, start: Moment, end: Moment, facility: Name | None = None
) -> list[OfferOut]:
    """Where shared spaces are open for the whole of a time, and what it costs; or one facility's offer."""
    return await offers(session, facility=facility, start=start, end=end, now=clock.now())


route_handlers: list[ControllerRouterHandler] = [
    sharing_offers,
    *me_routes.route_handlers,
    *manager_routes.route_handlers,
    *gate_routes.route_handlers,
    *overstay_routes.route_handlers,
    *use_routes.route_handlers,
    *city_routes.route_handlers,
]

"""Drivers' choices over HTTP: told so that the next are not sent to the same spaces."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.guidance.sent import SentStream
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.limits import Limit, Limiter, TooManyTries, network_of
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service as occupancy

_MOST = 10
_WINDOW = timedelta(minutes=10)
"""A driver changes their mind some times; who chooses more often means to drive others away."""
_ONE_COUNTS_FOR = timedelta(minutes=30)
"""Who chose a place is one driver on the way there, however often they say so."""


class ChoiceIn(msgspec.Struct, frozen=True, kw_only=True):
    """Where the driver goes, by id or code, and when they will be there."""

    facility: Annotated[str, msgspec.Meta(max_length=64)]
    arrive_at: Annotated[datetime, msgspec.Meta(tz=True)]


class ChoiceOut(msgspec.Struct, frozen=True):
    """Whether it lowers the place's chance for those who come after."""

    counted: bool


@post("/v1/guidance/choices", guards=[public], tags=["guidance"], status_code=200)
async def choose(
    request: Request[Any, Any, Any],
    reading: AsyncSession,
    limiter: Limiter,
    sent: SentStream,
    clock: Clock,
    settings: Settings,
    data: ChoiceIn,
) -> ChoiceOut:
    """Say that a driver goes to a place; nothing is kept of who.

    Not counted: what is past two hours from now, and what was said from the same address within half an hour.
    """
    address = network_of(request.client.host if request.client else "")
    who = hmac.digest(settings.secret_key.encode(), address.encode(), "sha256").hex()[:32]
    now = clock.now()
    await limiter.count([Limit(f"choices:{who}", _MOST, _WINDOW)], now)
    facility = await occupancy.get_facility(
        reading, data.facility, now=now, stale_after=timedelta(seconds=settings.stale_after_s)
    )
    try:
        await limiter.count([Limit(f"choices:{who}:{facility.id}", 1, _ONE_COUNTS_FOR)], now)
    except TooManyTries:
        return ChoiceOut(False)
    return ChoiceOut(await sent.choose(facility.id, data.arrive_at.timestamp()))


route_handlers: list[ControllerRouterHandler] = [choose]

"""Gates and sharing over HTTP: may this vehicle come in, and who was turned away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get, post
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing import turn_away_records
from parking_cloud.sharing.entries import EntryAsk, EntryOut, ask_to_enter
from parking_cloud.sharing.turn_away_records import CommentIn, TurnAwayOut
from parking_cloud.sharing.turning_away import TurnedAwayIn, TurnedAwayOut, say_turned_away
from sensor_gateway.sealing import PlateVault

WhoRequest = Request[Identity, Any, Any]
_ANSWERS = (Role.INSTITUTION_MANAGER, Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)


@post("/v1/entries", guards=[allow(Role.INTEGRATION)], status_code=200, tags=["sharing"])
async def enter(
    request: WhoRequest, reading: AsyncSession, settings: Settings, clock: Clock, data: EntryAsk
) -> EntryOut:
    """May the gate open for this vehicle? For gates that ask for each one; nothing is kept."""
    return await ask_to_enter(
        reading,
        PlateVault(settings.plate_key),
        request.user,
        data,
        now=clock.now(),
        stale_after=timedelta(seconds=settings.stale_after_s),
    )


@post(
    "/v1/me/bookings/{booking_id:uuid}/turned-away",
    guards=[allow(Role.DRIVER)],
    status_code=200,
    tags=["sharing"],
)
async def turned_away(
    request: WhoRequest,
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    booking_id: UUID,
    data: TurnedAwayIn,
) -> TurnedAwayOut:
    """You were not let in: your money goes back by itself, and here is where else to park."""
    stale_after = timedelta(seconds=settings.stale_after_s)
    return await say_turned_away(session, request.user.user_id, booking_id, data, clock.now(), stale_after)


class TurnAwayController(Controller):
    path = "/v1/sharing/turn-aways"
    tags = ["sharing"]

    @get("", guards=[allow(*_ANSWERS, Role.AUDITOR)])
    async def shown(
        self,
        request: WhoRequest,
        reading: AsyncSession,
        before: datetime | None = None,
        limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
    ) -> list[TurnAwayOut]:
        """Drivers who were turned away at your facilities, newest first."""
        return await turn_away_records.turn_aways(reading, request.user, before=before, limit=limit)

    @post("/{turn_away_id:uuid}/comment", guards=[allow(*_ANSWERS)], status_code=200)
    async def comment(
        self,
        request: WhoRequest,
        session: AsyncSession,
        clock: Clock,
        turn_away_id: UUID,
        data: CommentIn,
    ) -> TurnAwayOut:
        """Say how it came about; once."""
        return await turn_away_records.comment(session, request.user, turn_away_id, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [enter, turned_away, TurnAwayController]

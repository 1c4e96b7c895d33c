"""Allow lists over HTTP: fetched and acknowledged by gates, and how a facility's gate is told."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates import allow_list_keeping as keeping
from parking_cloud.gates.allow_list_keeping import AdapterIn, AdapterOut, place_of
from parking_cloud.gates.allow_list_push import secret_of
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.gates.allow_list_waiting import ListWatch
from parking_cloud.gates.allow_list_wire import AllowList, ListAnswer
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.hook_address import HookRefused, allowed_by, check_address
from parking_cloud.kernel.hooks import shown_secret
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

LONGEST_WAIT_S = 25

StaffRequest = Request[Identity, Any, Any]


class Acknowledgement(ListAnswer, frozen=True, kw_only=True):
    """What a gate has taken over of the list at `version`."""

    facility: str


class Acknowledged(msgspec.Struct, frozen=True):
    """How many of the named entries are of this list, and have not changed since."""

    known: int


class AdapterSet(msgspec.Struct, frozen=True):
    """The secret is shown once; asked for again, it is another one."""

    secret: str | None


class AllowListController(Controller):
    path = "/v1/gates/allow-list"
    tags = ["gates"]

    @get("", guards=[allow(Role.INTEGRATION)])
    async def fetch(
        self,
        request: StaffRequest,
        state: State,
        settings: Settings,
        clock: Clock,
        facility: str,
        after: Annotated[int, Parameter(ge=0)] = 0,
        wait: Annotated[int, Parameter(ge=0, le=LONGEST_WAIT_S)] = 0,
    ) -> AllowList:
        """What a facility's gate has to know beyond `after`; waits for news for up to `wait` seconds.

        No connection is held while it waits.
        """
        vault = PlateVault(settings.plate_key) if settings.plate_key else None
        async with transaction(state.sessions) as session:
            place = await place_of(session, request.user, facility)
            found = await keeping.fetched(session, vault, place, after, clock.now())
        if found.entries or found.version != after or not wait:
            return found
        watch: ListWatch = state.list_watch
        if not await watch.moved(place.id, after, wait):
            return found
        async with transaction(state.sessions) as session:
            return await keeping.fetched(session, vault, place, after, clock.now())

    @post("/acknowledgements", guards=[allow(Role.INTEGRATION)], status_code=200)
    async def acknowledge(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, data: Acknowledgement
    ) -> Acknowledged:
        """The gate has taken entries over, or refuses them. Said again, nothing changes."""
        place = await place_of(session, request.user, data.facility)
        return Acknowledged(await keeping.acknowledged(session, place.id, data, clock.now()))


class AdapterController(Controller):
    path = "/v1/facilities/{facility:str}/gate-adapter"
    tags = ["gates"]

    @get("", guards=[allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)])
    async def shown(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility: str
    ) -> AdapterOut:
        """How a facility's gate is told of bookings, and how far it is."""
        place = await place_of(session, request.user, facility)
        return await keeping.adapter(session, place, clock.now())

    @put("", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def set_adapter(
        self,
        request: StaffRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        facility: str,
        data: AdapterIn,
    ) -> AdapterSet:
        """Say how; an administrator has seen that an address is the facility's own."""
        if data.url is not None:
            try:
                check_address(data.url, allowed_by(settings))
            except HookRefused as refusal:
                raise InvalidInput(errors=[{"field": "url", "message": str(refusal)}]) from refusal
        place = await place_of(session, request.user, facility)
        generation = await keeping.set_adapter(session, request.user, place, data, clock.now())
        if data.way is not Way.PUSH:
            return AdapterSet(None)
        return AdapterSet(shown_secret(secret_of(settings.secret_key, place.id, generation)))


route_handlers: list[ControllerRouterHandler] = [AllowListController, AdapterController]

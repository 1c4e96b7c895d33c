"""A driver's data: all of it to take away, and the closing of the account."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver import closing
from parking_cloud.driver.closing import ClosingOut
from parking_cloud.driver.my_data import Asked, document
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.limits import Limit, Limiter
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.session import no_session

MeRequest = Request[Identity, Any, Any]
_DOCUMENTS_AN_HOUR = 10
_OWN = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="huzhou-parking.json"'}


class MyDataController(Controller):
    path = "/v1/me"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]

    @get("/data")
    async def data(
        self, request: MeRequest, settings: Settings, clock: Clock, limiter: Limiter, state: State
    ) -> Stream:
        """Everything kept about you, as JSON."""
        often = Limit(f"data:{request.user.user_id}", _DOCUMENTS_AN_HOUR, timedelta(hours=1))
        await limiter.count([often], clock.now())
        asked = Asked(request.user, settings, _language(request), clock.now())
        return Stream(document(state.reading, asked), media_type="application/json", headers=_OWN)

    @get("/closing", response_headers={"Cache-Control": "no-store"})
    async def closing(
        self, request: MeRequest, session: AsyncSession, settings: Settings, clock: Clock
    ) -> ClosingOut:
        """What closing your account would mean: what is owed, what is cancelled, what the law has us keep."""
        return await closing.look(session, request.user, settings.secret_key, _language(request), clock.now())

    @delete("", status_code=204)
    async def close(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        owed: Annotated[int, Parameter(ge=0)] = 0,
    ) -> Response[None]:
        """Close your account, at once and for good. `owed`: what you were told that you owe, in fen."""
        await closing.close(session, request.user, settings.secret_key, owed, clock.now())
        if request.user.session_id is not None:
            request.app.state.session_watch.forget(request.user.session_id)
        return Response(None, cookies=[no_session()])


def _language(request: MeRequest) -> str:
    return pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))


route_handlers: list[ControllerRouterHandler] = [MyDataController]

"""Where payment providers tell their news."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.clock import Clock
from parking_cloud.payments.webhooks import take_news


@post("/v1/pay/webhooks/{provider:str}", guards=[public], status_code=200, tags=["payments"])
async def webhook(
    request: Request[Any, Any, Any], session: AsyncSession, clock: Clock, state: State, provider: str
) -> dict[str, bool]:
    """News of a payment, a refund or a dispute, signed by the provider."""
    body = await request.body()
    fresh = await take_news(session, state.providers, provider, body, request.headers, clock.now())
    return {"fresh": fresh}


route_handlers: list[ControllerRouterHandler] = [webhook]

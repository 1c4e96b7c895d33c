"""Signing in over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import service, tokens
from parking_cloud.accounts.guards import public, signed_in
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings


class LoginIn(msgspec.Struct, frozen=True):
    username: str
    password: str


class TokenOut(msgspec.Struct, frozen=True, kw_only=True):
    """A Bearer token; `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    role: str


class MeOut(msgspec.Struct, frozen=True):
    user_id: UUID
    username: str
    role: str


class AuthController(Controller):
    path = "/v1/auth"
    tags = ["accounts"]

    @post("/login", guards=[public], status_code=200)
    async def login(self, session: AsyncSession, clock: Clock, settings: Settings, data: LoginIn) -> TokenOut:
        """A token for a user name and password."""
        identity = await service.sign_in(session, clock, data.username, data.password)
        return TokenOut(
            access_token=tokens.issue(identity, settings.secret_key, clock.now()),
            token_type="Bearer",
            expires_in=int(tokens.LIFETIME.total_seconds()),
            role=identity.role,
        )

    @get("/me", guards=[signed_in])
    async def me(self, request: Request[Identity, Any, Any]) -> MeOut:
        """Who the token says you are."""
        return MeOut(request.user.user_id, request.user.username, request.user.role)


route_handlers: list[ControllerRouterHandler] = [AuthController]

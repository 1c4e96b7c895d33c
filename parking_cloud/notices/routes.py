"""The slice over HTTP: what a driver was told, and where they want to be told."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post, put
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import signed_in
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.contacts import Channel, ContactVault
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices import service
from parking_cloud.notices.schemas import ContactIn, ContactOut, NoticePage

MeRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=100)]


class NoticesController(Controller):
    path = "/v1/me"
    tags = ["notices"]
    guards = [signed_in]

    @get("/notices")
    async def notices(
        self, request: MeRequest, session: AsyncSession, cursor: UUID | None = None, limit: Limit = 50
    ) -> NoticePage:
        """What you were told, newest first."""
        language = pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))
        return await service.notices_of(
            session, request.user.user_id, language=language, before=cursor, limit=limit
        )

    @post("/notices/{notice_id:uuid}/read", status_code=204)
    async def read(self, request: MeRequest, session: AsyncSession, clock: Clock, notice_id: UUID) -> None:
        """You have seen it."""
        await service.mark_read(session, request.user.user_id, notice_id, clock.now())

    @get("/contacts")
    async def contacts(
        self, request: MeRequest, session: AsyncSession, settings: Settings
    ) -> list[ContactOut]:
        """Where you are told, besides here; masked."""
        return await service.contacts_of(session, request.user.user_id, ContactVault(settings.plate_key))

    @put("/contacts", status_code=204)
    async def set_contact(
        self, request: MeRequest, session: AsyncSession, settings: Settings, clock: Clock, data: ContactIn
    ) -> None:
        """Be told by SMS (at the phone that you sign in by) or mail from now on."""
        vault = ContactVault(settings.plate_key)
        await service.set_contact(session, request.user.user_id, data, vault, clock.now())

    @put("/contacts/own-phone", status_code=204)
    async def use_own_phone(self, request: MeRequest, session: AsyncSession, clock: Clock) -> None:
        """Be told by SMS, to the phone that you sign in by."""
        language = pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))
        await service.use_own_phone(session, request.user.user_id, language, clock.now())

    @delete("/contacts/{channel:str}")
    async def drop_contact(
        self, request: MeRequest, session: AsyncSession, clock: Clock, channel: Channel
    ) -> None:
        """No more by this channel."""
        await service.drop_contact(session, request.user.user_id, channel, clock.now())


route_handlers: list[ControllerRouterHandler] = [NoticesController]

"""The corrections feed over HTTP: what a lot's own system has to take over, and that it has."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.params import Parameter
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.hook_address import HookRefused, allowed_by, check_address
from parking_cloud.kernel.hooks import shown_secret
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import corrections
from parking_cloud.stays.corrections import CorrectionPage
from parking_cloud.stays.push import secret_of
from sensor_gateway.sealing import PlateVault

PersonRequest = Request[Identity, Any, Any]


class Acknowledging(msgspec.Struct, frozen=True):
    """The `seq` of each correction that was taken over."""

    seqs: Annotated[list[int], msgspec.Meta(min_length=1, max_length=1000)]


class Acknowledged(msgspec.Struct, frozen=True):
    known: int


class HookIn(msgspec.Struct, frozen=True):
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+\Z", max_length=500)]


class HookOut(msgspec.Struct, frozen=True):
    """The secret is shown once; asked for again, it is another one."""

    secret: str


class CorrectionController(Controller):
    path = "/v1/stays/corrections"
    tags = ["stays"]

    @get("/", guards=[allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)])
    async def feed(
        self,
        request: PersonRequest,
        reading: AsyncSession,
        settings: Settings,
        after: Annotated[int, Parameter(ge=0)] = 0,
        limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
        unacknowledged: bool = False,
        operator_id: UUID | None = None,
    ) -> CorrectionPage:
        """Corrections after one, in order: an operator's own; others name the operator."""
        vault = PlateVault(settings.plate_key) if settings.plate_key else None
        whose = _whose(request.user, operator_id)
        return await corrections.feed(
            reading, vault, whose, after=after, limit=limit, unacknowledged=unacknowledged
        )

    @post("/ack", guards=[allow(Role.OPERATOR_STAFF)], status_code=200)
    async def acknowledge(
        self, request: PersonRequest, session: AsyncSession, clock: Clock, data: Acknowledging
    ) -> Acknowledged:
        """The lot's own system has taken them over. Said again, nothing changes."""
        whose = _whose(request.user, None)
        return Acknowledged(await corrections.acknowledge(session, whose, data.seqs, clock.now()))

    @put("/hook", guards=[allow(Role.CITY_ADMINISTRATOR)])
    async def set_hook(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        operator_id: UUID,
        data: HookIn,
    ) -> HookOut:
        """Where an operator's corrections are pushed; an administrator has seen that it is theirs."""
        try:
            check_address(data.url, allowed_by(settings))
        except HookRefused as refusal:
            raise InvalidInput(errors=[{"field": "url", "reason": str(refusal)}]) from refusal
        generation = await corrections.set_hook(session, operator_id, data.url, clock.now())
        await audit.record(
            session,
            actor_id=request.user.user_id,
            actor_role=request.user.role,
            action="stays.hook_set",
            subject_type="operator",
            subject_id=str(operator_id),
        )
        return HookOut(shown_secret(secret_of(settings.secret_key, operator_id, generation)))


def _whose(who: Identity, operator_id: UUID | None) -> UUID:
    """The operator whose corrections are meant. Raises NotAllowed, InvalidInput."""
    if who.role is Role.OPERATOR_STAFF:
        if who.operator_id is None or operator_id not in (None, who.operator_id):
            raise NotAllowed()
        return who.operator_id
    if operator_id is None:
        raise InvalidInput(errors=[{"field": "operator_id", "reason": "needed"}])
    return operator_id

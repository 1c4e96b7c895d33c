"""Staff's deeds about money over HTTP. Each that moves money takes an `Idempotency-Key`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.idempotency import IdempotencyKey, once
from parking_cloud.payments import charge_views, staff
from parking_cloud.payments.cash import CashIn, CashOut, take_cash
from parking_cloud.payments.charge_views import ChargeOut, RefundOut
from parking_cloud.payments.offers import read_offer

_ATTENDANTS = allow(Role.OPERATOR_STAFF)
_DECIDE = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
_SEE = allow(Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)

Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500)]


class WaiverIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge is lowered to, in fen, and why."""

    amount: Annotated[int, msgspec.Meta(ge=0)]
    reason: Reason


class RefundIn(msgspec.Struct, frozen=True, kw_only=True):
    """What of a charge is paid back, in fen, and why; it is asked no more.

    `paid` is what was paid of it when that was decided: a second request decides nothing.
    """

    amount: Annotated[int, msgspec.Meta(gt=0)]
    paid: int
    reason: Reason


class ByHandIn(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason
    """How it was paid back, and to whom."""


class AgainIn(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason
    """Why it may go through now."""


StaffRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=500)]


@post("/v1/pay/cash", guards=[_ATTENDANTS], tags=["payments"])
async def cash(
    request: StaffRequest,
    session: AsyncSession,
    redis: Redis,
    clock: Clock,
    data: CashIn,
    idempotency_key: IdempotencyKey = None,
) -> CashOut:
    """Cash was taken for an offer (of a plate, or of the exit): it counts as paid."""

    async def deed() -> CashOut:
        offer = await read_offer(redis, data.token)
        return await take_cash(session, request.user, offer, data.amount, clock.now())

    return await once(session, request, idempotency_key, CashOut, deed)


@get("/v1/charges/{charge_id:uuid}", guards=[_SEE], tags=["payments"])
async def charge(request: StaffRequest, session: AsyncSession, charge_id: UUID) -> ChargeOut:
    """A charge with its assessments, payments and refunds."""
    return await charge_views.look(session, request.user, charge_id)


@post("/v1/charges/{charge_id:uuid}/waiver", guards=[_DECIDE], status_code=200, tags=["payments"])
async def waiver(
    request: StaffRequest,
    session: AsyncSession,
    clock: Clock,
    charge_id: UUID,
    data: WaiverIn,
    idempotency_key: IdempotencyKey = None,
) -> ChargeOut:
    """Lower a charge; what was paid above it goes back by itself."""

    async def deed() -> ChargeOut:
        await staff.waive(session, request.user, charge_id, data.amount, data.reason, clock.now())
        return await charge_views.look(session, request.user, charge_id)

    return await once(session, request, idempotency_key, ChargeOut, deed)


@post("/v1/charges/{charge_id:uuid}/refunds", guards=[_DECIDE], tags=["payments"])
async def pay_back(
    request: StaffRequest,
    session: AsyncSession,
    clock: Clock,
    charge_id: UUID,
    data: RefundIn,
    idempotency_key: IdempotencyKey = None,
) -> ChargeOut:
    """Pay back some of what was paid; the charge falls by as much."""

    async def deed() -> ChargeOut:
        who, now = request.user, clock.now()
        await staff.pay_back(session, who, charge_id, data.amount, data.reason, now, paid_as_seen=data.paid)
        return await charge_views.look(session, who, charge_id)

    return await once(session, request, idempotency_key, ChargeOut, deed)


@get("/v1/refunds/waiting", guards=[_SEE], tags=["payments"])
async def waiting(request: StaffRequest, session: AsyncSession, limit: Limit = 100) -> list[RefundOut]:
    """Refunds that wait for a person, oldest first."""
    return await charge_views.waiting_refunds(session, request.user, limit)


@post("/v1/refunds/{refund_id:uuid}/by-hand", guards=[_DECIDE], status_code=204, tags=["payments"])
async def by_hand(
    request: StaffRequest, session: AsyncSession, clock: Clock, refund_id: UUID, data: ByHandIn
) -> None:
    """It has been paid back from the operator's cash. Again changes nothing."""
    await staff.paid_by_hand(session, request.user, refund_id, data.reason, clock.now())


@post("/v1/refunds/{refund_id:uuid}/again", guards=[_DECIDE], status_code=204, tags=["payments"])
async def again(
    request: StaffRequest, session: AsyncSession, clock: Clock, refund_id: UUID, data: AgainIn
) -> None:
    """Ask the provider once more for a refund that failed. Again changes nothing."""
    await staff.try_refund_again(session, request.user, refund_id, data.reason, clock.now())


route_handlers: list[ControllerRouterHandler] = [cash, charge, waiver, pay_back, waiting, by_hand, again]

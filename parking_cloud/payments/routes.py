"""Paying over HTTP: an amount by plate, a payment by token, and how it stands. No account is needed."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.idempotency import IdempotencyKey
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.by_plate import OfferAsk, OfferOut, offer_by_plate
from parking_cloud.payments.paying import Cashier, PayIn, PaymentOut, PaymentUnknown
from parking_cloud.payments.place_routes import qr_svg
from parking_cloud.payments.provider_time import provider_time
from sensor_gateway.sealing import PlateVault

NOT_KEPT = {"Cache-Control": "no-store"}


class PayController(Controller):
    path = "/v1/pay"
    tags = ["payments"]

    @post("/offers", guards=[public], status_code=200, response_headers=NOT_KEPT)
    async def offer(
        self,
        request: Request[Any, Any, Any],
        reading: AsyncSession,
        redis: Redis,
        limiter: Limiter,
        clock: Clock,
        settings: Settings,
        data: OfferAsk,
    ) -> OfferOut:
        """What is owed for a plate, and a token to pay it with. The same for a plate that is not known."""
        return await offer_by_plate(
            reading,
            redis,
            limiter,
            PlateVault(settings.plate_key),
            data,
            address=request.client.host if request.client else "",
            secret_key=settings.secret_key,
            now=clock.now(),
        )

    @post("/payments", guards=[public])
    async def pay(
        self,
        request: Request[Identity | None, Any, Any],
        cashier: Cashier,
        data: PayIn,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[PaymentOut]:
        """Pay an offer. Asked again with the same token, it is the same payment."""
        who = request.user
        driver = who.user_id if who is not None and who.role is Role.DRIVER else None
        with provider_time() as spent:
            answer = await cashier.pay(data, idempotency_key, driver)
        return Response(answer, headers=NOT_KEPT | {"Server-Timing": spent.header()})

    @get("/payments/{payment:str}", guards=[public], response_headers=NOT_KEPT)
    async def payment(self, cashier: Cashier, payment: str) -> PaymentOut:
        """How a payment stands."""
        return await cashier.look(payment)

    @get("/payments/{payment:str}/qr.svg", guards=[public])
    async def payment_code(self, cashier: Cashier, payment: str) -> Response[bytes]:
        """The code to scan with the wallet, where that is how it is paid."""
        action = (await cashier.look(payment)).action
        if action is None or action.kind != "qr":
            raise PaymentUnknown()
        return Response(qr_svg(action.url), media_type="image/svg+xml", headers=NOT_KEPT)


route_handlers: list[ControllerRouterHandler] = [PayController]

"""A driver's own stays, charges, mandate and permits over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import held_vehicle
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import mandates, mine, permit_sales
from parking_cloud.payments.mandates import CeilingsIn, MandateIn, MandateOut
from parking_cloud.payments.mine import ChargePage, StayPage
from parking_cloud.payments.offers import keep_offer
from parking_cloud.payments.paying import CashOnly, WrongReturnUrl
from parking_cloud.payments.permit_sales import ProductIn, ProductOut, PurchaseIn, PurchaseOut
from parking_cloud.payments.provider import Provider

MeRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=100)]
_NOT_KEPT = {"Cache-Control": "no-store"}


class AskOffer(msgspec.Struct, frozen=True):
    charges: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=50)]


class MyOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Paid by its token, as any other offer."""

    amount: int
    token: str


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    purchase: PurchaseOut
    amount: int
    token: str


class GivenBack(msgspec.Struct, frozen=True):
    amount: int


class MyMoneyController(Controller):
    path = "/v1/me"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]
    response_headers = _NOT_KEPT

    @get("/stays")
    async def stays(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        before: datetime | None = None,
        limit: Limit = 20,
    ) -> StayPage:
        """The stays of your verified vehicles, the newest first."""
        user, key = request.user.user_id, settings.secret_key
        return await mine.my_stays(session, user, key, before=before, limit=limit)

    @get("/charges")
    async def charges(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        cursor: UUID | None = None,
        limit: Limit = 20,
    ) -> ChargePage:
        """The charges of your verified vehicles, the newest first."""
        user, key = request.user.user_id, settings.secret_key
        return await mine.my_charges(session, user, key, before=cursor, limit=limit)

    @post("/offers", status_code=200)
    async def offer(self, request: MeRequest, session: AsyncSession, redis: Redis, data: AskOffer) -> MyOffer:
        """A token to pay some of your charges with."""
        offer = await mine.offer_of(session, request.user.user_id, data.charges)
        return MyOffer(amount=offer.amount, token=await keep_offer(redis, offer))

    @get("/mandate")
    async def mandate(self, request: MeRequest, session: AsyncSession, clock: Clock) -> MandateOut:
        """Your automatic payment, and how its setting up stands."""
        return await mandates.look(session, request.user.user_id, clock.now())

    @post("/mandate")
    async def give_mandate(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        state: State,
        data: MandateIn,
    ) -> MandateOut:
        """Begin automatic payment: read it again for what your page does next."""
        providers: Mapping[str, Provider] = state.providers
        if not providers or data.method.value == "cash":
            raise CashOnly()
        if data.return_url and not data.return_url.startswith(settings.public_url.rstrip("/") + "/"):
            raise WrongReturnUrl()
        return await mandates.give(session, request.user.user_id, data, next(iter(providers)), clock.now())

    @put("/mandate/ceilings")
    async def ceilings(
        self, request: MeRequest, session: AsyncSession, clock: Clock, data: CeilingsIn
    ) -> MandateOut:
        """What may be taken for a stay and in a day, from now on."""
        return await mandates.set_ceilings(session, request.user.user_id, data, clock.now())

    @post("/mandate/pause", status_code=200)
    async def pause(self, request: MeRequest, session: AsyncSession, clock: Clock) -> MandateOut:
        """Nothing is taken until you resume."""
        return await mandates.pause(session, request.user.user_id, paused=True, now=clock.now())

    @post("/mandate/resume", status_code=200)
    async def resume(self, request: MeRequest, session: AsyncSession, clock: Clock) -> MandateOut:
        """Stays that end from now on are paid again."""
        return await mandates.pause(session, request.user.user_id, paused=False, now=clock.now())

    @delete("/mandate")
    async def stop(self, request: MeRequest, session: AsyncSession, clock: Clock) -> None:
        """Stop it for good; the provider forgets your method."""
        await mandates.stop(session, request.user.user_id, clock.now())

    @get("/permits")
    async def permits(self, request: MeRequest, session: AsyncSession) -> list[PurchaseOut]:
        """The permits that you bought."""
        return await permit_sales.purchases_of(session, request.user.user_id)

    @post("/permits")
    async def buy(
        self, request: MeRequest, session: AsyncSession, redis: Redis, clock: Clock, data: PurchaseIn
    ) -> Bought:
        """Buy a permit for one of your vehicles: pay by the token within half an hour."""
        user = request.user.user_id
        held = await held_vehicle(session, user, data.vehicle_id)
        vehicle = permit_sales.Vehicle(held.plate_hash, held.plate_sealed)
        purchase, offer = await permit_sales.buy(session, user, data, vehicle, clock.now())
        return Bought(purchase=purchase, amount=offer.amount, token=await keep_offer(redis, offer))

    @post("/permits/{purchase_id:uuid}/give-back", status_code=200)
    async def give_back(
        self, request: MeRequest, session: AsyncSession, clock: Clock, purchase_id: UUID
    ) -> GivenBack:
        """End it today; what comes back goes the way it came."""
        user = request.user.user_id
        return GivenBack(await permit_sales.give_back(session, user, purchase_id, clock.now()))


@get("/v1/permit-products", guards=[public], tags=["payments"])
async def permit_products(session: AsyncSession, facility_id: UUID | None = None) -> list[ProductOut]:
    """Permits on sale."""
    return await permit_sales.on_sale(session, facility_id)


@post(
    "/v1/permit-products",
    guards=[allow(Role.CITY_ADMINISTRATOR, Role.OPERATOR_STAFF)],
    tags=["payments"],
)
async def add_permit_product(request: MeRequest, session: AsyncSession, data: ProductIn) -> dict[str, UUID]:
    """Put a permit on sale."""
    return {"id": await permit_sales.add_product(session, request.user, data)}


route_handlers: list[ControllerRouterHandler] = [MyMoneyController, permit_products, add_permit_product]

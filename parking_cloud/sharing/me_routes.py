"""A driver's bookings over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import held_vehicle
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.offers import keep_offer
from parking_cloud.sharing import booking, ending, mine
from parking_cloud.sharing.booking import Booked, offer_of
from parking_cloud.sharing.schemas import BookingIn, BookingOut, Moment

MeRequest = Request[Identity, Any, Any]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Pay it by the token within its time; None: there is nothing to pay, and it is confirmed."""

    booking: BookingOut
    amount: int
    pay_token: str | None


class Longer(msgspec.Struct, frozen=True):
    end: Moment


class OtherVehicle(msgspec.Struct, frozen=True):
    vehicle_id: UUID


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` in fen goes back the way it came."""

    booking: BookingOut
    amount: int


class MyBookingsController(Controller):
    path = "/v1/me/bookings"
    tags = ["sharing"]
    guards = [allow(Role.DRIVER)]
    response_headers = {"Cache-Control": "no-store"}

    @get("/")
    async def bookings(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        cursor: UUID | None = None,
        limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
    ) -> list[BookingOut]:
        """Your bookings, the newest first; `cursor`: the last one's id, for older ones."""
        user = request.user.user_id
        shown = await mine.my_bookings(session, user, clock.now(), before=cursor, limit=limit)
        return await mine.with_receipts(session, user, settings.secret_key, shown)

    @post("/")
    async def book(
        self, request: MeRequest, session: AsyncSession, redis: Redis, clock: Clock, data: BookingIn
    ) -> Made:
        """Book a shared space for one of your verified vehicles; it is held while you pay."""
        user, now = request.user.user_id, clock.now()
        vehicle = await held_vehicle(session, user, data.vehicle_id)
        booked = await booking.book(session, user, data, vehicle, now)
        return await _made(request, session, redis, clock, booked)

    @get("/{booking_id:uuid}")
    async def one(
        self,
        request: MeRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        booking_id: UUID,
    ) -> BookingOut:
        """How one of your bookings stands."""
        user = request.user.user_id
        shown = await mine.my_booking(session, user, booking_id, clock.now())
        return (await mine.with_receipts(session, user, settings.secret_key, [shown]))[0]

    @post("/{booking_id:uuid}/pay", status_code=200)
    async def pay(
        self, request: MeRequest, session: AsyncSession, redis: Redis, clock: Clock, booking_id: UUID
    ) -> Made:
        """A new token for a booking that is still held."""
        held = await mine.to_pay(session, request.user.user_id, booking_id, clock.now())
        return await _made(request, session, redis, clock, Booked(held.id, offer_of(held)))

    @post("/{booking_id:uuid}/cancel", status_code=200)
    async def cancel(self, request: MeRequest, session: AsyncSession, clock: Clock, booking_id: UUID) -> Back:
        """Give it back; what comes back of the money is shown before as `comes_back`."""
        user, now = request.user.user_id, clock.now()
        amount = await ending.cancel(session, user, booking_id, now)
        return Back(booking=await mine.my_booking(session, user, booking_id, now), amount=amount)

    @post("/{booking_id:uuid}/extend")
    async def extend(
        self,
        request: MeRequest,
        session: AsyncSession,
        redis: Redis,
        clock: Clock,
        booking_id: UUID,
        data: Longer,
    ) -> Made:
        """Stay until later on the same space: a booking that goes on from this one, for the difference."""
        user, now = request.user.user_id, clock.now()
        booked = await booking.extend(session, user, booking_id, data.end, now)
        return await _made(request, session, redis, clock, booked)

    @post("/{booking_id:uuid}/vehicle", status_code=200)
    async def vehicle(
        self,
        request: MeRequest,
        session: AsyncSession,
        clock: Clock,
        booking_id: UUID,
        data: OtherVehicle,
    ) -> BookingOut:
        """Another of your verified vehicles comes instead; before it begins."""
        user, now = request.user.user_id, clock.now()
        other = await held_vehicle(session, user, data.vehicle_id)
        await ending.change_vehicle(session, user, booking_id, data.vehicle_id, other, now)
        return await mine.my_booking(session, user, booking_id, now)


async def _made(
    request: MeRequest, session: AsyncSession, redis: Redis, clock: Clock, booked: Booked
) -> Made:
    shown = await mine.my_booking(session, request.user.user_id, booked.id, clock.now())
    if booked.offer is None:
        return Made(booking=shown, amount=0, pay_token=None)
    token = await keep_offer(redis, booked.offer)
    return Made(booking=shown, amount=booked.offer.amount, pay_token=token)


route_handlers: list[ControllerRouterHandler] = [MyBookingsController]

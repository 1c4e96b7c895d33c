"""Codes to scan, over HTTP: made and ended by staff, drawn for printing."""

from __future__ import annotations

import io
from typing import Any

import segno
from litestar import Request, Response, delete, get, post
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import places
from parking_cloud.payments.places import Place, PlaceIn

MAY_MAKE = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)

StaffRequest = Request[Identity, Any, Any]


@post("/v1/pay/places", guards=[allow(*MAY_MAKE)], tags=["payments"])
async def make_place(request: StaffRequest, session: AsyncSession, data: PlaceIn) -> Place:
    """A code to scan for a facility, or for one lane of it."""
    return await places.make_place(session, request.user, data)


@delete("/v1/pay/places/{code:str}", guards=[allow(*MAY_MAKE)], tags=["payments"])
async def end_place(request: StaffRequest, session: AsyncSession, clock: Clock, code: str) -> None:
    """A printed code leads nowhere from now on."""
    await places.end_place(session, request.user, code, clock.now())


@get("/v1/pay/places/{name:str}", guards=[public], tags=["payments"])
async def place_picture(session: AsyncSession, settings: Settings, name: str) -> Response[bytes]:
    """The QR code `<code>.svg`, which opens the pay page."""
    code = name.removesuffix(".svg")
    if not name.endswith(".svg") or await places.place_of(session, code) is None:
        raise places.PlaceNotFound()
    return Response(qr_svg(pay_link(settings, code)), media_type="image/svg+xml")


def pay_link(settings: Settings, code: str) -> str:
    """What the QR code of a place holds."""
    return f"{settings.public_url.rstrip('/')}/pay?p={code}"


def qr_svg(content: str) -> bytes:
    """A QR code that survives a scratch (error level M), drawn without a fixed size."""
    picture = io.BytesIO()
    segno.make(content, error="m").save(picture, kind="svg", border=2, omitsize=True, xmldecl=False)
    return picture.getvalue()


route_handlers: list[ControllerRouterHandler] = [make_place, end_place, place_picture]

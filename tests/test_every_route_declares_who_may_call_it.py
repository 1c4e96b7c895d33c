"""No route without a declared access: a new one that forgets fails here."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from parking_cloud.accounts.guards import access_of
from parking_cloud.app import create_app
from parking_cloud.kernel.settings import Settings

SETTINGS = Settings(
    database_url="postgresql://nobody@127.0.0.1:1/none",
    redis_url="redis://127.0.0.1:1/0",
    secret_key="a secret only for tests, long enough",
)
PUBLIC = {
    "/bookings/overstays",
    "/sharing",
    "/",
    "/app.webmanifest",
    "/book",
    "/bookings",
    "/bookings/{booking_id:uuid}",
    "/console",
    "/console/login",
    "/docs",
    "/health/live",
    "/health/ready",
    "/icons/{name:str}",
    "/me",
    "/me/data",
    "/offline",
    "/pay",
    "/pay/receipt/{token:str}",
    "/pay/return",
    "/sw.js",
    "/report",
    "/sign-in",
    "/sign-in/code",
    "/v1/auth/codes",
    "/v1/auth/codes/redeem",
    "/signs",
    "/signs/{code:str}",
    "/quality",
    "/quality/facilities/{facility:str}",
    "/rate/{stay_id:uuid}",
    "/v1/auth/login",
    "/v1/charges/{charge_id:uuid}/objections",
    "/v1/facilities",
    "/v1/facilities/{facility:str}",
    "/v1/facilities/{facility:str}/ratings",
    "/v1/facilities/{facility:str}/score",
    "/v1/facilities/{facility:str}/open-in",
    "/v1/facilities/{facility:str}/spaces",
    "/v1/facilities/{facility:str}/tariff",
    "/v1/geo/convert",
    "/v1/geo/outlines",
    "/v1/geo/roads",
    "/v1/guidance/choices",
    "/v1/geo/search",
    "/v1/guidance/facilities",
    "/v1/guidance/places",
    "/v1/invoices",
    "/v1/occupancy/stream",
    "/v1/signs",
    "/v1/signs/{code:str}",
    "/v1/tariffs/quote",
    "/v1/tiles/facilities/{z:int}/{x:int}/{name:str}",
    "/v1/pay/offers",
    "/v1/pay/payments",
    "/v1/pay/payments/{payment:str}",
    "/v1/pay/payments/{payment:str}/qr.svg",
    "/v1/pay/places/{name:str}",
    "/v1/pay/webhooks/{provider:str}",
    "/v1/permit-products",
    "/v1/quality/rankings",
    "/v1/quality/rankings/{quarter:str}",
    "/v1/quality/rankings/{quarter:str}/export/{form:str}",
    "/v1/quality/standing",
    "/v1/ratings/formulas",
    "/v1/receipts/{token:str}",
    "/v1/sharing/offers",
    "/v1/sharing/use",
    "/v1/sharing/use/csv",
}


def handlers() -> list[tuple[str, HTTPRouteHandler]]:
    routes = [route for route in create_app(SETTINGS).routes if isinstance(route, HTTPRoute)]
    return [
        (route.path, handler)
        for route in routes
        for handler in route.route_handlers
        if set(handler.http_methods) != {"OPTIONS"}
    ]


def test_every_route_declares_one_access() -> None:
    undeclared = [f"{path} {handler}" for path, handler in handlers() if len(access_of(handler)) != 1]
    assert undeclared == []


def test_only_these_are_public() -> None:
    public = {path for path, handler in handlers() if access_of(handler)[0].roles is None}
    assert {path for path in public if not path.startswith(("/assets", "/docs/"))} == PUBLIC

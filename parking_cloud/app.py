"""The API and the pages: one Litestar application, assembled here and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from litestar import Litestar, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.response import Response
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from parking_cloud.accounts.consent_routes import route_handlers as consent_routes
from parking_cloud.accounts.guards import public
from parking_cloud.accounts.middleware import IdentityMiddleware
from parking_cloud.accounts.routes import route_handlers as account_routes
from parking_cloud.accounts.sessions import SessionWatch
from parking_cloud.accounts.vehicle_routes import route_handlers as vehicle_routes
from parking_cloud.arrears.routes import route_handlers as arrears_routes
from parking_cloud.console.arrears import route_handlers as arrears_page_routes
from parking_cloud.console.boards import route_handlers as board_page_routes
from parking_cloud.console.health import route_handlers as health_routes
from parking_cloud.console.payment_deeds import route_handlers as payment_deed_routes
from parking_cloud.console.payments import route_handlers as console_payment_routes
from parking_cloud.console.places import route_handlers as console_place_routes
from parking_cloud.console.ratings import route_handlers as console_rating_routes
from parking_cloud.console.routes import route_handlers as console_routes
from parking_cloud.console.settlement import route_handlers as settlement_page_routes
from parking_cloud.console.sharing import route_handlers as sharing_plan_page_routes
from parking_cloud.console.sharing_record import route_handlers as sharing_record_routes
from parking_cloud.console.stays import route_handlers as console_stay_routes
from parking_cloud.console.tariffs import route_handlers as console_tariff_routes
from parking_cloud.console.vehicles import route_handlers as vehicle_desk_routes
from parking_cloud.driver.booking import route_handlers as booking_pages
from parking_cloud.driver.data_routes import route_handlers as my_data_routes
from parking_cloud.driver.installing import route_handlers as app_file_routes
from parking_cloud.driver.me import route_handlers as my_pages
from parking_cloud.driver.overstays import route_handlers as overstay_pages
from parking_cloud.driver.pay import route_handlers as pay_pages
from parking_cloud.driver.quality import route_handlers as quality_pages
from parking_cloud.driver.rate import route_handlers as rate_pages
from parking_cloud.driver.receipt import route_handlers as receipt_pages
from parking_cloud.driver.routes import route_handlers as driver_routes
from parking_cloud.driver.sharing_month import route_handlers as sharing_page_routes
from parking_cloud.driver.sign_in import route_handlers as sign_in_pages
from parking_cloud.driver.signs import route_handlers as sign_pages
from parking_cloud.enforcement.routes import route_handlers as enforcement_routes
from parking_cloud.gates.allow_list_routes import route_handlers as allow_list_routes
from parking_cloud.gates.allow_list_waiting import ListWatch
from parking_cloud.gates.routes import route_handlers as gate_routes
from parking_cloud.guidance.choice_routes import route_handlers as choice_routes
from parking_cloud.guidance.guide import Guide
from parking_cloud.guidance.place_routes import route_handlers as place_routes
from parking_cloud.guidance.routes import route_handlers as guidance_routes
from parking_cloud.guidance.sent import SentStream
from parking_cloud.guidance.signs.book import SignBook
from parking_cloud.guidance.signs.routes import route_handlers as sign_routes
from parking_cloud.guidance.tiles import Tiles
from parking_cloud.guidance.tiles import route_handlers as tile_routes
from parking_cloud.guidance.travel import make_travel
from parking_cloud.invoices.routes import route_handlers as invoice_routes
from parking_cloud.kernel.clock import Clock, SystemClock
from parking_cloud.kernel.db import make_engine, make_sessions
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.logs import configure_logging
from parking_cloud.kernel.problems import Problem
from parking_cloud.kernel.settings import Settings, load_settings
from parking_cloud.migrate import newest_revision
from parking_cloud.notices.routes import route_handlers as notice_routes
from parking_cloud.notices.senders import make_senders
from parking_cloud.occupancy.routes import route_handlers as occupancy_routes
from parking_cloud.occupancy.stream import EventHub
from parking_cloud.operations.routes import route_handlers as operations_routes
from parking_cloud.payments.exit_routes import route_handlers as exit_routes
from parking_cloud.payments.me_routes import route_handlers as my_money_routes
from parking_cloud.payments.paying import Cashier
from parking_cloud.payments.place_routes import route_handlers as pay_place_routes
from parking_cloud.payments.providers import make_providers
from parking_cloud.payments.routes import route_handlers as payment_routes
from parking_cloud.payments.staff_routes import route_handlers as money_routes
from parking_cloud.payments.webhook_routes import route_handlers as pay_webhook_routes
from parking_cloud.ratings.ranking_routes import route_handlers as ranking_routes
from parking_cloud.ratings.routes import route_handlers as rating_routes
from parking_cloud.refusals import exception_handlers
from parking_cloud.registry.routes import RegistryController
from parking_cloud.settlement.routes import route_handlers as settlement_routes
from parking_cloud.sharing.routes import route_handlers as sharing_routes
from parking_cloud.stays.parked_routes import route_handlers as parked_routes
from parking_cloud.stays.routes import route_handlers as stay_routes
from parking_cloud.tariffs.routes import route_handlers as tariff_routes
from parking_cloud.web.assets import asset_routers, openapi_config, template_config
from sensor_gateway.streams import connect

MAX_BODY = 10_000_000
"""Bytes; imports are the largest thing sent here."""


async def provide_session(state: State) -> AsyncIterator[AsyncSession]:
    """One transaction a request: committed when the handler returns, rolled back when it raises.

    A refusal that must leave a trace (a failed sign-in) says so by `commits`.
    """
    async with state.sessions() as session:
        try:
            yield session
        except Problem as problem:
            await (session.commit() if problem.commits else session.rollback())
            raise
        except BaseException:
            await session.rollback()
            raise
        await session.commit()


async def provide_reading(state: State) -> AsyncIterator[AsyncSession]:
    """A session for routes that only read: each statement stands alone, in one round trip."""
    async with state.reading() as session:
        yield session


def provide_settings(state: State) -> Settings:
    return state.settings  # type: ignore[no-any-return]


def provide_clock(state: State) -> Clock:
    return state.clock  # type: ignore[no-any-return]


def provide_redis(state: State) -> Redis:
    return state.redis  # type: ignore[no-any-return]


def provide_limiter(state: State) -> Limiter:
    return state.limiter  # type: ignore[no-any-return]


def provide_cashier(state: State) -> Cashier:
    return state.cashier  # type: ignore[no-any-return]


def provide_event_hub(state: State) -> EventHub:
    return state.event_hub  # type: ignore[no-any-return]


def provide_sent(state: State) -> SentStream:
    return state.sent  # type: ignore[no-any-return]


def provide_tiles(state: State) -> Tiles:
    return state.tiles  # type: ignore[no-any-return]


def provide_signs(state: State) -> SignBook:
    return state.signs  # type: ignore[no-any-return]


@get("/health/live", guards=[public], include_in_schema=False)
async def live() -> dict[str, str]:
    """The process answers. Also the bench's measure of an empty route."""
    return {"status": "live"}


@get("/health/ready", guards=[public], include_in_schema=False)
async def ready(state: State) -> Response[dict[str, Any]]:
    """200 when PostgreSQL (at the newest migration) and Redis answer, else 503 with what is missing."""
    missing: list[str] = []
    try:
        async with state.sessions() as session:
            at = await session.scalar(text("select version_num from alembic_version"))
        if at != newest_revision():
            missing.append("migrations")
    except SQLAlchemyError:
        missing.append("database")
    try:
        await state.redis.ping()
    except RedisError:
        missing.append("redis")
    body = {"status": "waiting" if missing else "ready", "missing": missing}
    return Response(body, status_code=503 if missing else 200)


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    """Open the database and Redis; read the live stream; close them all."""
    settings: Settings = app.state.settings
    engine = make_engine(settings)
    redis = connect(settings.redis_url)
    app.state.sessions = make_sessions(engine)
    app.state.reading = make_sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
    app.state.session_watch = SessionWatch(app.state.reading)
    app.state.redis = redis
    app.state.event_hub = EventHub(redis)
    app.state.sent = SentStream(redis, app.state.clock)
    app.state.travel = make_travel(settings)
    app.state.guide = Guide(
        settings,
        app.state.sessions,
        app.state.reading,
        redis,
        app.state.sent,
        app.state.travel,
        app.state.clock,
    )
    stale_after = timedelta(seconds=settings.stale_after_s)
    app.state.tiles = Tiles(app.state.reading, app.state.clock, stale_after)
    app.state.signs = SignBook(app.state.sessions, app.state.clock)
    app.state.limiter = Limiter(redis)
    app.state.list_watch = ListWatch(app.state.reading)
    app.state.providers = make_providers(settings)
    app.state.senders = make_senders(settings)
    app.state.cashier = Cashier(
        settings,
        app.state.sessions,
        app.state.reading,
        redis,
        app.state.providers,
        app.state.clock,
    )
    try:
        async with (
            app.state.event_hub.running(),
            app.state.sent.running(),
            app.state.guide.running(),
            app.state.list_watch.running(),
            app.state.signs.running(),
        ):
            yield
    finally:
        for provider in app.state.providers.values():
            await provider.close()
        await app.state.travel.close()
        for sender in app.state.senders.values():
            await sender.close()
        await redis.aclose()
        await engine.dispose()


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> Litestar:
    """The application. Settings come from the environment unless given. Raises SettingsError."""
    settings = settings or load_settings()
    configure_logging(settings.log_level)
    return Litestar(
        route_handlers=[
            live,
            ready,
            *account_routes,
            *vehicle_routes,
            *consent_routes,
            *notice_routes,
            RegistryController,
            *occupancy_routes,
            *gate_routes,
            *enforcement_routes,
            *allow_list_routes,
            *operations_routes,
            *guidance_routes,
            *place_routes,
            *choice_routes,
            *sign_routes,
            *tile_routes,
            *tariff_routes,
            *stay_routes,
            *parked_routes,
            *payment_routes,
            *my_money_routes,
            *pay_place_routes,
            *pay_webhook_routes,
            *exit_routes,
            *money_routes,
            *arrears_routes,
            *settlement_routes,
            *sharing_routes,
            *rating_routes,
            *ranking_routes,
            *invoice_routes,
            *driver_routes,
            *sharing_page_routes,
            *overstay_pages,
            *app_file_routes,
            *booking_pages,
            *pay_pages,
            *sign_in_pages,
            *my_pages,
            *my_data_routes,
            *receipt_pages,
            *sign_pages,
            *rate_pages,
            *quality_pages,
            *console_routes,
            *console_tariff_routes,
            *console_stay_routes,
            *health_routes,
            *sharing_record_routes,
            *board_page_routes,
            *arrears_page_routes,
            *settlement_page_routes,
            *console_rating_routes,
            *sharing_plan_page_routes,
            *console_place_routes,
            *console_payment_routes,
            *payment_deed_routes,
            *vehicle_desk_routes,
            *asset_routers(),
        ],
        dependencies={
            "session": Provide(provide_session),
            "reading": Provide(provide_reading),
            "settings": Provide(provide_settings, sync_to_thread=False),
            "clock": Provide(provide_clock, sync_to_thread=False),
            "redis": Provide(provide_redis, sync_to_thread=False),
            "limiter": Provide(provide_limiter, sync_to_thread=False),
            "cashier": Provide(provide_cashier, sync_to_thread=False),
            "sent": Provide(provide_sent, sync_to_thread=False),
            "event_hub": Provide(provide_event_hub, sync_to_thread=False),
            "signs": Provide(provide_signs, sync_to_thread=False),
            "tiles": Provide(provide_tiles, sync_to_thread=False),
        },
        middleware=[
            # Both keep to ASGI; their types name it differently.
            DefineMiddleware(
                ProxyHeadersMiddleware,  # type: ignore[arg-type]
                trusted_hosts=settings.trusted_proxies,
            ),
            IdentityMiddleware(),
        ],
        exception_handlers=exception_handlers,
        lifespan=[lifespan],
        openapi_config=openapi_config(),
        template_config=template_config(),
        request_max_body_size=MAX_BODY,
        state=State({"settings": settings, "clock": clock or SystemClock()}),
    )

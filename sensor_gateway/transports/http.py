"""HTTP intake: the network servers' webhooks, and the plain form for institutions' systems and counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.types import ASGIApp
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from sensor_gateway.directory import SourceEntry
from sensor_gateway.follower import DirectoryEmpty, DirectoryFollower
from sensor_gateway.gates import (
    CorrectionRow,
    GateRow,
    SightingRow,
    correction,
    gate_event,
    sighting,
)
from sensor_gateway.intake import PUBLISHED, RECEIVED, Intake, Message, utc_now
from sensor_gateway.networks import network_of_path
from sensor_gateway.networks.base import UNREADABLE
from sensor_gateway.pipeline import Refused, Statement, observe_statement
from sensor_gateway.pressure import Pressure, TooBusy
from sensor_gateway.problems import IntakeProblem, Limited, on_fault, on_http_exception, on_problem
from sensor_gateway.publish import Publisher, StorageUnavailable
from sensor_gateway.pull.health import SourceHealth
from sensor_gateway.records import GateEvent, Record, Sighting
from sensor_gateway.sealing import PlateVault
from sensor_gateway.transports.rows import (
    AnyRequest,
    Row,
    all_or_none,
    body_of,
    own_device,
    parse_rows,
    source_of,
)
from sensor_gateway.transports.signed import signed_once

MAX_BODY = 1_000_000
_MOST_REQUESTS = 400
"""In hand at once: with bodies of 1 MB, so much memory."""

_statement = msgspec.json.Decoder(Statement)
_gate_row = msgspec.json.Decoder(GateRow)
_correction_row = msgspec.json.Decoder(CorrectionRow)
_sighting_row = msgspec.json.Decoder(SightingRow)


class Accepted(msgspec.Struct, frozen=True):
    """How many observations or records Redis, or the spool, has taken."""

    accepted: int


@post("/v1/uplinks/chirpstack", status_code=202)
async def chirpstack_uplink(request: AnyRequest, state: State, event: str = "up") -> Accepted:
    """ChirpStack's HTTP integration. Events other than `up` are accepted and not used."""
    return await _take_uplink(request, state, used=event == "up")


@post("/v1/uplinks/the-things-stack", status_code=202)
async def things_stack_uplink(request: AnyRequest, state: State) -> Accepted:
    """The Things Stack's webhook for uplink messages."""
    return await _take_uplink(request, state, used=True)


@post("/v1/uplinks/nb-iot", status_code=202)
async def nb_iot_uplink(request: AnyRequest, state: State) -> Accepted:
    """NB-IoT platforms' pushes, signed: see `networks.nb_iot`."""
    async with signed_once(request, state) as (source, body):
        return await _store_uplink(request, state, source, body)


async def _take_uplink(request: AnyRequest, state: State, *, used: bool) -> Accepted:
    source = await source_of(request, state, "uplinks")
    body = await body_of(request)
    if used:
        return await _store_uplink(request, state, source, body)
    _check_json(body)
    return Accepted(0)


async def _store_uplink(request: AnyRequest, state: State, source: SourceEntry, body: bytes) -> Accepted:
    _check_json(body)
    path = request.url.path
    with state.pressure.admit(1):
        (outcome,) = await state.intake.take([Message(network_of_path(path), "http", path, body, source)])
    if outcome.refused is not None:
        raise IntakeProblem(outcome.refused.reason, outcome.refused.detail)
    return Accepted(1)


@post("/v1/observations", status_code=202)
async def observations(request: AnyRequest, state: State) -> Accepted:
    """What spaces and counters say, in plain form: see `pipeline.Statement`. All rows are taken, or none."""
    source = await source_of(request, state, "observations")
    rows = await _rows_of(request, _statement)
    devices = await state.directory.devices({row.device_id for row in rows if isinstance(row, Statement)})
    now: datetime = state.now()
    good = all_or_none(
        rows,
        lambda row: observe_statement(row, own_device(row.device_id, devices, source), source.source, now),
    )
    with state.pressure.admit(len(good)):
        await state.publisher.publish(good)
    PUBLISHED.labels("http").inc(len(good))
    return Accepted(len(good))


@post("/v1/gate-events", status_code=202)
async def gate_events(request: AnyRequest, state: State) -> Accepted:
    """Entries and exits at barriers: see `gates.GateRow`. All rows are taken, or none."""
    source = await source_of(request, state, "gate-events")
    rows = await _rows_of(request, _gate_row)
    devices = await state.directory.devices({row.device_id for row in rows if isinstance(row, GateRow)})
    now: datetime = state.now()

    def make(row: GateRow) -> GateEvent:
        return gate_event(row, own_device(row.device_id, devices, source), source, now, state.vault)

    return await _publish_records(all_or_none(rows, make), source, state)


@post("/v1/corrections", status_code=202)
async def corrections(request: AnyRequest, state: State) -> Accepted:
    """Corrections and voids of gate events and sightings: see `gates.CorrectionRow`. All, or none."""
    try:
        source = await source_of(request, state, "gate-events")
    except IntakeProblem as problem:
        if problem.slug != "not-allowed":
            raise
        source = await source_of(request, state, "sightings")
    rows = await _rows_of(request, _correction_row)
    now: datetime = state.now()
    made = all_or_none(rows, lambda row: correction(row, source, now, state.vault))
    return await _publish_records(made, source, state)


@post("/v1/sightings", status_code=202)
async def sightings(request: AnyRequest, state: State) -> Accepted:
    """What patrol vehicles, cameras and drones saw: see `gates.SightingRow`. All are taken, or none."""
    source = await source_of(request, state, "sightings")
    rows = await _rows_of(request, _sighting_row)
    names = {row.device_id for row in rows if isinstance(row, SightingRow) and row.device_id}
    devices = await state.directory.devices(names)
    now: datetime = state.now()

    def make(row: SightingRow) -> Sighting:
        device = own_device(row.device_id, devices, source) if row.device_id else None
        return sighting(row, device, source, now, state.vault)

    return await _publish_records(all_or_none(rows, make), source, state)


async def _rows_of(request: AnyRequest, decoder: msgspec.json.Decoder[Row]) -> list[Row | Refused]:
    rows = parse_rows(await body_of(request), decoder)
    RECEIVED.labels("http").inc(len(rows))
    return rows


async def _publish_records(records: Sequence[Record], source: SourceEntry, state: State) -> Accepted:
    with state.pressure.admit(len(records)):
        await state.publisher.publish_records(source.source, records)
    PUBLISHED.labels("http").inc(len(records))
    return Accepted(len(records))


def _check_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        msgspec.json.decode(body)
    except UNREADABLE as error:
        raise IntakeProblem("malformed-body", str(error)) from error


@get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@get("/health/ready")
async def ready(state: State) -> Response[dict[str, str]]:
    """200 once Redis answers and, where there is a broker, the subscriptions stand."""
    try:
        await state.redis.ping()
        waiting = "" if state.subscribed() else "mqtt"
    except RedisError:
        waiting = "redis"
    body = {"status": f"waiting for {waiting}" if waiting else "ready"}
    return Response(body, status_code=503 if waiting else 200)


@get("/health/sources")
async def pulled_sources(state: State) -> list[SourceHealth]:
    """How each polled source is: `ok`, `late`, `failing` or `refused`, with the last reason."""
    sources: list[SourceHealth] = state.pulled()
    return sources


@get("/metrics", media_type=CONTENT_TYPE_LATEST)
async def metrics() -> bytes:
    """Prometheus metrics."""
    return generate_latest()


def _on_too_busy(request: AnyRequest, error: TooBusy) -> Response[bytes]:
    return on_problem(request, IntakeProblem("too-busy"))


def _on_storage(
    request: AnyRequest, error: StorageUnavailable | DirectoryEmpty | RedisError
) -> Response[bytes]:
    return on_problem(request, IntakeProblem("storage-unavailable"))


def create_intake_app(
    *,
    redis: Any,
    directory: DirectoryFollower,
    publisher: Publisher,
    pressure: Pressure | None = None,
    vault: PlateVault | None = None,
    pulled: Callable[[], list[SourceHealth]] = list,
    subscribed: Callable[[], bool] = lambda: True,
    now: Callable[[], datetime] = utc_now,
    most_requests: int = _MOST_REQUESTS,
) -> ASGIApp:
    """The intake application over an open Redis and a loaded directory."""
    app = Litestar(
        route_handlers=[
            chirpstack_uplink,
            things_stack_uplink,
            nb_iot_uplink,
            observations,
            gate_events,
            corrections,
            sightings,
            live,
            ready,
            pulled_sources,
            metrics,
        ],
        exception_handlers={
            IntakeProblem: on_problem,
            TooBusy: _on_too_busy,
            StorageUnavailable: _on_storage,
            DirectoryEmpty: _on_storage,
            RedisError: _on_storage,
            HTTPException: on_http_exception,
            Exception: on_fault,
        },
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        state=State(
            {
                "redis": redis,
                "directory": directory,
                "publisher": publisher,
                "pressure": pressure or Pressure(),
                "vault": vault,
                "pulled": pulled,
                "intake": Intake(directory, publisher, now),
                "subscribed": subscribed,
                "now": now,
            }
        ),
    )
    return Limited(app, most_requests)

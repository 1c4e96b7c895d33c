"""HTTP intake: the network servers' webhooks, and the plain form for institutions' systems and counters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import PUBLISHED, Intake, Message, utc_now
from sensor_gateway.networks.base import UNREADABLE
from sensor_gateway.observation import Observation
from sensor_gateway.pipeline import Refused, Statement, observe_statement
from sensor_gateway.pressure import Pressure, TooBusy
from sensor_gateway.problems import IntakeProblem, on_http_exception, on_problem
from sensor_gateway.publish import Publisher, StorageUnavailable

MAX_BODY = 1_000_000
MAX_ROWS = 5_000

_rows = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])
_row = msgspec.json.Decoder(Statement)

AnyRequest = Request[Any, Any, Any]


class Accepted(msgspec.Struct, frozen=True):
    """How many observations Redis has taken."""

    accepted: int


@post("/v1/uplinks/chirpstack", status_code=202)
async def chirpstack_uplink(request: AnyRequest, state: State, event: str = "up") -> Accepted:
    """ChirpStack's HTTP integration. Events other than `up` are accepted and not used."""
    return await _take_uplink(request, state, "chirpstack", used=event == "up")


@post("/v1/uplinks/the-things-stack", status_code=202)
async def things_stack_uplink(request: AnyRequest, state: State) -> Accepted:
    """The Things Stack's webhook for uplink messages."""
    return await _take_uplink(request, state, "the-things-stack", used=True)


async def _take_uplink(request: AnyRequest, state: State, network: str, *, used: bool) -> Accepted:
    await _source(request, state, "uplinks")
    body = await request.body()
    _check_json(body)
    if not used:
        return Accepted(0)
    with state.pressure.admit(1):
        (outcome,) = await state.intake.take([Message(network, "http", request.url.path, body)])
    if outcome.refused is not None:
        raise IntakeProblem(outcome.refused.reason, outcome.refused.detail)
    return Accepted(1)


@post("/v1/observations", status_code=202)
async def observations(request: AnyRequest, state: State) -> Accepted:
    """A list of `{device_id, occupied | free, observed_at}`. All rows are taken, or none."""
    source = await _source(request, state, "observations")
    rows = _parse_rows(await request.body())
    devices = await state.directory.devices({row.device_id for row in rows if isinstance(row, Statement)})
    received_at: datetime = state.now()
    good: list[Observation] = []
    errors: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        try:
            good.append(_observe(row, devices, source, received_at))
        except Refused as refused:
            errors.append(
                {"index": index, "field": refused.field, "reason": refused.reason, "message": refused.detail}
            )
    if errors:
        reasons = {error["reason"] for error in errors}
        raise IntakeProblem(reasons.pop() if len(reasons) == 1 else "invalid-input", errors=errors)
    with state.pressure.admit(len(good)):
        await state.publisher.publish(good)
    PUBLISHED.labels("http").inc(len(good))
    return Accepted(len(good))


def _observe(
    row: Statement | Refused, devices: dict[str, DeviceEntry], source: SourceEntry, received_at: datetime
) -> Observation:
    if isinstance(row, Refused):
        raise row
    device = devices.get(row.device_id)
    if device is None:
        raise Refused("unknown-device", f"no device {row.device_id} is registered", "device_id")
    if not source.any_device and device.source != source.source:
        raise Refused("not-allowed", "the device belongs to another source", "device_id")
    return observe_statement(row, device, source.source, received_at)


def _parse_rows(body: bytes) -> list[Statement | Refused]:
    try:
        content = _rows.decode(body)
    except UNREADABLE as error:
        raise IntakeProblem("malformed-body", str(error)) from error
    raw = content if isinstance(content, list) else [msgspec.Raw(body)]
    if len(raw) > MAX_ROWS:
        raise IntakeProblem("invalid-input", f"at most {MAX_ROWS} rows at a time; there are {len(raw)}")
    return [_parse_row(item) for item in raw]


def _parse_row(raw: msgspec.Raw) -> Statement | Refused:
    try:
        return _row.decode(raw)
    except UNREADABLE as error:
        message, _, path = str(error).partition(" - at `$.")
        return Refused("invalid-input", message, path.rstrip("`"))


def _check_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        msgspec.json.decode(body)
    except UNREADABLE as error:
        raise IntakeProblem("malformed-body", str(error)) from error


async def _source(request: AnyRequest, state: State, scope: str) -> SourceEntry:
    """Whose key it is. Raises IntakeProblem before the body is read."""
    key = request.headers.get("x-api-key", "")
    source: SourceEntry | None = (
        await state.directory.source(sha256(key.encode()).hexdigest()) if key else None
    )
    if source is None:
        raise IntakeProblem("wrong-key")
    if scope not in source.scopes:
        raise IntakeProblem("not-allowed")
    return source


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


@get("/metrics", media_type=CONTENT_TYPE_LATEST)
async def metrics() -> bytes:
    """Prometheus metrics."""
    return generate_latest()


def _on_too_busy(request: AnyRequest, error: TooBusy) -> Response[bytes]:
    return on_problem(request, IntakeProblem("too-busy"))


def _on_storage(request: AnyRequest, error: StorageUnavailable | RedisError) -> Response[bytes]:
    return on_problem(request, IntakeProblem("storage-unavailable"))


def _on_anything_else(request: AnyRequest, error: Exception) -> Response[bytes]:
    return on_problem(request, IntakeProblem("internal"))


def create_intake_app(
    *,
    redis: Any,
    directory: DirectoryFollower,
    publisher: Publisher,
    pressure: Pressure | None = None,
    subscribed: Callable[[], bool] = lambda: True,
    now: Callable[[], datetime] = utc_now,
) -> Litestar:
    """The intake application over an open Redis and a loaded directory."""
    return Litestar(
        route_handlers=[chirpstack_uplink, things_stack_uplink, observations, live, ready, metrics],
        exception_handlers={
            IntakeProblem: on_problem,
            TooBusy: _on_too_busy,
            StorageUnavailable: _on_storage,
            RedisError: _on_storage,
            HTTPException: on_http_exception,
            Exception: _on_anything_else,
        },
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        state=State(
            {
                "redis": redis,
                "directory": directory,
                "publisher": publisher,
                "pressure": pressure or Pressure(),
                "intake": Intake(directory, publisher, now),
                "subscribed": subscribed,
                "now": now,
            }
        ),
    )

"""Lists of rows by HTTP: parsed one by one, so that every bad row is told; all are taken, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.networks.base import UNREADABLE
from sensor_gateway.pipeline import Refused
from sensor_gateway.problems import IntakeProblem

MAX_ROWS = 5_000
_BODY_S = 20.0

Row = TypeVar("Row")
Made = TypeVar("Made")
AnyRequest = Request[Any, Any, Any]

_rows = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])


async def source_of(request: AnyRequest, state: State, scope: str) -> SourceEntry:
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


async def body_of(request: AnyRequest) -> bytes:
    """The whole body. Raises IntakeProblem where it does not come: a sender that stalls must not hold on."""
    try:
        async with asyncio.timeout(_BODY_S):
            return await request.body()
    except TimeoutError as error:
        raise IntakeProblem("too-slow") from error


def parse_rows(body: bytes, decoder: msgspec.json.Decoder[Row]) -> list[Row | Refused]:
    """A list of rows, or one row. Raises IntakeProblem where it is neither, or there are too many."""
    try:
        content = _rows.decode(body)
    except UNREADABLE as error:
        raise IntakeProblem("malformed-body", str(error)) from error
    raw = content if isinstance(content, list) else [msgspec.Raw(body)]
    if len(raw) > MAX_ROWS:
        raise IntakeProblem("invalid-input", f"at most {MAX_ROWS} rows at a time; there are {len(raw)}")
    return [_parse_row(item, decoder.decode) for item in raw]


def all_or_none(rows: Sequence[Row | Refused], make: Callable[[Row], Made]) -> list[Made]:
    """What `make` makes of each row. Raises IntakeProblem with an error for every row that is refused."""
    made: list[Made] = []
    errors: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        try:
            if isinstance(row, Refused):
                raise row
            made.append(make(row))
        except Refused as refused:
            errors.append(
                {"index": index, "field": refused.field, "reason": refused.reason, "message": refused.detail}
            )
    if errors:
        reasons = {error["reason"] for error in errors}
        raise IntakeProblem(reasons.pop() if len(reasons) == 1 else "invalid-input", errors=errors)
    return made


def own_device(name: str, devices: dict[str, DeviceEntry], source: SourceEntry) -> DeviceEntry:
    """The device of that name, which this source may speak for. Raises Refused."""
    device = devices.get(name)
    if device is None:
        raise Refused("unknown-device", f"no device {name} is registered", "device_id")
    if not source.any_device and device.source != source.source:
        raise Refused("not-allowed", "the device belongs to another source", "device_id")
    return device


def _parse_row(raw: msgspec.Raw, decode: Callable[[msgspec.Raw], Row]) -> Row | Refused:
    try:
        return decode(raw)
    except UNREADABLE as error:
        message, _, path = str(error).partition(" - at `$.")
        return Refused("invalid-input", message, path.rstrip("`"))

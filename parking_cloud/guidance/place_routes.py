"""The question over HTTP. It is read and answered by hand: a framework's reading of twenty parameters would
take as long as the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from gzip import compress
from typing import Any

import msgspec
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.guidance.asking import read_query
from parking_cloud.guidance.guide import Guide
from parking_cloud.guidance.schemas import PlacesOut, PlacesQuery


def _parameters() -> list[Parameter]:
    """PlacesQuery, as the API documentation shows parameters."""
    _, parts = msgspec.json.schema_components([PlacesQuery], ref_template="{name}")
    fields = parts["PlacesQuery"]
    return [
        Parameter(
            name=name,
            param_in="query",
            required=name in fields["required"],
            schema=_schema(field, parts),
            explode=False,
        )
        for name, field in fields["properties"].items()
    ]


def _schema(said: dict[str, Any], parts: dict[str, Any]) -> Schema:
    """Only what the parameters use: numbers with bounds, choices, and lists of choices."""
    if "$ref" in said:
        said = parts[said["$ref"]] | {name: value for name, value in said.items() if name != "$ref"}
    if "anyOf" in said:
        said = next(option for option in said["anyOf"] if option.get("type") != "null")
        return _schema(said, parts)
    return Schema(
        type=said.get("type", "string"),
        format=said.get("format"),
        enum=said.get("enum"),
        minimum=said.get("minimum"),
        maximum=said.get("maximum"),
        default=said.get("default"),
        items=_schema(said["items"], parts) if "items" in said else None,
    )


@dataclass
class PlacesOperation(Operation):
    """What the handler reads by itself, told to the API documentation."""

    def __post_init__(self) -> None:
        self.parameters = list(_parameters())


@get(
    "/v1/guidance/places",
    guards=[public],
    tags=["guidance"],
    operation_class=PlacesOperation,
    responses={200: ResponseSpec(data_container=PlacesOut, description="Best first.")},
)
async def places(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Where to park: ranked, each with its chance of a free space on arrival, way, walk and price."""
    guide: Guide = request.app.state.guide
    body = await guide.places(read_query(request.scope["query_string"]))
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if _reads_gzip(request.scope["headers"]):
        body = compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


def _reads_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """For phones on slow lines: a sixth of the bytes, for a fraction of a millisecond."""
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in headers)


route_handlers: list[ControllerRouterHandler] = [places]

"""Reads what a vector tile of points says, by the published format (Mapbox vector tile 2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Field = tuple[int, int | bytes]


class TilePoint(NamedTuple):
    x: int
    y: int
    properties: dict[str, Any]


def points(tile: bytes) -> list[TilePoint]:
    """The points of the tile's one layer, or of none."""
    found: list[TilePoint] = []
    for number, layer in _fields(tile):
        assert number == 3
        assert isinstance(layer, bytes)
        parts = list(_fields(layer))
        keys = [value.decode() for n, value in parts if n == 3 and isinstance(value, bytes)]
        values = [_value(value) for n, value in parts if n == 4 and isinstance(value, bytes)]
        found += [_point(value, keys, values) for n, value in parts if n == 2 and isinstance(value, bytes)]
    return found


def _point(feature: bytes, keys: list[str], values: list[Any]) -> TilePoint:
    parts = dict(_fields(feature))
    tags, geometry = (list(_varints(bytes(parts.get(n, b"")))) for n in (2, 4))  # type: ignore[arg-type]
    assert geometry[0] == 9, "one point"
    x, y = (((n >> 1) ^ -(n & 1)) for n in geometry[1:3])
    properties = {keys[tags[i]]: values[tags[i + 1]] for i in range(0, len(tags), 2)}
    return TilePoint(x, y, properties)


def _value(body: bytes) -> Any:
    ((number, value),) = _fields(body)
    if isinstance(value, bytes):
        return value.decode()
    if number == 6:
        return (value >> 1) ^ -(value & 1)
    return bool(value) if number == 7 else value


def _fields(body: bytes) -> Iterator[Field]:
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        value, at = _varint(body, at)
        if key & 7 == 2:
            yield key >> 3, body[at : at + value]
            at += value
        else:
            assert key & 7 == 0, "a kind of field that these tiles do not use"
            yield key >> 3, value


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _varints(body: bytes) -> Iterator[int]:
    at = 0
    while at < len(body):
        value, at = _varint(body, at)
        yield value

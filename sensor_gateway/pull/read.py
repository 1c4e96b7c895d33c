"""An answer's body and headers, by its source's mapping → statements and row problems. No I/O."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from sensor_gateway.pipeline import Statement
from sensor_gateway.pull.datex2 import read_datex2
from sensor_gateway.pull.mapping import CsvSource, Datex2Source, Fields, JsonSource, Source
from sensor_gateway.pull.values import (
    BadRow,
    RowProblem,
    Unreadable,
    device_name,
    moment,
    shown,
    truth,
    whole_number,
)

__all__ = ["MOST_BYTES", "RowProblem", "Unreadable", "header_time", "read"]

MOST_BYTES = 20_000_000
"""A body larger than this is not read."""

_NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)
_undecoded = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])

Cell = Callable[[str], Any]
"""A record: its value at a path or column, None where there is none."""


def read(body: bytes, headers: Mapping[str, str], source: Source) -> tuple[list[Statement], list[RowProblem]]:
    """What the body says; a bad record is told and the others go on. Raises Unreadable.

    `headers` are the answer's, by names in lower case.
    """
    if len(body) > MOST_BYTES:
        raise Unreadable(f"The body is larger than {MOST_BYTES // 1_000_000} MB.")
    if isinstance(source, Datex2Source):
        return read_datex2(body, source)
    records = _json_records(body, source) if isinstance(source, JsonSource) else _csv_records(body, source)
    dated = None if source.fields.observed_at else _answer_time(headers)
    return _read_records(records, source.fields, dated)


def header_time(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7), or None where it is none."""
    try:
        read_time = parsedate_to_datetime(text)
        return (read_time if read_time.tzinfo else read_time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _answer_time(headers: Mapping[str, str]) -> datetime:
    for name in ("last-modified", "date"):
        dated = header_time(headers.get(name, ""))
        if dated is not None:
            return dated
    raise Unreadable(
        "The mapping declares no observed_at, and the answer has neither Last-Modified nor Date."
    )


def _read_records(
    records: Iterable[Cell | BadRow], fields: Fields, dated: datetime | None
) -> tuple[list[Statement], list[RowProblem]]:
    statements: list[Statement] = []
    problems: list[RowProblem] = []
    for number, record in enumerate(records, start=1):
        try:
            if isinstance(record, BadRow):
                raise record
            statements.append(_statement(record, fields, dated))
        except BadRow as why:
            problems.append(RowProblem(number, str(why)))
    return statements, problems


def _statement(record: Cell, fields: Fields, dated: datetime | None) -> Statement:
    device_id = device_name(record(fields.device_id), fields.prefix)
    observed_at = dated or moment(record(fields.observed_at), fields.time_format, fields.time_zone)
    if fields.occupied:
        taken = truth(record(fields.occupied), fields.occupied, fields.occupied_when, fields.free_when)
        return Statement(device_id, observed_at, occupied=taken)
    if fields.free:
        return Statement(device_id, observed_at, free=whole_number(record(fields.free), fields.free))
    capacity = fields.capacity
    if isinstance(capacity, str):
        capacity = whole_number(record(capacity), capacity)
    taken_count = whole_number(record(fields.occupied_count), fields.occupied_count)
    return Statement(device_id, observed_at, free=capacity - taken_count)


def _json_records(body: bytes, source: JsonSource) -> Iterator[Cell | BadRow]:
    # The byte order mark is not JSON, but Windows servers send it.
    raw = msgspec.Raw(body.removeprefix(b"\xef\xbb\xbf"))
    try:
        found: msgspec.Raw | None = raw
        for step in source.records.split(".") if source.records else ():
            found = _inside(found, step)
        records = _parts(found)
        there = None if found is None or isinstance(records, list) else msgspec.json.decode(found)
    except _NOT_JSON as error:
        raise Unreadable(f"The body is not JSON: {error}. It begins with {shown(body)}.") from error
    if not isinstance(records, list):
        place = f"`{source.records}`" if source.records else "The document"
        raise Unreadable(f"{place} holds no list of records; what is there is {shown(there)}.")
    return (_json_record(record) for record in records)


def _parts(raw: msgspec.Raw | None) -> list[msgspec.Raw] | dict[str, msgspec.Raw] | None:
    """What a list or an object holds, undecoded; None for anything else. Raises one of _NOT_JSON."""
    try:
        return None if raw is None else _undecoded.decode(raw)
    except msgspec.ValidationError:
        return None


def _inside(raw: msgspec.Raw | None, step: str) -> msgspec.Raw | None:
    """One step of a path, undecoded."""
    part: msgspec.Raw | None = _at(_parts(raw), step)
    return part


def _json_record(raw: msgspec.Raw) -> Cell | BadRow:
    """Decoded by itself, so that what no decoder takes, such as an absurd number, costs only itself."""
    try:
        record: Any = msgspec.json.decode(raw)
    except _NOT_JSON as error:
        return BadRow(f"it cannot be decoded: {error}")
    if not isinstance(record, dict | list):
        return BadRow(f"it is {shown(record)}, not an object")
    return lambda path: _dig(record, path)


def _dig(value: Any, path: str) -> Any:
    """The value at a dotted path; a step into a list is its index from 0 on. None where there is none."""
    for step in path.split("."):
        value = _at(value, step)
    return value


def _at(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and len(step) < 10 and int(step) < len(value):
        return value[int(step)]
    return None


def _csv_records(body: bytes, source: CsvSource) -> list[Cell | BadRow]:
    try:
        text = body.decode(source.encoding).removeprefix("\ufeff")
    except ValueError as error:
        raise Unreadable(f"The body is not text in {source.encoding}: {error}.") from error
    # Strict, for else a quote that is never closed would swallow the rest of the table without a word.
    table = csv.reader(io.StringIO(text, newline=""), delimiter=source.delimiter, strict=True)
    try:
        lines = [line for line in table if line]
    except csv.Error as error:
        raise Unreadable(f"The body is not CSV: {error} (line {table.line_num}).") from error
    if not lines:
        raise Unreadable("The body is empty: there is no line that names the columns.")
    columns = {name.strip(): position for position, name in enumerate(lines[0])}
    missing = [name for name in source.fields.declared() if name not in columns]
    if missing:
        raise Unreadable(f"The table has no column {', '.join(missing)}; it has {shown(', '.join(columns))}.")
    return [_csv_record(line, columns, len(lines[0])) for line in lines[1:]]


def _csv_record(line: list[str], columns: Mapping[str, int], width: int) -> Cell | BadRow:
    if len(line) != width:
        return BadRow(f"it has {len(line)} cells where the header has {width}")
    return lambda column: line[columns[column]]

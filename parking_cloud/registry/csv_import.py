"""Imports by CSV: one kind of row a file, checked row by row before anything is written."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from parking_cloud.registry.problems import ImportRefused
from parking_cloud.registry.schemas import (
    DeviceIn,
    FacilityIn,
    InstitutionIn,
    OperatorIn,
    ProfileIn,
    RegistryBatch,
    SpaceIn,
    ZoneIn,
)

PARTS: dict[str, type[msgspec.Struct]] = {
    "operators": OperatorIn,
    "institutions": InstitutionIn,
    "facilities": FacilityIn,
    "zones": ZoneIn,
    "spaces": SpaceIn,
    "devices": DeviceIn,
    "profiles": ProfileIn,
}
"""What a file may hold; its columns are the fields of the struct."""


def parse_csv(part: str, content: bytes) -> RegistryBatch:
    """A UTF-8 (with or without BOM) or GB 18030 CSV with a header line → a batch.

    Blank cells mean "not given". Raises ImportRefused naming the line, the column and what is wrong of
    every bad row; line 1 is the header.
    """
    if part not in PARTS:
        raise ImportRefused(errors=[_error(part, 0, "", f"unknown part; one of {', '.join(PARTS)}")])
    reader = csv.DictReader(io.StringIO(_text(part, content), newline=""))
    struct = PARTS[part]
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    errors = [_error(part, 1, name, "unknown column") for name in header if name not in fields]
    errors += [
        _error(part, 1, name, "missing column")
        for name, field in fields.items()
        if field.required and name not in header
    ]
    if errors:
        raise ImportRefused(errors=errors)
    rows: list[Any] = []
    for line, cells in enumerate(reader, start=2):
        given = {name: value.strip() for name, value in cells.items() if name and value and value.strip()}
        try:
            rows.append(msgspec.convert(given, struct, strict=False))
        except msgspec.ValidationError as error:
            errors.append(_validation_error(part, line, error))
    if errors:
        raise ImportRefused(errors=errors)
    return msgspec.structs.replace(RegistryBatch(), **{part: rows})


def _text(part: str, content: bytes) -> str:
    """Spreadsheets of Chinese Windows save GB 18030 unless told otherwise."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefused(errors=[_error(part, 0, "", "the file is neither UTF-8 nor GB 18030 text")])


def _validation_error(part: str, line: int, error: msgspec.ValidationError) -> dict[str, Any]:
    message, _, path = str(error).partition(" - at `$")
    return _error(part, line, path.strip("`.").removeprefix("."), message)


def _error(part: str, line: int, column: str, reason: str) -> dict[str, Any]:
    return {"part": part, "line": line, "column": column, "reason": reason}

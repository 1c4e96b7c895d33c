"""Rows as CSV and XLSX: numbers as numbers, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

Row = list[Any]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
_BOM = "\ufeff"
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AT_ONCE = 500


class Money(int):
    """Fen in a row: written as yuan."""


def safe(cell: str) -> str:
    """Text that a spreadsheet shows and never runs: a name that begins like a formula is quoted."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell


async def as_csv(headers: list[str], rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    """UTF-8 with its mark, so that spreadsheets read the Chinese; a chunk for every few hundred rows."""
    chunk = io.StringIO()
    writer = csv.writer(chunk)
    chunk.write(_BOM)
    writer.writerow(headers)
    waiting = 0
    async for row in rows:
        writer.writerow([_plain(cell) for cell in row])
        waiting += 1
        if waiting == _AT_ONCE:
            yield chunk.getvalue().encode()
            chunk.seek(0)
            chunk.truncate()
            waiting = 0
    yield chunk.getvalue().encode()


def _plain(cell: Any) -> str:
    if isinstance(cell, Money):
        sign = "-" if cell < 0 else ""
        return f"{sign}{abs(cell) // 100}.{abs(cell) % 100:02d}"
    if isinstance(cell, Decimal):
        return str(cell)
    return cell.isoformat() if isinstance(cell, date) else safe(str(cell))


async def as_xlsx(sheets: list[tuple[str, list[str], AsyncIterator[Row]]]) -> AsyncIterator[bytes]:
    """A workbook, written row by row to a file of its own and then read from there."""
    with tempfile.TemporaryDirectory(prefix="parking-export-") as folder:
        path = Path(folder) / "export.xlsx"
        book = xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False})
        money = book.add_format({"num_format": "#,##0.00"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        bold = book.add_format({"bold": True})
        for name, headers, rows in sheets:
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(headers) - 1, 16)
            sheet.write_row(0, 0, headers, bold)
            number = 0
            async for row in rows:
                number += 1
                for column, cell in enumerate(row):
                    _write(sheet, number, column, cell, money, day)
        book.close()
        with path.open("rb") as file:
            while part := file.read(65_536):
                yield part


def _write(sheet: Any, row: int, column: int, cell: Any, money: Any, day: Any) -> None:
    if isinstance(cell, Money):
        sheet.write_number(row, column, int(cell) / 100, money)
    elif isinstance(cell, Decimal):
        sheet.write_number(row, column, float(cell))
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, day)
    else:
        sheet.write_string(row, column, safe(str(cell)))


async def listed(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """Rows that are in memory, as those that are not."""
    for row in rows:
        yield row

"""Statements and their items as CSV and XLSX: numbers as numbers, and no cell that a spreadsheet would
run."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import xlsxwriter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.money import Fen
from parking_cloud.settlement.schemas import StatementOut

Cell = str | int | date | Fen
Row = list[Any]
_BOM = "\ufeff"
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AT_ONCE = 500

LINE_HEADERS = [
    "停车场",
    "日期",
    "应收（元）",
    "银行卡实收（元）",
    "支付宝实收（元）",
    "微信实收（元）",
    "现金（元）",
    "退款（元）",
    "拒付（元）",
    "手续费（元）",
    "平台服务费（元）",
    "应结（元）",
]
ITEM_HEADERS = ["停车场", "日期", "类别", "方式", "金额（元）", "账单号", "流水号"]
_KINDS = {
    "charged": "应收",
    "paid": "实收",
    "refunded": "退款",
    "charged_back": "拒付",
    "fee": "手续费",
}
_METHODS = {"card": "银行卡", "alipay": "支付宝", "wechat_pay": "微信", "cash": "现金", "": ""}


class Money(int):
    """Fen in a row: written as yuan."""


def safe(cell: str) -> str:
    """Text that a spreadsheet shows and never runs: a name that begins like a formula is quoted."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell


def line_rows(statement: StatementOut) -> Iterator[Row]:
    """A statement's lines and their sum."""
    for line in statement.lines:
        yield [
            line.facility,
            line.day,
            *(
                Money(amount)
                for amount in (
                    line.charged,
                    line.paid_card,
                    line.paid_alipay,
                    line.paid_wechat_pay,
                    line.cash,
                    line.refunded,
                    line.charged_back,
                    line.fees,
                    line.commission,
                    line.net,
                )
            ),
        ]
    of = statement.lines
    yield [
        "合计",
        "",
        Money(statement.charged),
        Money(sum(line.paid_card for line in of)),
        Money(sum(line.paid_alipay for line in of)),
        Money(sum(line.paid_wechat_pay for line in of)),
        Money(statement.cash),
        Money(statement.refunded),
        Money(statement.charged_back),
        Money(statement.fees),
        Money(statement.commission),
        Money(statement.net),
    ]


async def item_rows(
    sessions: async_sessionmaker[AsyncSession], statement_id: UUID, names: dict[UUID, str]
) -> AsyncIterator[Row]:
    """Every item of a statement, read as it is written: a month of a city does not fit in memory."""
    async with sessions() as session:
        rows = await session.stream(
            text(
                "select facility_id, day, kind, method, amount, charge_id, movement_id from settlement_item"
                " where statement_id = :id order by day, facility_id, movement_id, charge_id"
            ),
            {"id": statement_id},
            execution_options={"yield_per": _AT_ONCE},
        )
        async for row in rows:
            yield [
                names[row.facility_id],
                row.day,
                _KINDS[row.kind],
                _METHODS[row.method],
                Money(row.amount),
                str(row.charge_id),
                str(row.movement_id),
            ]


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
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, day)
    else:
        sheet.write_string(row, column, safe(str(cell)))


async def listed(rows: Iterator[Row]) -> AsyncIterator[Row]:
    """Rows that are in memory, as those that are not."""
    for row in rows:
        yield row

"""Statements and their items as rows for files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.sheets import Money, Row
from parking_cloud.settlement.schemas import StatementOut

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

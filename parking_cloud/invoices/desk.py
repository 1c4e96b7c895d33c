"""Hands invoice requests to the service, outside any transaction, until it has answered.

A red one waits until the one that it takes from has its number.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.invoices.issuing import (
    InvoiceOrder,
    InvoiceService,
    InvoiceServiceAway,
    InvoiceServiceRefused,
    Issued,
)
from parking_cloud.invoices.models import Invoice
from parking_cloud.invoices.schemas import Buyer, InvoiceState
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.db import transaction
from parking_cloud.registry.service import operator_names

_AT_ONCE = 10
_LEASE = timedelta(minutes=2)
_FIRST = timedelta(seconds=10)
_LONGEST = timedelta(hours=1)

log = structlog.get_logger(__name__)


class InvoiceDesk:
    """Sends what was asked for."""

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], service: InvoiceService, vault: ContactVault
    ) -> None:
        self._sessions = sessions
        self._service = service
        self._vault = vault

    async def send_some(self, now: datetime) -> int:
        """Try what is due now; how many were tried."""
        async with transaction(self._sessions) as session:
            claimed = await self._claim(session, now)
        await asyncio.gather(*(self._send(order, attempts, now) for order, attempts in claimed))
        return len(claimed)

    async def _claim(self, session: AsyncSession, now: datetime) -> list[tuple[InvoiceOrder, int]]:
        ids = await session.scalars(
            text(
                "update invoice set attempts = attempts + 1, try_again_at = :lease where id in"
                " (select i.id from invoice i left join invoice b on b.id = i.red_of"
                " where i.state = 'requested' and i.try_again_at <= :now"
                " and (i.red_of is null or b.number <> '') order by i.try_again_at limit :most"
                " for update of i skip locked) returning id"
            ),
            {"now": now, "lease": now + _LEASE, "most": _AT_ONCE},
        )
        rows = await session.execute(
            text(
                "select i.id, i.amount, i.details_sealed, i.attempts, r.number as receipt, r.operator_id,"
                " coalesce(b.number, '') as red_of from invoice i join receipt r on r.id = i.receipt_id"
                " left join invoice b on b.id = i.red_of where i.id = any(:ids) order by i.id"
            ),
            {"ids": list(ids)},
        )
        found = rows.all()
        sellers = await operator_names(session, {row.operator_id for row in found})
        return [(self._order(row, sellers[row.operator_id].code), row.attempts) for row in found]

    def _order(self, row: Row[Any], seller: str) -> InvoiceOrder:
        buyer = msgspec.json.decode(self._vault.open(row.details_sealed), type=Buyer)
        return InvoiceOrder(
            id=row.id,
            receipt=row.receipt,
            seller=seller,
            amount=row.amount,
            buyer=buyer,
            red_of=row.red_of,
        )

    async def _send(self, order: InvoiceOrder, attempts: int, now: datetime) -> None:
        try:
            issued = await self._service.issue(order)
        except InvoiceServiceAway as error:
            again = now + min(_FIRST * (1 << min(attempts - 1, 20)), _LONGEST)
            values: dict[str, Any] = {"failure": str(error), "try_again_at": again}
        except InvoiceServiceRefused as error:
            log.warning("an invoice was refused", invoice=str(order.id))
            values = {"state": "failed", "failure": str(error), "try_again_at": None, "answered_at": now}
        else:
            values = _issued(issued, now)
        async with transaction(self._sessions) as session:
            query = update(Invoice).where(Invoice.id == order.id, Invoice.state == "requested")
            await session.execute(query.values(**values))
            await _follow(session, order.id, now)


def _issued(issued: Issued, now: datetime) -> dict[str, Any]:
    return {
        "state": "issued",
        "number": issued.number,
        "url": issued.url,
        "failure": "",
        "try_again_at": None,
        "answered_at": now,
    }


async def _follow(session: AsyncSession, invoice_id: UUID, now: datetime) -> None:
    """Red ones fall with the one that was refused; one that is taken back whole counts as reversed."""
    invoice = await session.get(Invoice, invoice_id, populate_existing=True)
    assert invoice is not None
    if invoice.red_of is None and invoice.state == InvoiceState.FAILED:
        falls = update(Invoice).where(Invoice.red_of == invoice.id, Invoice.state == "requested")
        await session.execute(falls.values(state="failed", try_again_at=None, answered_at=now))
    elif invoice.red_of is not None and invoice.state == InvoiceState.ISSUED:
        blue = await session.get(Invoice, invoice.red_of, with_for_update=True, populate_existing=True)
        assert blue is not None
        red = await session.scalar(
            select(func.sum(Invoice.amount)).where(Invoice.red_of == blue.id, Invoice.state == "issued")
        )
        if (red or 0) >= blue.amount:
            blue.state = InvoiceState.REVERSED.value
            await session.flush()

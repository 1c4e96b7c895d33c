"""What receipts and invoices follow from: a payment that succeeded, or was paid back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.invoices.receipts import make_receipts
from parking_cloud.invoices.service import reverse_refunded
from parking_cloud.kernel.outbox import Handler, OutboxMessage


def follow_payments(secret_key: str) -> Handler:
    """The outbox handler of PAYMENT_CHANGED."""

    async def handler(session: AsyncSession, _: Redis, messages: Sequence[OutboxMessage]) -> None:
        payments = sorted({UUID(message.key) for message in messages})
        now = datetime.now(UTC)
        await make_receipts(session, payments, secret_key, now)
        await reverse_refunded(session, payments, now)

    return handler

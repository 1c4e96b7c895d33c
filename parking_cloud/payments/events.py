"""The events of payments, and what follows when a stay has changed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.outbox import OutboxMessage

CHARGE_CHANGED = "payments.charge_changed"
"""Outbox topic, key: the charge's id, payload {"kind", "was", "state"}: its state before and after. Told when
its amount, state or payments have changed."""
PAYMENT_CHANGED = "payments.payment_changed"
"""Outbox topic, key: the payment's id, payload {"state", "via"}. Told when it succeeded, failed or was given
up; with each of its refunds, too, and then without a payload."""


async def note_stays(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Outbox handler of STAY_CHANGED: the desk lets each stay's charge follow it."""
    await session.execute(
        text(
            "insert into stay_to_assess (stay_id, try_again_at)"
            " select n.id, now() from unnest(cast(:ids as uuid[])) as n(id) order by n.id"
            " on conflict (stay_id) do update set try_again_at = now(), attempts = 0, failure = ''"
        ),
        {"ids": list({UUID(message.key) for message in messages})},
    )

"""Corrections pushed to operators' own systems: signed POSTs (Standard Webhooks), again with growing pauses.

The pauses are those that operators' systems are used to; after the last one a person has to look, and the
correction stays visible in the feed. No transaction is open while a system is called.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import httpx
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.hook_address import Allowed, allowed_by
from parking_cloud.kernel.hooks import RETRIES_S, Message, derived_secret, post_signed
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays.corrections import PLATED, CorrectionOut, written_out
from sensor_gateway.sealing import PlateVault

_LEASE = timedelta(seconds=60)
_AT_ONCE = 20


class _Due(NamedTuple):
    correction: CorrectionOut
    url: str
    secret: bytes


def secret_of(key: str, operator_id: UUID, generation: int) -> bytes:
    """The secret that signs what is pushed to an operator."""
    return derived_secret(key, f"stay corrections {operator_id} {generation}")


async def push_due(
    sessions: async_sessionmaker[AsyncSession],
    client: httpx.AsyncClient,
    settings: Settings,
    vault: PlateVault | None,
    now: datetime,
) -> int:
    """Push what is due; the number tried."""
    async with transaction(sessions) as session:
        due = await _claim(session, settings.secret_key, vault, now)
    allowed = allowed_by(settings)
    answers = await asyncio.gather(*(_post(client, allowed, one, now) for one in due))
    if due:
        async with transaction(sessions) as session:
            for one, failure in zip(due, answers, strict=True):
                await _note(session, one.correction, failure, now)
    return len(due)


async def _claim(session: AsyncSession, key: str, vault: PlateVault | None, now: datetime) -> list[_Due]:
    """What is due, held back from others for a while: who stops meanwhile loses nothing."""
    rows = list(
        await session.execute(
            text(
                "with due as (select seq from stay_correction"
                " where push_at <= :now and acknowledged_at is null"
                " order by push_at, seq limit :most for update skip locked)"
                " update stay_correction c set push_at = :until from due, operator_hook h"
                " where c.seq = due.seq and h.operator_id = c.operator_id returning c.*, h.url, h.generation"
            ),
            {"now": now, "until": now + _LEASE, "most": _AT_ONCE},
        )
    )
    written = await written_out(session, vault, rows)
    return [
        _Due(correction, row.url, secret_of(key, row.operator_id, row.generation))
        for correction, row in zip(written, rows, strict=True)
    ]


async def _post(client: httpx.AsyncClient, allowed: Allowed, due: _Due, now: datetime) -> str:
    """Push one; what went wrong, or nothing. Without its plate a plate's correction would tell nothing."""
    if due.correction.plate is None and due.correction.kind in PLATED:
        return "the plate cannot be opened"
    body = msgspec.json.encode({"type": "stay.corrected", "timestamp": now, "data": due.correction})
    message = Message(due.url, due.secret, due.correction.id, body)
    return (await post_signed(client, allowed, message, now)).failure


async def _note(session: AsyncSession, sent: CorrectionOut, failure: str, now: datetime) -> None:
    attempts = sent.attempts + 1
    again = None
    if failure and attempts <= len(RETRIES_S):
        again = now + timedelta(seconds=RETRIES_S[attempts - 1])
    await session.execute(
        text(
            "update stay_correction set attempts = :attempts, failure = :failure, push_at = :again,"
            " acknowledged_at = case when :failure = '' then coalesce(acknowledged_at, :now)"
            " else acknowledged_at end where seq = :seq and (acknowledged_at is null or :failure = '')"
        ),
        {"attempts": attempts, "failure": failure, "again": again, "now": now, "seq": sent.seq},
    )

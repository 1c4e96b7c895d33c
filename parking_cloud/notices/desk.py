"""The sending of notices, outside any transaction: claim some, give each to its carrier, write what became.

Who dies in between leaves a claim that runs out; the carrier knows the notice by its id: it is sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.contacts import Channel, ContactError, ContactVault
from parking_cloud.kernel.db import transaction
from parking_cloud.notices.rules import MOST_ATTEMPTS, pause
from parking_cloud.notices.senders import CarrierAway, CarrierRefused, Message, Sender

_AT_ONCE = 20
_LEASE = timedelta(minutes=2)

log = structlog.get_logger(__name__)


class Outcome(NamedTuple):
    """What became of one attempt."""

    state: str
    failure: str = ""
    carrier_id: str = ""


class NoticeDesk:
    """Sends what is queued."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        senders: Mapping[Channel, Sender],
        vault: ContactVault,
    ) -> None:
        self._sessions = sessions
        self._senders = senders
        self._vault = vault

    async def send_some(self, now: datetime) -> int:
        """Try what is due now; how many were tried."""
        async with transaction(self._sessions) as session:
            claimed = (
                await session.execute(
                    text(
                        "update notice set attempts = attempts + 1, try_again_at = :lease where id in"
                        " (select id from notice where state = 'queued' and try_again_at <= :now"
                        " and channel = any(:channels) order by try_again_at limit :most"
                        " for update skip locked)"
                        " returning id, channel, address_sealed, attempts, texts -> language as words"
                    ),
                    {
                        "now": now,
                        "lease": now + _LEASE,
                        "channels": [channel.value for channel in self._senders],
                        "most": _AT_ONCE,
                    },
                )
            ).all()
        await asyncio.gather(*(self._send(row, now) for row in claimed))
        return len(claimed)

    async def _send(self, row: Row[Any], now: datetime) -> None:
        outcome = await self._give(row.id, Channel(row.channel), row.address_sealed, row.words)
        if outcome.state == "queued" and row.attempts >= MOST_ATTEMPTS:
            outcome = Outcome("failed", outcome.failure)
        async with transaction(self._sessions) as session:
            await session.execute(
                text(
                    "update notice set state = :state, failure = :failure, carrier_id = :carrier,"
                    " try_again_at = :again, sent_at = :sent where id = :id and state = 'queued'"
                ),
                {
                    "id": row.id,
                    "state": outcome.state,
                    "failure": outcome.failure,
                    "carrier": outcome.carrier_id,
                    "again": now + pause(row.attempts) if outcome.state == "queued" else None,
                    "sent": now if outcome.state == "sent" else None,
                },
            )

    async def _give(self, id_: UUID, channel: Channel, sealed: bytes, words: dict[str, str]) -> Outcome:
        try:
            to = self._vault.open(sealed)
            said = words["short"] if channel is Channel.SMS else words["body"]
            message = Message(id=id_, to=to, title=words["title"], text=said)
            return Outcome("sent", carrier_id=await self._senders[channel].send(message))
        except CarrierAway as error:
            return Outcome("queued", str(error))
        except (CarrierRefused, ContactError) as error:
            log.warning("a notice could not be given over", notice=str(id_), channel=channel.value)
            return Outcome("failed", str(error))

"""What mandates need of the provider, outside any transaction: a method kept, looked at, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.payments.mandate_models import Mandate
from parking_cloud.payments.mandate_rules import MandateState
from parking_cloud.payments.provider import (
    Method,
    NewSaving,
    Provider,
    ProviderAway,
    ProviderRefused,
    ProviderSaving,
    ProviderState,
)
from parking_cloud.payments.rules import LEASE, LOOK_EVERY, back_off

_AT_ONCE = 20
_PATIENCE = timedelta(hours=1)
"""So long a driver has to fill in the provider's form."""

log = structlog.get_logger(__name__)


class MandateDesk:
    """Does what is due for mandates; several may work side by side."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], providers: Mapping[str, Provider]) -> None:
        self._sessions = sessions
        self._providers = providers

    async def do_some(self, now: datetime) -> int:
        """Do what is due; how many that were."""
        async with transaction(self._sessions) as session:
            await _hear(session, now)
            rows = (
                await session.execute(
                    text(
                        "update mandate m set look_again_at = :leased, attempts = m.attempts + 1 from"
                        " (select id from mandate where look_again_at <= :now and provider = any(:providers)"
                        "  order by look_again_at limit :most for update skip locked) d where m.id = d.id"
                        " returning m.id, m.provider, m.method, m.state, m.saving_id, m.saved_method,"
                        " m.return_url, m.attempts, m.asked_at"
                    ),
                    {
                        "now": now,
                        "leased": now + LEASE,
                        "providers": list(self._providers),
                        "most": _AT_ONCE,
                    },
                )
            ).all()
        await asyncio.gather(*(self._see_to(row, now) for row in rows))
        return len(rows)

    async def _see_to(self, row: Row[Any], now: datetime) -> None:
        try:
            said = await self._ask(self._providers[row.provider], row)
        except ProviderAway as away:
            log.info("the provider is away", provider=row.provider, error=str(away), mandate=str(row.id))
            await self._write(row.id, look_again_at=now + back_off(row.attempts))
            return
        except ProviderRefused as refused:
            log.warning("the provider refused a mandate's method", mandate=str(row.id), code=refused.code)
            await self._refused(row, refused.code)
            return
        if said is None:
            await self._write(row.id, saved_method="", look_again_at=None)
        else:
            await self._seen(row, said, now)

    async def _ask(self, provider: Provider, row: Row[Any]) -> ProviderSaving | None:
        """The call that is next. None: there is nothing kept at the provider any more."""
        if row.state == MandateState.STOPPED:
            if row.saved_method:
                await provider.forget_method(row.saved_method)
            return None
        if row.saving_id:
            return await provider.look_at_saving(row.saving_id)
        new = NewSaving(key=str(row.id), method=Method(row.method), return_url=row.return_url)
        return await provider.open_saving(new)

    async def _refused(self, row: Row[Any], code: str) -> None:
        if row.state == MandateState.ASKED:
            await self._write(row.id, state="failed", failure=code, action=None, look_again_at=None)
        else:
            await self._write(row.id, failure=code, look_again_at=None)

    async def _seen(self, row: Row[Any], said: ProviderSaving, now: datetime) -> None:
        if said.state is ProviderState.SUCCEEDED and said.saved_method:
            changes: dict[str, Any] = {
                "saving_id": said.id,
                "state": "active",
                "saved_method": said.saved_method,
                "active_from": now,
                "action": None,
                "failure": "",
                "look_again_at": None,
            }
        elif said.state is ProviderState.PENDING and now - row.asked_at < _PATIENCE:
            action = None if said.action is None else msgspec.to_builtins(said.action)
            changes = {"saving_id": said.id, "action": action, "look_again_at": now + LOOK_EVERY}
        else:
            why = said.failure or "expired"
            changes = {"state": "failed", "failure": why, "action": None, "look_again_at": None}
        await self._write(row.id, **changes)

    async def _write(self, mandate_id: UUID, **changes: Any) -> None:
        """The driver may have stopped it meanwhile: then only what was kept is taken note of, to be
        forgotten."""
        async with transaction(self._sessions) as session:
            mandate = await session.get_one(Mandate, mandate_id, with_for_update=True)
            if mandate.state == MandateState.STOPPED and changes.get("state"):
                changes = {key: changes[key] for key in ("saved_method", "saving_id") if key in changes}
            for name, value in changes.items():
                setattr(mandate, name, value)


async def _hear(session: AsyncSession, now: datetime) -> None:
    """What the provider told of methods being kept: their mandates are looked at now."""
    await session.execute(
        text(
            "with heard as (update provider_news set look_again_at = null where concerns = 'saving'"
            " and look_again_at <= :now returning provider, reference)"
            " update mandate m set look_again_at = :now from heard h where m.provider = h.provider"
            " and m.saving_id = h.reference and m.state = 'asked'"
        ),
        {"now": now},
    )

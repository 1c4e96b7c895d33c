"""Faults of guidance boards: opened where one has gone silent, closed when it asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import alone
from parking_cloud.operations.events import SIGN_FAULT
from parking_cloud.operations.models import SignFault
from parking_cloud.operations.schemas import SignFaultOut, SignFaultPage

_SETTLE = "settle faults of boards"


class SilentSign(msgspec.Struct, frozen=True, kw_only=True):
    """A board last heard at `last_heard`; None: never, though awaited since `registered_at`."""

    sign_id: UUID
    code: str
    name: str
    last_heard: datetime | None
    registered_at: datetime
    limit_s: int
    way: str


async def settle_sign_faults(
    session: AsyncSession, now: datetime, silent: Sequence[SilentSign], unsure: Set[UUID] = frozenset()
) -> None:
    """Open what is new; close the faults of boards that are heard again, or no longer awaited.

    Nothing is opened or closed of boards of which it is not sure whether they are silent.
    """
    await alone(session, _SETTLE)
    standing = set(await session.scalars(select(SignFault.sign_id).where(SignFault.closed_at.is_(None))))
    new = [board for board in silent if board.sign_id not in standing]
    faults = [
        SignFault(
            sign_id=board.sign_id, code=board.code, name=board.name, opened_at=now, evidence=_evidence(board)
        )
        for board in new
    ]
    session.add_all(faults)
    await session.flush()
    await _tell(session, [(f.sign_id, f.id) for f in faults], "opened", now)
    await close_sign_faults(
        session, dict.fromkeys(standing - {board.sign_id for board in silent} - unsure, now)
    )


async def close_sign_faults(session: AsyncSession, heard: Mapping[UUID, datetime]) -> None:
    """What was wrong with these boards' silence is over, each since then."""
    rows = await session.execute(
        text(
            "update sign_fault f set closed_at = greatest(n.at, f.opened_at)"
            " from unnest(cast(:signs as uuid[]), cast(:times as timestamptz[])) as n(sign_id, at)"
            " where f.sign_id = n.sign_id and f.closed_at is null returning f.sign_id, f.id, f.closed_at"
        ),
        {"signs": sorted(heard), "times": [heard[sign] for sign in sorted(heard)]},
    )
    for sign, fault, at in rows:
        await _tell(session, [(sign, fault)], "closed", at)


async def list_sign_faults(
    session: AsyncSession, *, closed: bool, before: UUID | None, limit: int
) -> SignFaultPage:
    """Faults of boards, newest first."""
    query = select(SignFault).order_by(SignFault.id.desc()).limit(limit + 1)
    query = query.where(SignFault.closed_at.is_not(None) if closed else SignFault.closed_at.is_(None))
    if before is not None:
        query = query.where(SignFault.id < before)
    faults = (await session.scalars(query)).all()
    items = [
        SignFaultOut(
            id=fault.id,
            sign_id=fault.sign_id,
            code=fault.code,
            name=fault.name,
            opened_at=fault.opened_at,
            closed_at=fault.closed_at,
            evidence=fault.evidence,
        )
        for fault in faults[:limit]
    ]
    return SignFaultPage(items, items[-1].id if len(faults) > limit else None)


def _evidence(board: SilentSign) -> dict[str, Any]:
    heard = board.last_heard
    return {
        "last_heard": None if heard is None else heard.isoformat(),
        "registered_at": board.registered_at.isoformat(),
        "limit_s": board.limit_s,
        "way": board.way,
    }


async def _tell(session: AsyncSession, faults: Sequence[tuple[UUID, UUID]], state: str, at: datetime) -> None:
    messages = [
        (str(sign), {"fault": str(fault), "condition": "silent", "state": state, "at": at.isoformat()})
        for sign, fault in faults
    ]
    await outbox.add_many(session, SIGN_FAULT, messages)

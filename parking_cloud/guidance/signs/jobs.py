"""The worker's regular deeds for boards: remember what is full, and say which boards no longer ask."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.signs.listening import listening
from parking_cloud.guidance.signs.models import Sign, SignState
from parking_cloud.guidance.signs.reading import judge, load_boards, numbers_of
from parking_cloud.guidance.signs.rules import SILENT_AFTER, Way, is_at_fault
from parking_cloud.operations.signs import SilentSign, settle_sign_faults


async def remember_full(session: AsyncSession, now: datetime) -> None:
    """Which rows are full, for all processes alike; every two seconds.

    Each would else remember it by itself, and a board that asks one and then the other would flicker.
    """
    boards = await load_boards(session)
    numbers = await numbers_of(session, boards, now)
    judged = [(line, judge(board, line, numbers, now)) for board in boards for line in board.lines]
    changed = [(line.id, found.full) for line, found in judged if found.full != line.was_full]
    if changed:
        await session.execute(
            text(
                "update sign_row r set was_full = n.was_full from unnest(cast(:ids as uuid[]),"
                " cast(:full as bool[])) as n(id, was_full) where r.id = n.id"
            ),
            {"ids": [id_ for id_, _ in changed], "full": [full for _, full in changed]},
        )


async def judge_signs(session: AsyncSession, now: datetime) -> None:
    """A board that has not asked, or acknowledged, for two minutes is a fault; every thirty seconds.

    After an outage of ours boards have two minutes again; what stood before stands until they are heard.
    """
    rows = await session.execute(
        select(Sign.id, Sign.code, Sign.name, Sign.way, Sign.registered_at, SignState.heard_at)
        .join(SignState, SignState.sign_id == Sign.id)
        .where(Sign.active)
    )
    ways = await listening(session)
    silent, unsure = [], set()
    for row in rows:
        at_fault = is_at_fault(row.heard_at, row.registered_at, ways.get(Way(row.way)), now)
        if at_fault is None:
            unsure.add(row.id)
        if at_fault:
            silent.append(_silent(row))
    await settle_sign_faults(session, now, silent, unsure)


def _silent(row: Any) -> SilentSign:
    return SilentSign(
        sign_id=row.id,
        code=row.code,
        name=row.name,
        last_heard=row.heard_at,
        registered_at=row.registered_at,
        limit_s=round(SILENT_AFTER.total_seconds()),
        way=Way(row.way),
    )

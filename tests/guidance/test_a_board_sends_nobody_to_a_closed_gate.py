"""Boards count what lets drivers in now: not what is closed at this hour, nor what is for who has booked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.signs.reading import load_boards, numbers_of, show
from parking_cloud.guidance.signs.schemas import RowIn
from tests.factories import load_small_city
from tests.guidance.sign_parts import count, hang
from tests.sharing.parts import FRIDAY_NOON, city, hall

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN = city("2026-11-20 19:00")
DISTRICT = RowIn(label="吴兴区", district="吴兴区")
HALL = RowIn(label="市民中心", facilities=["hall"])


async def values(session: AsyncSession, now: datetime) -> list[str]:
    """What the board's rows say, when everything was counted a minute before."""
    at = now - timedelta(minutes=1)
    await count(session, "garage", 40, at)
    await count(session, "hall", 9, at)
    boards = await load_boards(session)
    (body,) = [show(board, await numbers_of(session, boards, now), now).body for board in boards]
    rows: list[dict[str, Any]] = msgspec.json.decode(body)["rows"]
    return [row["value"] for row in rows]


async def put_in_district(session: AsyncSession, **of: str) -> None:
    for code, hours in of.items():
        await session.execute(
            text(
                "update facility set district = '吴兴区', counting = 'counter', opening_hours = :hours"
                " where code = :code"
            ),
            {"code": code, "hours": hours},
        )
    await session.commit()


async def test_a_district_counts_what_is_booked_only_while_anybody_may_walk_in(session: AsyncSession) -> None:
    await load_small_city(session)
    await hall(session, spaces=10, walk_in=True)
    await put_in_district(session, garage="", hall="")
    await hang(session, FRIDAY_NOON, rows=[DISTRICT, HALL])
    assert await values(session, FRIDAY_NOON) == ["40", "9"]
    assert await values(session, SEVEN) == ["49", "9"]
    await session.execute(text("update sharing_plan set walk_in = false"))
    assert await values(session, SEVEN) == ["40", "9"]


async def test_what_is_closed_at_this_hour_is_not_counted(session: AsyncSession) -> None:
    await load_small_city(session)
    await hall(session, spaces=10, walk_in=False)
    await put_in_district(session, garage="07:00-18:00", hall="")
    garage = RowIn(label="爱山广场", facilities=["garage"])
    await hang(session, FRIDAY_NOON, rows=[DISTRICT, garage, HALL])
    assert await values(session, FRIDAY_NOON) == ["40", "40", "9"]
    assert await values(session, SEVEN) == ["关闭", "关闭", "9"]

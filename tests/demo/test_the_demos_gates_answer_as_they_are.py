"""The demo's gates: most answer, some are slow, away or full; and three months were published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.demo.gates import ensure_gates, ensure_months
from parking_cloud.demo.outside import Inbox, create_outside
from parking_cloud.gates.allow_list_push import ListDesk
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.sharing.use import published_month, published_months
from tests.factories import NOON
from tests.gates.lists import given, local, state
from tests.sharing.parts import hall
from tests.stays.parts import VAULT

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


@pytest.fixture
async def gates(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_outside(Inbox(tmp_path / "inbox"), "a key of this test")
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


@pytest.mark.parametrize(
    ("mood", "expected"), [("well", "acknowledged"), ("away", "told"), ("full", "refused")]
)
async def test_each_by_its_mood(
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    settings: Settings,
    gates: httpx.AsyncClient,
    tmp_path: Path,
    mood: str,
    expected: str,
) -> None:
    facility = await hall(session)
    stated = FacilityIn(
        code="hall",
        name="",
        kind="institution",
        counting="spaces",
        capacity=1,
        operator_code="op",
        institution_code="i",
    )
    await ensure_gates(session, [stated], "http://127.0.0.1:8090", NOON)
    await session.execute(
        text("update gate_allow_list set url = replace(url, 'well', :mood)"), {"mood": mood}
    )
    await session.commit()
    pass_id = await given(session, facility)
    await ListDesk(sessions, gates, local(settings), VAULT, FixedClock(NOON)).turn()
    assert await state(session, pass_id) == expected
    assert all("E12345" not in str(each) for each in Inbox(tmp_path / "inbox").newest())


async def test_three_months_are_there_once_and_say_that_they_are_invented(session: AsyncSession) -> None:
    await hall(session, spaces=10)
    for _ in range(2):
        await ensure_months(session, NOON)
    months = await published_months(session)
    assert [str(month) for month, _ in months] == ["2026-08-01", "2026-09-01", "2026-10-01"]
    newest = await published_month(session, None)
    assert newest is not None
    assert (newest.use.synthetic, newest.use.city.opened) == (True, 10)

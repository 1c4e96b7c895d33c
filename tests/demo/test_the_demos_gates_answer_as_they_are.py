"""The demo's gates: most answer, some are slow, away or full; and three months were published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.demo.gates import ensure_gates, ensure_looks, ensure_months
from parking_cloud.demo.outside import Inbox, create_outside
from parking_cloud.gates.allow_list_push import ListDesk
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.sharing.use import month_use, published_month, published_months, taken_spaces_of
from tests.factories import NOON
from tests.gates.lists import given, local, state
from tests.sharing.parts import hall
from tests.stays.parts import VAULT
from tests.tariffs.parts import city

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


async def test_the_present_months_spaces_were_looked_at_until_yesterday(session: AsyncSession) -> None:
    facility = await hall(session, spaces=10)
    now = city("2026-11-26 09:00")
    for _ in range(2):
        await ensure_looks(session, now)
    use = (await month_use(session, date(2026, 11, 1), now)).city
    # 18 workdays from 18:30 to 8:00 and 7 days off, as far as they lie before the last noon.
    assert (use.opened, use.open_hours) == (10, pytest.approx(10 * (18 * 13.5 + 7 * 24), rel=0.05))
    assert use.taken == len((await taken_spaces_of(session, [facility], now)).get(facility, []))


async def test_three_months_are_there_once_and_say_that_they_are_invented(session: AsyncSession) -> None:
    await hall(session, spaces=10)
    for _ in range(2):
        await ensure_months(session, NOON)
    months = await published_months(session)
    assert [str(month) for month, _ in months] == ["2026-08-01", "2026-09-01", "2026-10-01"]
    newest = await published_month(session, None)
    assert newest is not None
    assert (newest.use.synthetic, newest.use.city.opened) == (True, 10)

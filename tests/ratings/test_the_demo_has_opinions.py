"""The demo's residents rate by the ways that everybody takes, and owe nothing for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.demo.city import build_city
from parking_cloud.demo.opinions import ORDINARY_SPACE, chosen, ensure_opinions
from parking_cloud.demo.tariffs import ensure_tariffs
from parking_cloud.payments.charging import assess_stay
from parking_cloud.ratings import ranking
from parking_cloud.ratings.desk import to_screen
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import RegistryBatch
from tests.stays.parts import KEY

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


async def test_rankings_have_something_to_show_and_nobody_owes(session: AsyncSession) -> None:
    city = build_city()
    facilities = chosen(city.facilities)
    codes = {facility.code for facility in facilities}
    spaces = [s for s in city.spaces if s.facility_code in codes and s.number == ORDINARY_SPACE]
    await import_batch(
        session,
        RegistryBatch(
            operators=city.operators, institutions=city.institutions, facilities=facilities, spaces=spaces
        ),
    )
    await ensure_tariffs(session, facilities)
    await ensure_opinions(session, city.facilities, KEY, NOW)
    await session.commit()
    past = await ranking.ranking_of(session, "2026Q3")
    now = await ranking.standing(session, NOW)
    for shown in (past, now):
        assert [line.rank for line in shown.lines] == [1, 2, 3]
    assert await to_screen(session, NOW, 10), "one is held, so that the desk has something to do"
    stays = list(await session.scalars(text("select id from stay order by entered_at")))
    for stay in stays[::80]:
        await assess_stay(session, stay, NOW)
    assert await session.scalar(text("select max(amount) from charge")) == 0
    ratings = await session.scalar(text("select count(*) from rating"))
    await ensure_opinions(session, city.facilities, KEY, NOW)
    assert await session.scalar(text("select count(*) from rating")) == ratings

"""What people type finds districts, roads and facilities; what is no name finds nothing."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.searching import search
from tests.factories import load_small_city

ROADS = [("road", "吴兴至德清"), ("road", "吴兴至长兴"), ("road", "吴兴至安吉")]
pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def found(session: AsyncSession, words: str, limit: int = 8) -> list[tuple[str, str]]:
    return [(place.kind, place.name) for place in (await search(session, words, limit)).items]


async def test_what_people_type_finds_places(session: AsyncSession) -> None:
    await load_small_city(session)
    assert await found(session, "吴兴") == [("district", "吴兴区"), ("road", "吴兴至南浔"), *ROADS]
    assert await found(session, " WUXING ") == [("district", "吴兴区")]
    assert await found(session, "红旗路") == [("road", "红旗路"), ("facility", "红旗路路段")]
    assert await found(session, "爱山") == [("facility", "爱山广场停车库")]
    assert len(await found(session, "路", limit=3)) == 3


@pytest.mark.parametrize("words", ["", "  ", "%", "_", "\\", "没有这个地方"])
async def test_what_is_no_name_finds_nothing(session: AsyncSession, words: str) -> None:
    await load_small_city(session)
    assert await found(session, words) == []

"""The boards' pages: every board by level, one with its rules, and a picture of where they hang."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.driver.signs_map import draw
from parking_cloud.guidance.signs.rules import Level
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.guidance.sign_parts import count, hang
from tests.serving import client_of

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[AsyncTestClient[Any]]:
    await load_small_city(session)
    await hang(session, NOW)
    await hang(session, NOW, code="E1", level=Level.ENTRANCE, facing=90)
    await count(session, "garage", 40, NOW)
    async with client_of(settings, FixedClock(NOW)) as client:
        yield client


@pytest.mark.stack
@pytest.mark.anyio
async def test_pages_show_what_the_boards_show(client: AsyncTestClient[Any]) -> None:
    every = await client.get("/signs")
    assert every.status_code == 200
    assert re.findall(r'data-code="(\w+)"', every.text) == ["B1", "E1"]
    assert every.text.count("←爱山广场        40") == 2
    one = await client.get("/signs/E1?lang=en")
    assert "facing 90°" in one.text
    assert "Below 3 it says" in one.text
    assert 'href="/signs/E1"' in one.text
    gone = await client.get("/signs/X9")
    assert (gone.status_code, "没有这块诱导屏" in gone.text) == (404, False), "the language is kept"
    assert "There is no such board" in gone.text


def test_the_picture_has_every_board_on_it() -> None:
    boards = [("a", 1, 30.87, 120.03, None), ("b", 2, 30.86, 120.11, 90), ("c", 3, 30.94, 120.10, 0)]
    picture = draw(boards, least_m=1_000)
    assert [dot.code for dot in picture.dots] == ["a", "b", "c"]
    for dot in picture.dots:
        assert 0 < dot.x < picture.width
        assert 0 < dot.y < picture.height
    a, b, c = picture.dots
    assert a.x < c.x < b.x, "east is to the right"
    assert c.y < a.y < b.y, "north is up"
    assert picture.roads
    assert picture.districts
    alone = draw(boards[:1], least_m=1_000).dots[0]
    assert (alone.x, alone.y) == (picture.width / 2, picture.height / 2)

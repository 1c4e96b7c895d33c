"""Staff register, change and retire boards on a page; what is wrong is said, and nothing is half saved."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.guidance.signs.jobs import judge_signs
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.guidance.sign_parts import hang, listened, signed_in
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
TYPED = {
    "code": "N1",
    "name": "新屏",
    "level": "2",
    "way": "poll",
    "lat": "30.87",
    "lon": "120.1",
    "facing": "",
    "full_below": "3",
    "open_again_at": "5",
    "blank_after_s": "1800",
    "digits": "4",
    "columns": "20",
    "brightness": "80",
    "label_0": "爱山广场",
    "arrow_0": "left",
    "shows_0": "number",
    "facilities_0": "garage street",
    "district_0": "",
    "label_1": " ",
}


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[AsyncTestClient[Any]]:
    await load_small_city(session)
    async with client_of(settings, FixedClock(NOW)) as client:
        client.headers.update(signed_in(settings, Role.CITY_ADMINISTRATOR, NOW))
        yield client


async def test_a_board_is_registered_changed_and_retired(
    session: AsyncSession, client: AsyncTestClient[Any]
) -> None:
    assert (await client.get("/console/signs/new")).status_code == 200
    made = await client.post("/console/signs", data=TYPED)
    (key,) = re.findall(r'class="key">([^<]+)<', made.text)
    assert (await client.get("/v1/signs/N1", headers={"X-Sign-Key": key})).json()["rows"][0][
        "label"
    ] == "爱山广场"
    form = (await client.get("/console/signs/N1?lang=en")).text
    assert 'value="garage street"' in form
    changed = await client.post("/console/signs/N1", data=TYPED | {"name": "改名", "facing": "90"})
    assert (changed.status_code, "改名" in changed.text) == (200, True)
    assert key not in changed.text
    renewed = await client.post("/console/signs/N1/key")
    assert re.findall(r'class="key">([^<]+)<', renewed.text) != [key]
    retired = await client.post("/console/signs/N1/retire")
    assert "out of use" in retired.text
    assert (await client.get("/v1/signs/N1")).status_code == 404


async def test_what_is_wrong_is_said_and_nothing_is_saved(
    session: AsyncSession, client: AsyncTestClient[Any]
) -> None:
    await hang(session, NOW)
    cases = {
        "no garage": TYPED | {"facilities_0": "garage nowhere"},
        "taken": TYPED | {"code": "B1"},
        "no rows": TYPED | {"label_0": ""},
        "no number": TYPED | {"lat": "north"},
        "thresholds": TYPED | {"open_again_at": "1"},
    }
    for name, typed in cases.items():
        answer = await client.post("/console/signs", data=typed)
        assert answer.status_code in (409, 422), name
        assert 'role="alert"' in answer.text
        assert 'value="新屏"' in answer.text, "what was typed is still there"
    wrong = await client.post("/console/signs/B1", data=TYPED | {"facilities_0": "nowhere"})
    assert wrong.status_code == 422
    assert await session.scalar(text("select count(*) from sign")) == 1
    assert await session.scalar(text("select count(*) from sign_row")) == 2, "its lines are as they were"


async def test_silent_boards_stand_on_the_health_page(
    settings: Settings, session: AsyncSession, client: AsyncTestClient[Any]
) -> None:
    await hang(session, NOW - timedelta(hours=1))
    await listened(session, NOW)
    await judge_signs(session, NOW)
    await session.commit()
    assert 'data-sign="B1"' in (await client.get("/console/health")).text
    listed = (await client.get("/console/signs")).text
    assert 'data-state="silent"' in listed
    client.headers.update(signed_in(settings, Role.AUDITOR, NOW))
    seen = (await client.get("/console/signs")).text
    assert 'data-sign="B1"' in seen
    assert "/console/signs/new" not in seen
    client.headers.update(signed_in(settings, Role.DRIVER, NOW))
    assert "data-sign" not in (await client.get("/console/signs")).text

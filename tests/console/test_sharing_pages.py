"""The sharing pages: who sees which, and that they show what is planned, booked and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.console.sharing_chart import BAR, draw
from parking_cloud.console.sharing_texts import SHARING_TEXTS
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing import closing
from parking_cloud.sharing.rule import ensure_rule
from parking_cloud.sharing.schemas import ClosingIn
from parking_cloud.sharing.times import Span
from tests.payments.parts import KEY
from tests.serving import client_of
from tests.sharing.parts import CHIEF, FRIDAY_NOON, hall, owner, pays
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]


@pytest.fixture
async def client(settings: Settings, redis: Redis) -> AsyncIterator[Client]:
    with_key = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(with_key, FixedClock(FRIDAY_NOON)) as client:
        yield client


def as_(settings: Settings, who: Identity) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, FRIDAY_NOON)}"}


async def test_a_manager_sees_their_own(settings: Settings, session: AsyncSession, client: Client) -> None:
    facility = await hall(session, spaces=2)
    await hall(session, code="other")
    await ensure_rule(session)
    li = await owner(session)
    seven, nine = city("2026-11-20 19:00"), city("2026-11-20 21:00")
    await pays(session, await li.books(session, seven, nine), FRIDAY_NOON)
    shut = ClosingIn(starts_at=city("2026-11-25 00:00"), ends_at=city("2026-11-26 00:00"), reason="消防演练")
    await closing.close(session, CHIEF, facility, shut, FRIDAY_NOON)
    await session.commit()
    institution = await session.scalar(
        text("select institution_id from facility where id = :id"), {"id": facility}
    )
    manager = as_(
        settings,
        Identity(
            user_id=CHIEF.user_id, username="m", role=Role.INSTITUTION_MANAGER, institution_id=institution
        ),
    )
    listed = await client.get("/console/sharing", headers=manager)
    assert listed.text.count("data-plan=") == 1
    assert (await client.get("/console/sharing", headers=as_(settings, CHIEF))).text.count("data-plan=") == 2
    for language, words in SHARING_TEXTS.items():
        page = await client.get(f"/console/sharing/{facility}", params={"lang": language}, headers=manager)
        assert page.status_code == 200
        assert "消防演练" in page.text
        assert words["confirmed"] in page.text
        assert page.text.count('class="booked"') == 1
        assert page.text.count('class="window"') == 4  # the three, and the one that new ones are made from
        assert words["unknown"].format(day="2027-01-01") in page.text.replace("&#39;", "'")
        assert "12345" not in page.text
    other = await session.scalar(text("select id from facility where code = 'other'"))
    door = await client.get(f"/console/sharing/{other}", headers=manager, follow_redirects=False)
    assert (door.status_code, door.headers["location"]) == (303, "/console")
    door = await client.get("/console/sharing", headers=as_(settings, li.who), follow_redirects=False)
    assert door.status_code == 303


def test_the_picture_joins_what_is_alike() -> None:
    at = [city(f"2026-11-20 {hour}") for hour in ("19:00", "19:30", "20:00", "20:30")]
    parts = [(Span(a, b), share) for a, b, share in zip(at, at[1:], (0.0, 0.5, 0.5), strict=False)]
    picture = draw(parts, at[0].date(), 2, "zh-CN")
    assert [(bar.words, bar.booked) for bar in picture.days[0].bars] == [
        ("19:00–19:30 · 0%", 0),
        ("19:30–20:30 · 50%", BAR / 2),
    ]
    assert picture.days[0].open_times == "19:00–20:30"
    assert picture.days[1].bars == []

"""The pages: a driver rates by a form that needs no script; everybody reads rankings and scores."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import ranking
from parking_cloud.ratings.schemas import RatingIn
from parking_cloud.ratings.scoring import make_scores
from tests.arrears.parts import CHIEF
from tests.payments.parts import minute, priced_garage
from tests.ratings.parts import holder, rated, staff, stayed, voted
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
Client = AsyncTestClient[Any]


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


@pytest.fixture
async def client(settings: Settings, redis: object) -> AsyncIterator[Client]:
    async with client_of(settings, FixedClock(minute(200))) as client:
        yield client


def cookie(settings: Settings, who: Identity) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, minute(200))}"}


async def test_a_stay_is_rated_by_the_form(
    settings: Settings, session: AsyncSession, client: Client, garage: UUID
) -> None:
    who = await holder(session, since=minute(0))
    stay = await stayed(session, garage)
    mine = cookie(settings, who)
    form = (await client.get(f"/rate/{stay}", headers=mine)).text
    assert form.count('type="radio"') == 5 * 6
    assert form.count("<legend>") == 5
    assert form.count('type="checkbox"') == 1
    assert "checked" not in form.partition('type="checkbox"')[2].partition(">")[0]
    assert "<script" not in form.replace('<script type="module" src="/assets/v/', "")
    empty = await client.post(f"/rate/{stay}", data={"text": "还行"}, headers=mine)
    assert empty.status_code == 422
    assert "还行" in empty.text
    said = {"finding": "5", "price": "2", "text": "浙E12345 挡路", "agree": "yes"}
    done = await client.post(f"/rate/{stay}", data=said, headers=mine, follow_redirects=True)
    assert "谢谢" in done.text
    assert "正由工作人员查看" in done.text
    changed = await client.post(f"/rate/{stay}", data={"finding": "1"}, headers=mine, follow_redirects=True)
    assert "不能再修改" in changed.text
    assert await session.scalar(text("select finding from rating")) == 1
    again = await client.post(f"/rate/{stay}", data={"finding": "4"}, headers=mine)
    assert again.status_code == 409


async def test_who_is_not_signed_in_is_led_to_the_door(client: Client, garage: UUID) -> None:
    stay = uuid4()
    for answer in (
        await client.get(f"/rate/{stay}", follow_redirects=False),
        await client.post(f"/rate/{stay}", data={"price": "1"}, follow_redirects=False),
    ):
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/sign-in?next=/rate/{stay}"


async def test_anothers_stay_is_refused_in_words(
    settings: Settings, session: AsyncSession, client: Client, garage: UUID
) -> None:
    who = await holder(session, since=minute(100))
    stay = await stayed(session, garage)
    page = await client.get(f"/rate/{stay}?lang=en", headers=cookie(settings, who))
    assert page.status_code == 404
    assert "There is no such stay" in page.text
    assert "爱山广场停车库" not in page.text


async def test_everybody_reads_where_each_point_comes_from(
    session: AsyncSession, client: Client, garage: UUID
) -> None:
    assert (await client.get("/quality")).status_code == 200
    await voted(session, garage, [5] * 200 + [3] * 150, minute(0))
    await make_scores(session, minute(100))
    await ranking.make_standing(session, minute(100))
    await session.commit()
    page = (await client.get("/quality?lang=en")).text
    assert "No. 1" in page
    assert "On trial" in page
    assert "CSV" not in page
    (link,) = re.findall(r'href="(/quality/facilities/[^"]+)"', page)
    facility = (await client.get(link)).text
    points = re.findall(r">(\d+\.\d) of \d+\.\d<", facility)
    (value,) = re.findall(r'class="big"><b>(\d+\.\d)</b>', facility)
    assert round(sum(map(float, points)), 1) == float(value)
    assert (await client.get("/quality/facilities/nowhere")).status_code == 404


async def test_a_quarter_that_is_over_is_shown_with_its_files(
    settings: Settings, session: AsyncSession, garage: UUID
) -> None:
    await voted(session, garage, [4] * 400, minute(0))
    after = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
    await make_scores(session, after)
    assert await ranking.make_due(session, after) == 1
    await session.commit()
    async with client_of(settings, FixedClock(after + timedelta(hours=1))) as client:
        page = (await client.get("/quality?quarter=2026Q4")).text
    assert "不再更改" in page
    assert "/v1/quality/rankings/2026Q4/export/csv" in page


async def test_the_city_and_an_operator_do_their_part_at_the_console(
    settings: Settings, session: AsyncSession, client: Client, garage: UUID
) -> None:
    who = await holder(session, since=minute(0))
    held = await rated(session, who, garage, RatingIn(staff=1, text="骗子，电话13812345678", agree=True))
    shown = await rated(session, who, garage, RatingIn(price=2, text="价格牌看不清", agree=True), at=70)
    await make_scores(session, minute(190))
    operators = await staff(session)
    city, own = cookie(settings, CHIEF), cookie(settings, operators)
    page = (await client.get("/console/ratings", headers=city)).text
    assert "骗子，＊＊＊" in page.replace("电话", "")
    hide = {"state": "hidden", "reason": "辱骂他人"}
    done = await client.post(f"/console/ratings/{held.id}/decision", data=hide, headers=city)
    assert "已隐藏" in done.text
    page = (await client.get("/console/ratings?lang=en", headers=own)).text
    assert "价格牌看不清" in page
    assert "13812345678" not in page
    wrong = await client.post(
        f"/console/ratings/{shown.id}/answer", data={"text": "请联系 13812345678"}, headers=own
    )
    assert "Not valid" in wrong.text
    done = await client.post(f"/console/ratings/{shown.id}/answer", data={"text": "已换新牌"}, headers=own)
    assert "The answer is shown" in done.text
    assert "已换新牌" in (await client.get("/quality/facilities/garage")).text

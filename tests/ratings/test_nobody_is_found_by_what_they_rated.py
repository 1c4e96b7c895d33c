"""Everybody reads what drivers say, and nobody learns who said it, nor when they were there."""

from __future__ import annotations

import json
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import Purpose
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings.desk import to_answer
from parking_cloud.ratings.reading import ratings_of
from parking_cloud.ratings.schemas import RatingIn
from parking_cloud.ratings.scoring import make_scores
from tests.payments.parts import minute, priced_garage
from tests.ratings.parts import A_DAY, holder, rated, voted
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


async def test_few_ratings_in_a_month_are_of_no_month(session: AsyncSession, garage: UUID) -> None:
    who = await holder(session, since=minute(0))
    for at in (0, 100):
        await rated(session, who, garage, RatingIn(price=3, text=f"第{at}次", agree=True), at)
    seen = await ratings_of(session, "garage", 0, minute(A_DAY))
    assert [rating.month for rating in seen.items] == [None, None]
    await rated(session, who, garage, RatingIn(price=3, text="又来", agree=True), 200)
    await rated(session, who, garage, RatingIn(price=3, text="下月", agree=True), 20 * A_DAY)
    seen = await ratings_of(session, "garage", 0, minute(30 * A_DAY))
    assert [rating.month for rating in seen.items] == ["2026-11"] * 3 + [None]
    assert seen.items[-1].text == "下月"


async def test_what_is_held_is_read_by_nobody_and_counts(session: AsyncSession, garage: UUID) -> None:
    who = await holder(session, since=minute(0))
    await rated(session, who, garage, RatingIn(price=1, text="收费员是骗子", agree=True))
    seen = await ratings_of(session, "garage", 0, minute(A_DAY))
    assert (seen.count, seen.items) == (1, [])


async def test_the_public_answer_has_no_name_and_no_time(
    settings: Settings, session: AsyncSession, garage: UUID
) -> None:
    who = await holder(session, "zhang-san", since=minute(0))
    for at in (0, 100, 200):
        await rated(session, who, garage, RatingIn(price=4, text="不错", agree=True), at)
    await voted(session, garage, [4, 5, 3], minute(300))
    await make_scores(session, minute(400))
    await session.commit()
    async with client_of(msgspec.structs.replace(settings)) as client:
        answer = await client.get("/v1/facilities/garage/ratings")
        missing = await client.get("/v1/facilities/nowhere/ratings")
    body = answer.json()
    assert (answer.status_code, missing.status_code) == (200, 404)
    assert body["count"] == 6
    assert body["means"].keys() == {"finding", "number", "price", "payment", "staff"}
    for item in body["items"]:
        assert item.keys() == {"id", "marks", "text", "language", "month", "answer"}
        assert UUID(item["id"]).version == 4, "a time-ordered id would tell when it was written"
    assert "zhang-san" not in json.dumps(body)
    assert str(who.user_id) not in json.dumps(body)


async def test_words_are_read_while_their_writer_lets_them(session: AsyncSession, garage: UUID) -> None:
    li = await holder(session, since=minute(0))
    await rated(session, li, garage, RatingIn(finding=5, text="指路牌很清楚", agree=True))
    seen = await ratings_of(session, "garage", 0, minute(A_DAY))
    assert [item.text for item in seen.items] == ["指路牌很清楚"]
    await consents.withdraw(session, li.user_id, Purpose.RATING, minute(A_DAY))
    seen = await ratings_of(session, "garage", 0, minute(A_DAY))
    assert (seen.items, seen.count) == ([], 1)


async def test_a_later_consent_brings_back_nothing_that_was_withdrawn(
    session: AsyncSession, garage: UUID
) -> None:
    li = await holder(session, since=minute(0))
    await rated(session, li, garage, RatingIn(staff=1, text="第一次很差", agree=True))
    await consents.withdraw(session, li.user_id, Purpose.RATING, minute(80))
    assert await to_answer(session, None, minute(90), 10) == []
    await rated(session, li, garage, RatingIn(staff=2, text="没有同意公开"), at=100)
    assert (await ratings_of(session, "garage", 0, minute(170))).items == []
    await rated(session, li, garage, RatingIn(staff=3, text="第三次", agree=True), at=200)
    seen = await ratings_of(session, "garage", 0, minute(A_DAY))
    assert [item.text for item in seen.items] == ["第三次"]
    assert [item.published for item in await to_answer(session, None, minute(A_DAY), 10)] == ["第三次"]


async def test_newer_words_agreed_to_are_no_break(session: AsyncSession, garage: UUID) -> None:
    li = await holder(session, since=minute(0))
    await rated(session, li, garage, RatingIn(staff=1, text="很差", agree=True))
    await session.execute(
        text("insert into consent_text select purpose, 2, texts from consent_text where purpose = 'rating'")
    )
    await consents.give(session, li.user_id, Purpose.RATING, 2, minute(90))
    assert len((await ratings_of(session, "garage", 0, minute(A_DAY))).items) == 1
    await session.rollback()

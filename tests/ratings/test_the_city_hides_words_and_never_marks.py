"""Held texts wait for the city; operators answer what everybody reads, once; hiding is told to the author."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.notices.service import notices_of
from parking_cloud.ratings import desk, drivers, reading
from parking_cloud.ratings.formulas import formula_for
from parking_cloud.ratings.inputs import gather
from parking_cloud.ratings.problems import (
    AlreadyReported,
    AnswerFinal,
    NoMoreChanges,
    NothingToAnswer,
    ReasonMissing,
    TextTellsOfPeople,
)
from parking_cloud.ratings.schemas import AnswerIn, DecisionIn, Question, RatingIn, ReportIn
from tests.arrears.parts import CHIEF
from tests.payments.parts import minute, priced_garage
from tests.ratings.parts import ALL_FIVE, holder, rated, staff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
NOW = minute(100)


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


@pytest.fixture
async def who(session: AsyncSession, garage: UUID) -> Identity:
    return await holder(session, since=minute(0))


async def test_a_held_text_is_shown_masked_by_the_citys_word(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    rating = await rated(session, who, garage, RatingIn(staff=1, text="浙E88888 挡着出口", agree=True))
    assert rating.state == "screened"
    (held,) = await desk.to_screen(session, NOW, 10)
    assert (held.found, held.published) == (["plate"], "＊＊＊ 挡着出口")
    await desk.decide(session, CHIEF, rating.id, DecisionIn(state="shown"), NOW)
    assert await desk.to_screen(session, NOW, 10) == []
    (read,) = (await reading.ratings_of(session, "garage", 0, NOW)).items
    assert read.text == "＊＊＊ 挡着出口"
    with pytest.raises(NoMoreChanges):
        await drivers.change(session, who.user_id, rating.id, ALL_FIVE, NOW)


async def test_hidden_with_a_reason_that_the_author_is_told_and_the_marks_count(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    rating = await rated(session, who, garage, RatingIn(staff=1, text="收费员是白痴", agree=True))
    with pytest.raises(ReasonMissing):
        await desk.decide(session, CHIEF, rating.id, DecisionIn(state="hidden"), NOW)
    hide = DecisionIn(state="hidden", reason="辱骂他人")
    await desk.decide(session, CHIEF, rating.id, hide, NOW)
    (mine,) = await drivers.my_ratings(session, who.user_id, NOW, 10)
    assert (mine.state, mine.reason) == ("hidden", "辱骂他人")
    told = await notices_of(session, who.user_id, language="zh-CN", before=None, limit=10)
    assert any("辱骂他人" in notice.body for notice in told.items)
    formula = (await formula_for(session, NOW.date())).formula
    assert (await gather(session, formula, NOW))[garage].votes[Question.STAFF].total == 1
    audited = await session.scalars(text("select action from audit_entry where subject_type = 'rating'"))
    assert list(audited) == ["ratings.hidden"]


async def test_anybody_reports_once_and_the_city_looks(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    rating = await rated(session, who, garage, RatingIn(staff=1, text="老板姓王，住三楼", agree=True))
    attendant = await staff(session)
    await desk.report(session, attendant, rating.id, ReportIn(reason="说的是私人住处"), NOW)
    (waits,) = await desk.to_screen(session, NOW, 10)
    assert waits.reported_why == "说的是私人住处"
    with pytest.raises(AlreadyReported):
        await desk.report(session, who, rating.id, ReportIn(reason="再举报一次"), NOW)
    await desk.decide(session, CHIEF, rating.id, DecisionIn(state="shown"), NOW + timedelta(minutes=1))
    assert await desk.to_screen(session, NOW, 10) == []


async def test_an_operator_answers_once_and_may_correct_it_for_a_day(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    rating = await rated(session, who, garage, RatingIn(price=2, text="价格牌看不清", agree=True))
    attendant = await staff(session)
    (asked,) = await desk.to_answer(session, attendant.operator_id, NOW, 10)
    assert asked.may_answer
    await desk.answer(session, attendant, rating.id, AnswerIn(text="已换新牌"), NOW)
    corrected = AnswerIn(text="已换上新的价格牌")
    await desk.answer(session, attendant, rating.id, corrected, NOW + timedelta(hours=23))
    with pytest.raises(AnswerFinal):
        await desk.answer(session, attendant, rating.id, corrected, NOW + timedelta(hours=25))
    (mine,) = await drivers.my_ratings(session, who.user_id, NOW, 10)
    assert mine.answer is not None
    assert mine.answer.text == "已换上新的价格牌"
    told = await notices_of(session, who.user_id, language="en", before=None, limit=10)
    assert [notice.kind for notice in told.items].count("rating_answered") == 1


async def test_what_may_not_be_answered(session: AsyncSession, garage: UUID, who: Identity) -> None:
    held = await rated(session, who, garage, RatingIn(price=2, text="骗子", agree=True))
    silent = await rated(session, who, garage, RatingIn(price=2), at=200)
    shown = await rated(session, who, garage, RatingIn(price=2, text="偏贵", agree=True), at=400)
    attendant = await staff(session)
    for rating in (held, silent):
        with pytest.raises(NothingToAnswer):
            await desk.answer(session, attendant, rating.id, AnswerIn(text="谢谢"), NOW)
    with pytest.raises(TextTellsOfPeople):
        await desk.answer(session, attendant, shown.id, AnswerIn(text="浙E12345 的车主您好"), NOW)
    for other in (
        CHIEF,
        Identity(user_id=who.user_id, username="x", role=attendant.role, operator_id=garage),
    ):
        with pytest.raises(NotAllowed):
            await desk.answer(session, other, shown.id, AnswerIn(text="谢谢"), NOW)

"""Scores are made of what the platform knows, once a night; each past one can be worked out again."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.series import Sample, record
from parking_cloud.ratings import service
from parking_cloud.ratings.formulas import FormulaIn, add_formula, formula_for
from parking_cloud.ratings.inputs import gather, note_data_days
from parking_cloud.ratings.rules import Measured
from parking_cloud.ratings.schemas import Fact
from parking_cloud.ratings.scoring import make_scores, nightly
from tests.arrears.parts import CHIEF
from tests.payments.parts import minute, priced_garage
from tests.ratings.parts import A_DAY, facility, voted
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
NOW = minute(2 * A_DAY)


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


async def reconciled(session: AsyncSession, place: UUID, hours: int, counted: int, derived: int) -> None:
    await session.execute(
        text("insert into facility_reconciliation values (:id, :at, :counted, :derived)"),
        {"id": place, "at": NOW - timedelta(hours=hours), "counted": counted, "derived": derived},
    )


async def test_three_votes_do_not_beat_three_hundred(session: AsyncSession, garage: UUID) -> None:
    street = await facility(session, "street")
    await voted(session, garage, [5] * 3, NOW)
    await voted(session, street, [5] * 240 + [4] * 60, NOW)
    await make_scores(session, NOW)
    found = await service.scores(session)
    assert found[garage].count == 3
    assert found[street].count == 300
    assert (found[garage].value or 0) < (found[street].value or 0)
    assert (found[garage].stars or 0) < (found[street].stars or 0)


async def test_what_is_measured_is_what_the_platform_knows(session: AsyncSession, garage: UUID) -> None:
    await voted(session, garage, [5, 4], NOW - timedelta(days=1))
    for hours, counted, derived in ((2, 40, 44), (1, 50, 47)):
        await reconciled(session, garage, hours, counted, derived)
    await record(
        session,
        [
            Sample(garage, NOW - timedelta(days=1, minutes=5 * step), free, occupied, 100)
            for step, (free, occupied) in enumerate([(40, 60), (40, 50), (None, None), (None, None)])
        ],
    )
    await note_data_days(session, NOW, 90)
    await note_data_days(session, NOW, 90)
    formula = (await formula_for(session, NOW.date())).formula
    known = (await gather(session, formula, NOW))[garage]
    assert known.facts == {
        Fact.DRIFT: Measured(7, 200),
        Fact.COMPLAINTS: Measured(0, 2),
        Fact.DOWNTIME: Measured(2, 4),
        Fact.FRESHNESS: Measured(190, 200),
    }


async def test_once_a_night_and_after_three(session: AsyncSession, garage: UUID) -> None:
    await voted(session, garage, [4] * 5, minute(0))
    midnight = minute(12 * 60)
    assert await nightly(session, midnight + timedelta(hours=2)) == 0
    assert await nightly(session, midnight + timedelta(hours=3)) == 1
    assert await nightly(session, midnight + timedelta(hours=4)) == 0
    assert await nightly(session, midnight + timedelta(hours=28)) == 1


async def test_a_past_score_is_explained_as_it_was(session: AsyncSession, garage: UUID) -> None:
    await voted(session, garage, [5] * 30, minute(0))
    await make_scores(session, minute(10))
    first = await service.score_of(session, "garage", minute(10).date())
    await voted(session, garage, [1] * 30, minute(A_DAY))
    await make_scores(session, minute(A_DAY + 10))
    second = await service.score_of(session, "garage", minute(A_DAY).date())
    assert first.value is not None
    assert second.value is not None
    assert second.value < first.value
    assert await service.score_of(session, "garage", minute(10).date()) == first
    for score in (first, second):
        assert sum(round(line.points * 10) for line in score.lines) == round((score.value or 0) * 10)
    shown = {line.input: line.words for line in second.lines}
    assert "60 位司机评价" in shown["price"]["zh-CN"]
    assert "not counted" in shown["downtime"]["en"]


async def test_a_day_on_which_nothing_differs_has_no_row_of_its_own(
    session: AsyncSession, garage: UUID
) -> None:
    await voted(session, garage, [5] * 5, minute(0))
    for days in range(3):
        await make_scores(session, minute(10 + days * A_DAY))
    assert await session.scalar(text("select count(*) from facility_score_day")) == 1
    await session.execute(text("update rating set price = 1 where price = 5"))
    await make_scores(session, minute(20 + 2 * A_DAY))
    await make_scores(session, minute(30 + 2 * A_DAY))
    assert await session.scalar(text("select count(*) from facility_score_day")) == 2


async def test_a_formula_is_never_changed(session: AsyncSession, garage: UUID) -> None:
    first = await formula_for(session, NOW.date())
    assert first.trial, "the platform's own proposal is not the city's word"
    other = msgspec.structs.replace(first.formula, prior_votes=50)
    stated = FormulaIn(
        effective_from=date(2026, 12, 1), formula=other, status="confirmed", source="某文件〔2026〕1号"
    )
    await add_formula(session, CHIEF, stated, NOW)
    assert (await formula_for(session, date(2026, 11, 30))).formula == first.formula
    assert (await formula_for(session, date(2026, 12, 1))) != first
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await session.execute(text("update ratings_formula set status = 'confirmed'"))


async def test_over_http_the_lines_sum_to_the_score(
    settings: Settings, session: AsyncSession, garage: UUID
) -> None:
    await voted(session, garage, [5, 4, 4, 2, 5, 3], NOW)
    await make_scores(session, NOW)
    await session.commit()
    async with client_of(settings) as client:
        score = (await client.get("/v1/facilities/garage/score?day=2026-12-01")).json()
        none = await client.get("/v1/facilities/street/score?day=2026-12-01")
    assert none.status_code == 404
    assert score["trial"] is True
    assert sum(round(line["points"] * 10) for line in score["lines"]) == round(score["value"] * 10)
    assert score["low"] <= score["value"] <= score["high"]

"""Operators are ranked by facilities' scores and stays: once a quarter, for good, not on too little."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings import ranking
from parking_cloud.ratings.scoring import make_scores
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import FacilityIn, OperatorIn, RegistryBatch
from tests.ratings.parts import facility, voted
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
IN_QUARTER = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
AFTER = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
"""Four in the morning of the new year, here."""
OPERATORS = {"good": "湖州停车", "fair": "=长兴停车", "tiny": "小停车"}


@pytest.fixture
async def places(session: AsyncSession) -> dict[str, UUID]:
    """Three operators with a facility each."""
    facilities = [
        FacilityIn(
            code=f"{code}-lot",
            name=f"{name}一号场",
            kind="public_offstreet",
            counting="counter",
            capacity=100,
            lat=30.87 + number / 1_000,
            lon=120.1,
            operator_code=code,
        )
        for number, (code, name) in enumerate(OPERATORS.items())
    ]
    operators = [OperatorIn(code=code, name=name) for code, name in OPERATORS.items()]
    await import_batch(session, RegistryBatch(operators=operators, facilities=facilities))
    await session.commit()
    return {code: await facility(session, f"{code}-lot") for code in OPERATORS}


@pytest.fixture
async def a_quarter(session: AsyncSession, places: dict[str, UUID]) -> dict[str, UUID]:
    """A quarter of ratings, and the scores of the day after it."""
    await voted(session, places["good"], [5] * 250 + [4] * 60, IN_QUARTER)
    await voted(session, places["fair"], [3] * 200 + [4] * 120, IN_QUARTER)
    await voted(session, places["tiny"], [5] * 3, IN_QUARTER)
    await make_scores(session, AFTER)
    return places


def test_quarters_follow_the_calendar() -> None:
    assert ranking.quarter_of(date(2026, 12, 31)) == ("2026Q4", date(2026, 10, 1), date(2027, 1, 1))
    assert ranking.quarter_of(date(2027, 1, 1)).name == "2027Q1"
    assert ranking.quarter_before(date(2027, 3, 31)).name == "2026Q4"
    day = date(2024, 1, 1)
    while day < date(2028, 1, 1):
        quarter = ranking.quarter_of(day)
        assert quarter.first <= day < quarter.after
        assert ranking.quarter_of(quarter.after).first == quarter.after
        day += timedelta(days=1)


async def test_too_few_are_not_ranked_however_good(session: AsyncSession, a_quarter: object) -> None:
    assert await ranking.make_due(session, AFTER) == 1
    made = await ranking.ranking_of(session, "2026Q4")
    assert [(line.operator, line.rank, line.why_not) for line in made.lines] == [
        ("good", 1, ""),
        ("fair", 2, ""),
        ("tiny", None, "too_few_stays"),
    ]
    assert made.lines[2].value is None
    assert made.trial
    for line in made.lines[:2]:
        assert line.low is not None
        assert line.high is not None
        assert line.low < (line.value or 0) < line.high
        assert round(sum(place.points for place in line.places), 1) == line.value


async def test_what_was_published_stays(session: AsyncSession, a_quarter: dict[str, UUID]) -> None:
    await ranking.make_due(session, AFTER)
    before = await ranking.ranking_of(session, "2026Q4")
    await voted(session, a_quarter["good"], [1] * 500, IN_QUARTER)
    await make_scores(session, AFTER)
    assert await ranking.make_due(session, AFTER) == 0
    assert await ranking.make(session, ranking.quarter_of(IN_QUARTER.date()), AFTER) == 0
    assert await ranking.ranking_of(session, "2026Q4") == before
    for change in ("update operator_ranking set trial = false", "delete from operator_ranking"):
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.execute(text(change))


async def test_only_once_the_quarter_and_its_last_scores_are_over(
    session: AsyncSession, places: dict[str, UUID]
) -> None:
    await voted(session, places["good"], [5] * 400, IN_QUARTER)
    await make_scores(session, IN_QUARTER)
    assert await ranking.make_due(session, IN_QUARTER) == 0
    assert await ranking.make_due(session, AFTER) == 0
    assert await ranking.renew_standing(session, IN_QUARTER) == 1
    assert await ranking.renew_standing(session, IN_QUARTER) == 0
    standing = await ranking.standing(session, IN_QUARTER)
    assert (standing.quarter, standing.lines[0].rank) == ("2026Q4", 1)
    assert await ranking.quarters(session) == []


async def test_files_open_in_a_spreadsheet_and_run_nothing(
    settings: Settings, session: AsyncSession, a_quarter: object
) -> None:
    await ranking.make_due(session, AFTER)
    await session.commit()
    async with client_of(settings) as client:
        table = await client.get("/v1/quality/rankings/2026Q4/export/csv")
        book = await client.get("/v1/quality/rankings/2026Q4/export/xlsx")
        none = await client.get("/v1/quality/rankings/2031Q1/export/csv")
        listed = (await client.get("/v1/quality/rankings")).json()
    assert (none.status_code, listed) == (404, ["2026Q4"])
    assert table.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [row["经营者"] for row in rows] == ["湖州停车", "'=长兴停车", "小停车"]
    assert [row["名次"] for row in rows] == ["1", "2", ""]
    assert rows[2]["说明"] == "不排名：停车次数不足；试行"
    sheets = zipfile.ZipFile(io.BytesIO(book.content)).namelist()
    assert {"xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"} <= set(sheets)

"""Scores are made once a night, or when asked for; each keeps what it was made of, and can be explained."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ScalarSelect, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.problems import NotFound
from parking_cloud.ratings.formulas import InForce, formula_by_id, formula_for
from parking_cloud.ratings.inputs import gather, note_data_days
from parking_cloud.ratings.models import FacilityScore, FacilityScoreDay
from parking_cloud.ratings.rules import Explained, Inputs, explain
from parking_cloud.ratings.schemas import LineOut, Score, ScoreOut
from parking_cloud.ratings.words import line_words
from parking_cloud.registry.service import FacilityLabel, facility_label, facility_names

NIGHT_HOUR = 3
"""From this hour of the city on, a day's scores are made."""


_AT_ONCE = 50


class NoScore(NotFound):
    slug = "no-score"
    title = {"zh-CN": "还没有评分", "en": "There is no score yet"}
    detail = {
        "zh-CN": "该停车场尚无可用于评分的数据；评分每天凌晨计算。",
        "en": "Nothing is known of this facility yet; scores are made every night.",
    }


class FacilityNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


async def nightly(session: AsyncSession, now: datetime) -> int:
    """Make the day's scores where they are not made yet; how many. The worker's job."""
    today = city_time(now)
    made_for = await session.scalar(select(func.max(FacilityScore.day)))
    if today.hour < NIGHT_HOUR or (made_for is not None and made_for >= today.date()):
        return 0
    return await make_scores(session, now)


async def make_scores(session: AsyncSession, now: datetime) -> int:
    """Make every facility's score of today; how many there are. Again on one day, the later stands."""
    await alone(session, "facility scores")
    day = city_time(now).date()
    in_force = await formula_for(session, day)
    await note_data_days(session, now, in_force.formula.fact_days)
    inputs = await gather(session, in_force.formula, now)
    made: dict[UUID, Explained] = {}
    for facility, known in inputs.items():
        made[facility] = explain(in_force.formula, known)
        if len(made) % _AT_ONCE == 0:
            # The worker has live numbers to show meanwhile.
            await asyncio.sleep(0)
    await _keep(session, day, in_force, inputs, made, now)
    return len(made)


async def _keep(
    session: AsyncSession,
    day: date,
    in_force: InForce,
    inputs: dict[UUID, Inputs],
    made: dict[UUID, Explained],
    now: datetime,
) -> None:
    ids = list(made)
    rows = {
        "ids": ids,
        "scores": [made[i].score for i in ids],
        "lows": [made[i].low for i in ids],
        "highs": [made[i].high for i in ids],
        "stars": [made[i].stars for i in ids],
        "counts": [inputs[i].ratings for i in ids],
        "inputs": [msgspec.json.encode(inputs[i]).decode() for i in ids],
        "day": day,
        "formula": in_force.id,
        "now": now,
    }
    await session.execute(text("delete from facility_score where not facility_id = any(:ids)"), {"ids": ids})
    await session.execute(
        text(
            "insert into facility_score (facility_id, day, score, low, high, stars, count, made_at)"
            " select n.id, :day, n.score, n.low, n.high, n.stars, n.count, :now"
            " from unnest(cast(:ids as uuid[]), cast(:scores as int[]), cast(:lows as int[]),"
            " cast(:highs as int[]), cast(:stars as int[]), cast(:counts as int[]))"
            " as n(id, score, low, high, stars, count)"
            " on conflict (facility_id) do update set day = excluded.day, score = excluded.score,"
            " low = excluded.low, high = excluded.high, stars = excluded.stars, count = excluded.count,"
            " made_at = excluded.made_at"
        ),
        rows,
    )
    await session.execute(
        text(
            "insert into facility_score_day (facility_id, day, score, low, high, formula_id, inputs, made_at)"
            " select n.id, :day, n.score, n.low, n.high, :formula, cast(n.inputs as jsonb), :now"
            " from unnest(cast(:ids as uuid[]), cast(:scores as int[]), cast(:lows as int[]),"
            " cast(:highs as int[]), cast(:inputs as text[]))"
            " as n(id, score, low, high, inputs) left join lateral (select day, formula_id, inputs"
            " from facility_score_day h where h.facility_id = n.id order by day desc limit 1) last on true"
            " where last.day is null or last.day >= :day or last.formula_id <> :formula"
            " or last.inputs <> cast(n.inputs as jsonb)"
            " on conflict (facility_id, day) do update set score = excluded.score,"
            " low = excluded.low, high = excluded.high, formula_id = excluded.formula_id,"
            " inputs = excluded.inputs, made_at = excluded.made_at"
        ),
        rows,
    )


async def scores(session: AsyncSession, facility_ids: Collection[UUID] | None = None) -> dict[UUID, Score]:
    """The newest scores: of some facilities, or of all."""
    query = select(FacilityScore.facility_id, FacilityScore.score, FacilityScore.stars, FacilityScore.count)
    if facility_ids is not None:
        query = query.where(FacilityScore.facility_id.in_(facility_ids))
    return {
        facility: Score(
            value=None if score is None else score / 10,
            stars=None if stars is None else round(stars / 100, 1),
            count=count,
        )
        for facility, score, stars, count in await session.execute(query)
    }


class Known(NamedTuple):
    """A score of a day, worked out again from what it was made of."""

    day: date
    in_force: InForce
    inputs: Inputs
    explained: Explained


class Band(NamedTuple):
    """A score of a day in tenths, with its band."""

    score: int
    low: int
    high: int


async def bands(session: AsyncSession, day: date, facility_ids: Collection[UUID]) -> dict[UUID, Band]:
    """The scores that there were on a day."""
    newest = FacilityScoreDay
    rows = await session.execute(
        select(newest.facility_id, newest.score, newest.low, newest.high).where(
            newest.day == _last_until(day), newest.facility_id.in_(facility_ids), newest.score.is_not(None)
        )
    )
    # Where there is a score there is its band.
    return {facility: Band(score or 0, low or 0, high or 0) for facility, score, low, high in rows}


def _last_until(day: date) -> ScalarSelect[date]:
    """The last day with a row of the facility at hand."""
    other = aliased(FacilityScoreDay)
    mine = other.facility_id == FacilityScoreDay.facility_id
    last = select(func.max(other.day)).where(mine, other.day <= day)
    return last.correlate(FacilityScoreDay).scalar_subquery()


async def known_scores(session: AsyncSession, day: date, facility_ids: Collection[UUID]) -> dict[UUID, Known]:
    """What the scores of a day were, and what they were made of: worked out again, so of not too many."""
    newest = FacilityScoreDay
    query = select(newest).where(newest.day == _last_until(day), newest.facility_id.in_(facility_ids))
    rows = (await session.scalars(query)).all()
    formulas = {id_: await formula_by_id(session, id_) for id_ in {row.formula_id for row in rows}}
    found = {}
    for row in rows:
        inputs = msgspec.convert(row.inputs, Inputs, strict=False)
        in_force = formulas[row.formula_id]
        found[row.facility_id] = Known(row.day, in_force, inputs, explain(in_force.formula, inputs))
    return found


async def named(session: AsyncSession, id_or_code: str) -> FacilityLabel:
    """A facility by id or code. Raises FacilityNotFound."""
    label = await facility_label(session, id_or_code)
    if label is None:
        raise FacilityNotFound()
    return label


async def score_of(session: AsyncSession, id_or_code: str, day: date) -> ScoreOut:
    """A facility's score on a day, line by line. Raises FacilityNotFound, NoScore."""
    label = await named(session, id_or_code)
    known = (await known_scores(session, day, [label.id])).get(label.id)
    if known is None:
        raise NoScore()
    return _shown(label.id, label.name, known)


async def lowest_scores(
    session: AsyncSession, facility_ids: Collection[UUID] | None, day: date, limit: int
) -> list[ScoreOut]:
    """The lowest of the newest scores, line by line; what has none stands last."""
    query = select(FacilityScore.facility_id).order_by(FacilityScore.score.asc().nulls_last()).limit(limit)
    if facility_ids is not None:
        query = query.where(FacilityScore.facility_id.in_(facility_ids))
    lowest = list(await session.scalars(query))
    names = await facility_names(session, lowest)
    known = await known_scores(session, day, lowest)
    return [_shown(facility, names[facility], known[facility]) for facility in lowest if facility in known]


def _shown(facility_id: UUID, name: str, known: Known) -> ScoreOut:
    explained = known.explained
    return ScoreOut(
        facility_id=facility_id,
        facility=name,
        day=known.day,
        value=tenths(explained.score),
        low=tenths(explained.low),
        high=tenths(explained.high),
        stars=None if explained.stars is None else explained.stars / 100,
        count=known.inputs.ratings,
        lines=[
            LineOut(
                input=line.input.value,
                counted=line.weight > 0,
                value=tenths(line.grade),
                weight=line.weight / 10,
                points=line.points / 10,
                words=line_words(line, known.in_force.formula, known.inputs),
            )
            for line in explained.lines
        ],
        formula=known.in_force.id,
        trial=known.in_force.trial,
    )


def tenths(number: int | None) -> float | None:
    """Tenths as people read them."""
    return None if number is None else number / 10

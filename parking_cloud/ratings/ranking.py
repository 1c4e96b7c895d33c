"""The quarterly ranking of operators: their facilities' scores, weighted by stays. Made once and for good."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.kernel.problems import NotFound
from parking_cloud.ratings.formulas import formula_for
from parking_cloud.ratings.models import FacilityScore, OperatorRanking, OperatorStanding, Rating
from parking_cloud.ratings.rules import Formula, joined, nearest_of, ranks
from parking_cloud.ratings.schemas import PlaceShare, Ranked, RankingOut
from parking_cloud.ratings.scoring import Band, bands, tenths
from parking_cloud.registry.service import all_operators, facility_labels
from parking_cloud.stays.service import closed_counts


class RankingNotFound(NotFound):
    slug = "ranking-not-found"
    title = {"zh-CN": "没有这个季度的排名", "en": "There is no ranking of that quarter"}


class Quarter(NamedTuple):
    """A quarter of the city's calendar, from its first day to before the next one's."""

    name: str
    first: date
    after: date

    @property
    def begins(self) -> datetime:
        return datetime.combine(self.first, time(), CITY_ZONE)

    @property
    def ends(self) -> datetime:
        return datetime.combine(self.after, time(), CITY_ZONE)


def quarter_of(day: date) -> Quarter:
    """The quarter that a day is in."""
    number = (day.month - 1) // 3
    first = date(day.year, 3 * number + 1, 1)
    after = date(day.year + number // 3, (3 * number + 3) % 12 + 1, 1)
    return Quarter(f"{day.year}Q{number + 1}", first, after)


def quarter_before(day: date) -> Quarter:
    """The last quarter that is over."""
    return quarter_of(date.fromordinal(quarter_of(day).first.toordinal() - 1))


async def make_due(session: AsyncSession, now: datetime) -> int:
    """Make the last quarter's ranking once its last scores are made; how many. The worker's job."""
    quarter = quarter_before(city_time(now).date())
    made = await session.scalar(
        select(OperatorRanking.quarter).where(OperatorRanking.quarter == quarter.name)
    )
    scored = await session.scalar(select(func.max(FacilityScore.day)))
    if made is not None or scored is None or scored < quarter.after:
        return 0
    return await make(session, quarter, now)


async def make(session: AsyncSession, quarter: Quarter, now: datetime) -> int:
    """Make a quarter's ranking, of the scores of the first day after it. A quarter without a stay has none,
    and one that is made is not made again: how many were made."""
    in_force = await formula_for(session, quarter.after)
    lines = await _lines(session, quarter, in_force.formula, quarter.after)
    if not lines:
        return 0
    written = await session.scalar(
        insert(OperatorRanking)
        .values(
            quarter=quarter.name,
            formula_id=in_force.id,
            trial=in_force.trial,
            lines=msgspec.to_builtins(lines),
            made_at=now,
        )
        .on_conflict_do_nothing()
        .returning(OperatorRanking.quarter)
    )
    return int(written is not None)


async def renew_standing(session: AsyncSession, now: datetime) -> int:
    """Make how the present quarter stands anew, once there are newer scores; how many. The worker's job."""
    quarter = quarter_of(city_time(now).date())
    scored = await session.scalar(select(func.max(FacilityScore.made_at)))
    made = await session.scalar(
        select(OperatorStanding.made_at).where(OperatorStanding.quarter == quarter.name)
    )
    if scored is None or (made is not None and made >= scored):
        return 0
    await make_standing(session, now)
    return 1


async def make_standing(session: AsyncSession, now: datetime) -> None:
    """How the present quarter would be ranked today. It is no ranking yet."""
    today = city_time(now).date()
    quarter, in_force = quarter_of(today), await formula_for(session, today)
    lines = await _lines(session, quarter, in_force.formula, today)
    values = {
        "day": today,
        "formula_id": in_force.id,
        "trial": in_force.trial,
        "lines": msgspec.to_builtins(lines),
        "made_at": now,
    }
    await session.execute(
        insert(OperatorStanding)
        .values(quarter=quarter.name, **values)
        .on_conflict_do_update(index_elements=["quarter"], set_=values)
    )


async def standing(session: AsyncSession, now: datetime) -> RankingOut:
    """How the present quarter stood by its newest scores; before there were any, without a line."""
    today = city_time(now).date()
    quarter = quarter_of(today)
    row = await session.get(OperatorStanding, quarter.name, populate_existing=True)
    if row is not None:
        return _shown(row)
    in_force = await formula_for(session, today)
    return RankingOut(quarter=quarter.name, made_at=now, formula=in_force.id, trial=in_force.trial, lines=[])


async def ranking_of(session: AsyncSession, quarter: str) -> RankingOut:
    """A quarter's ranking as it was made. Raises RankingNotFound."""
    known = re.fullmatch(r"\d{4}Q[1-4]", quarter)
    row = await session.get(OperatorRanking, quarter) if known else None
    if row is None:
        raise RankingNotFound()
    return _shown(row)


def _shown(row: OperatorRanking | OperatorStanding) -> RankingOut:
    return RankingOut(
        quarter=row.quarter,
        made_at=row.made_at,
        formula=row.formula_id,
        trial=row.trial,
        lines=msgspec.convert(row.lines, list[Ranked], strict=False),
    )


async def quarters(session: AsyncSession) -> list[str]:
    """The quarters that were ranked, the newest first."""
    query = select(OperatorRanking.quarter).order_by(OperatorRanking.quarter.desc())
    return list(await session.scalars(query))


class _Operator(NamedTuple):
    """What an operator's line is made of."""

    stays: int
    ratings: int
    places: list[tuple[UUID, Band, int]]
    """Facilities that have a score, each with its stays."""


async def _lines(session: AsyncSession, quarter: Quarter, formula: Formula, day: date) -> list[Ranked]:
    stays = await closed_counts(session, quarter.begins, quarter.ends)
    ratings = await _rating_counts(session, quarter)
    known = await bands(session, day, stays)
    labels = await facility_labels(session, stays.keys() | ratings.keys())
    of_operator: dict[UUID, list[UUID]] = defaultdict(list)
    for facility, label in labels.items():
        of_operator[label.operator_id].append(facility)
    names = await all_operators(session)
    made = {id_: _operator(places, stays, ratings, known) for id_, places in of_operator.items()}
    facility_names = {id_: label.name for id_, label in labels.items()}
    lines = [
        _line(names[id_].code, names[id_].name, operator, formula, facility_names)
        for id_, operator in made.items()
        if operator.stays
    ]
    return _ranked(lines)


def _operator(
    places: Iterable[UUID],
    stays: Mapping[UUID, int],
    ratings: Mapping[UUID, int],
    known: Mapping[UUID, Band],
) -> _Operator:
    places = sorted(places)
    scored = [(place, known[place], stays[place]) for place in places if place in known and stays.get(place)]
    return _Operator(
        stays=sum(stays.get(place, 0) for place in places),
        ratings=sum(ratings.get(place, 0) for place in places),
        places=scored,
    )


def _line(
    code: str, name: str, operator: _Operator, formula: Formula, facility_names: Mapping[UUID, str]
) -> Ranked:
    """Not ranked yet: who is ranked depends on the others."""
    why_not = ""
    if not operator.places:
        why_not = "no_score"
    elif operator.stays < formula.rank_least_stays:
        why_not = "too_few_stays"
    elif operator.ratings < formula.rank_least_ratings:
        why_not = "too_few_ratings"
    total, low, high, places = None, None, None, []
    if not why_not:
        total, brought = joined([(band.score, count) for _, band, count in operator.places])
        low = nearest_of((band.low, count) for _, band, count in operator.places)
        high = nearest_of((band.high, count) for _, band, count in operator.places)
        places = [
            PlaceShare(
                facility_id=place,
                facility=facility_names[place],
                value=band.score / 10,
                stays=count,
                points=points / 10,
            )
            for (place, band, count), points in zip(operator.places, brought, strict=True)
        ]
    return Ranked(
        operator=code,
        name=name,
        rank=None,
        why_not=why_not,
        value=tenths(total),
        low=tenths(low),
        high=tenths(high),
        stays=operator.stays,
        ratings=operator.ratings,
        facilities=len(operator.places),
        places=sorted(places, key=lambda place: -place.points),
    )


def _ranked(lines: list[Ranked]) -> list[Ranked]:
    """By rank; who is not ranked stands last, by name."""
    places = ranks({line.operator: round(line.value * 10) for line in lines if line.value is not None})
    with_rank = [msgspec.structs.replace(line, rank=places.get(line.operator)) for line in lines]
    return sorted(with_rank, key=lambda line: (line.rank is None, line.rank or 0, line.operator))


async def _rating_counts(session: AsyncSession, quarter: Quarter) -> dict[UUID, int]:
    query = (
        select(Rating.facility_id, func.count())
        .where(Rating.created_at >= quarter.begins, Rating.created_at < quarter.ends)
        .group_by(Rating.facility_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}

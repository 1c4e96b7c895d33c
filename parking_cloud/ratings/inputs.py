"""What a score is made of, gathered from the slices that know it. What nobody knows is not there."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.arrears.objections import upheld_counts
from parking_cloud.gates.reconciliation import drift_sums
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.occupancy.series import known_sums
from parking_cloud.operations.judgements import wrong_by_facility
from parking_cloud.ratings.models import FacilityDataDay, Rating
from parking_cloud.ratings.rules import Formula, Inputs, Measured, Tally, city_tallies
from parking_cloud.ratings.schemas import Fact, Question
from parking_cloud.registry.service import capacities
from parking_cloud.sharing.service import booked_counts
from parking_cloud.sharing.turn_away_records import turn_away_counts
from parking_cloud.stays.service import closed_counts

_AT_ONCE = 5_000
Facts = dict[UUID, dict[Fact, Measured]]


async def gather(session: AsyncSession, formula: Formula, now: datetime) -> dict[UUID, Inputs]:
    """The inputs of every facility of which anything is known."""
    ratings, votes = await _votes(session, now - timedelta(days=formula.rating_days), now)
    facts = await _facts(session, now - timedelta(days=formula.fact_days), now)
    city = city_tallies(list(votes.values()))
    return {
        facility: Inputs(
            ratings=ratings.get(facility, 0),
            votes=votes.get(facility, {}),
            city={q: city[q] for q in votes.get(facility, {})},
            facts=facts.get(facility, {}),
        )
        for facility in votes.keys() | facts.keys()
    }


async def _votes(
    session: AsyncSession, since: datetime, until: datetime
) -> tuple[dict[UUID, int], dict[UUID, dict[Question, Tally]]]:
    columns = []
    for question in Question:
        mark = getattr(Rating, question)
        columns += [
            func.count(mark),
            func.coalesce(func.sum(mark), 0),
            func.coalesce(func.sum(mark * mark), 0),
        ]
    rows = await session.execute(
        select(Rating.facility_id, func.count(), *columns)
        .where(Rating.created_at >= since, Rating.created_at <= until)
        .group_by(Rating.facility_id)
    )
    counts: dict[UUID, int] = {}
    votes: dict[UUID, dict[Question, Tally]] = {}
    for facility, count, *sums in rows:
        counts[facility] = count
        by_three = zip(*[iter(int(s) for s in sums)] * 3, strict=True)
        tallies = {q: Tally(*three) for q, three in zip(Question, by_three, strict=True)}
        votes[facility] = {q: tally for q, tally in tallies.items() if tally.votes}
    return counts, votes


async def _facts(session: AsyncSession, since: datetime, until: datetime) -> Facts:
    found: Facts = defaultdict(dict)
    drifts = await drift_sums(session, since, until)
    sizes = await capacities(session, drifts)
    for facility, drift in drifts.items():
        if sizes.get(facility):
            found[facility][Fact.DRIFT] = Measured(drift.vehicles, drift.counts * sizes[facility])
    for facility, (wrong, judged) in (await wrong_by_facility(session, since, until)).items():
        found[facility][Fact.AGREEMENT] = Measured(wrong, judged)
    upheld = await upheld_counts(session, since, until)
    for facility, stays in (await closed_counts(session, since, until)).items():
        found[facility][Fact.COMPLAINTS] = Measured(upheld.get(facility, 0), stays)
    turned_away = await turn_away_counts(session, since, until)
    for facility, booked in (await booked_counts(session, since, until)).items():
        found[facility][Fact.TURN_AWAYS] = Measured(min(turned_away.get(facility, 0), booked), booked)
    for facility, samples, known, spaces, spaces_known in await _data_days(session, since, until):
        found[facility][Fact.DOWNTIME] = Measured(samples - known, samples)
        if spaces:
            found[facility][Fact.FRESHNESS] = Measured(spaces_known, spaces)
    return dict(found)


async def note_data_days(session: AsyncSession, now: datetime, days: int) -> None:
    """Note how much was known on each day that is over and not noted yet; of the last `days` at the most."""
    today = city_time(now).date()
    last = await session.scalar(select(func.max(FacilityDataDay.day)))
    first = max(today - timedelta(days=days), last + timedelta(days=1) if last else date.min)
    if first >= today:
        return
    sums = await known_sums(session, _midnight(first), _midnight(today))
    if sums:
        rows = [sum_._asdict() for sum_ in sums]
        for start in range(0, len(rows), _AT_ONCE):
            await session.execute(
                insert(FacilityDataDay).values(rows[start : start + _AT_ONCE]).on_conflict_do_nothing()
            )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CITY_ZONE)


async def _data_days(
    session: AsyncSession, since: datetime, until: datetime
) -> list[tuple[UUID, int, int, int, int]]:
    day = FacilityDataDay
    samples_and_known = func.sum(day.samples), func.sum(day.known)
    of_spaces = func.sum(day.spaces), func.sum(day.spaces_known)
    rows = await session.execute(
        select(day.facility_id, *samples_and_known, *of_spaces)
        .where(day.day >= city_time(since).date(), day.day <= city_time(until).date(), day.samples > 0)
        .group_by(day.facility_id)
    )
    return [
        (facility, int(samples), int(known), int(spaces), int(spaces_known))
        for facility, samples, known, spaces, spaces_known in rows
    ]

"""What everybody reads of a facility's ratings: no name, and no time by which anybody could be found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import Purpose
from parking_cloud.kernel.clock import city_time
from parking_cloud.ratings.models import Rating
from parking_cloud.ratings.rules import drawn_mean
from parking_cloud.ratings.schemas import AnswerOut, PublicRating, PublicRatings, Question
from parking_cloud.ratings.scoring import known_scores, named

LEAST_IN_A_MONTH = 3
"""Of fewer ratings in a month not even the month is told."""
_A_PAGE = 20
_NEWEST = text(
    "with months as (select to_char(created_at at time zone 'Asia/Shanghai', 'YYYY-MM') as month,"
    " count(*) as n from rating where facility_id = :facility group by 1)"
    " select r.*, case when m.n >= :least then m.month end as month from rating r"
    " join months m on m.month = to_char(r.created_at at time zone 'Asia/Shanghai', 'YYYY-MM')"
    " where r.facility_id = :facility and r.state = 'shown' and r.published <> ''"
    " and exists (select from unnest(cast(:agreed as uuid[]), cast(:since as timestamptz[])) as a(who, since)"
    "  where a.who = r.user_id and coalesce(r.changed_at, r.created_at) >= a.since)"
    " order by month desc nulls last, r.id limit :limit offset :offset"
)


def marks_of(row: Any) -> dict[Question, int]:
    """The marks that were given."""
    given = {question: getattr(row, question) for question in Question}
    return {question: mark for question, mark in given.items() if mark is not None}


def month_of(at: datetime) -> str:
    """The month of the city's calendar."""
    return city_time(at).strftime("%Y-%m")


async def ratings_of(session: AsyncSession, id_or_code: str, page: int, now: datetime) -> PublicRatings:
    """A facility's ratings with a text; the newest months first, and what is of no month last.

    Raises FacilityNotFound.
    """
    label = await named(session, id_or_code)
    count = await session.scalar(select(func.count()).where(Rating.facility_id == label.id))
    agreed = await _agreed(session, label.id)
    rows = (
        await session.execute(
            _NEWEST,
            {
                "facility": label.id,
                "agreed": list(agreed),
                "since": list(agreed.values()),
                "least": LEAST_IN_A_MONTH,
                "limit": _A_PAGE + 1,
                "offset": page * _A_PAGE,
            },
        )
    ).all()
    return PublicRatings(
        facility_id=label.id,
        facility=label.name,
        count=count or 0,
        means=await _means(session, label.id, now),
        items=[_shown(row) for row in rows[:_A_PAGE]],
        next_page=page + 1 if len(rows) > _A_PAGE else None,
    )


async def readable(session: AsyncSession, rows: Sequence[Rating]) -> list[Rating]:
    """Those whose writer lets others read what they wrote then: nothing comes back by a later consent."""
    authors = {row.user_id for row in rows if row.user_id is not None}
    since = await consents.given_since(session, authors, Purpose.RATING)
    return [
        row
        for row in rows
        if row.user_id in since and (row.changed_at or row.created_at) >= since[row.user_id]
    ]


async def _agreed(session: AsyncSession, facility: UUID) -> dict[UUID, datetime]:
    """Who has written about a facility and lets everybody read it, and since when."""
    query = select(Rating.user_id).where(Rating.facility_id == facility, Rating.published != "")
    authors = [author for author in await session.scalars(query.distinct()) if author is not None]
    return await consents.given_since(session, authors, Purpose.RATING)


def _shown(row: Any) -> PublicRating:
    answered = month_of(row.answered_at) if row.answer and row.month else None
    return PublicRating(
        id=row.id,
        marks=marks_of(row),
        text=row.published,
        language=row.language,
        month=row.month,
        answer=AnswerOut(text=row.answer, month=answered) if row.answer else None,
    )


async def _means(session: AsyncSession, facility: UUID, now: datetime) -> dict[Question, float]:
    known = (await known_scores(session, city_time(now).date(), [facility])).get(facility)
    if known is None:
        return {}
    formula, inputs = known.in_force.formula, known.inputs
    return {
        question: round(float(drawn_mean(tally, inputs.city.get(question), formula)), 2)
        for question, tally in inputs.votes.items()
        if tally.votes >= formula.least_votes
    }

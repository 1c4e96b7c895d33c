"""What staff do with ratings: the city reads what was held or reported, operators answer their own.

Hiding hides words, never marks: nobody can improve a score by it. Who wrote a text is shown to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import Reader
from parking_cloud.ratings.models import Rating
from parking_cloud.ratings.notice_texts import answered, hidden
from parking_cloud.ratings.problems import (
    AlreadyReported,
    AnswerFinal,
    NothingToAnswer,
    RatingNotFound,
    ReasonMissing,
    TextTellsOfPeople,
)
from parking_cloud.ratings.reading import marks_of, month_of, readable
from parking_cloud.ratings.schemas import AnswerIn, DecisionIn, DeskRating, ReportIn, TextState
from parking_cloud.ratings.screening import screened
from parking_cloud.registry.service import facilities_of, facility_labels

TIME_TO_CHANGE_AN_ANSWER = timedelta(days=1)
_LEAST_REASON = 4
_LOOKED_AT = 200


def own_operator(who: Identity) -> UUID | None:
    """The operator whose ratings this person answers; None: all are seen. Raises NotAllowed for staff of
    none."""
    if who.role is not Role.OPERATOR_STAFF:
        return None
    if who.operator_id is None:
        raise NotAllowed()
    return who.operator_id


async def to_screen(session: AsyncSession, now: datetime, limit: int) -> list[DeskRating]:
    """Texts that were held, or reported and not looked at since; the oldest first. The city's."""
    waits = or_(
        Rating.state == TextState.SCREENED.value,
        Rating.reported_at > func.coalesce(Rating.decided_at, Rating.created_at),
    )
    rows = await _readable(session, select(Rating).where(waits).order_by(Rating.created_at, Rating.id), limit)
    return await _shown(session, rows, now, may_answer=False)


async def to_answer(
    session: AsyncSession, operator_id: UUID | None, now: datetime, limit: int
) -> list[DeskRating]:
    """Texts that everybody can read, those without an answer first, then the newest; of one operator where
    it is given."""
    query = select(Rating).where(Rating.state == TextState.SHOWN.value, Rating.published != "")
    if operator_id is not None:
        query = query.where(Rating.facility_id.in_(await facilities_of(session, operator_id)))
    query = query.order_by(Rating.answered_at.is_not(None), Rating.created_at.desc(), Rating.id)
    rows = await _readable(session, query, limit)
    return await _shown(session, rows, now, may_answer=operator_id is not None)


async def _readable(session: AsyncSession, query: Select[Rating], limit: int) -> list[Rating]:
    """The first of these whose writers let others read them still."""
    found: list[Rating] = []
    for start in count(step=_LOOKED_AT):
        rows = (await session.scalars(query.offset(start).limit(_LOOKED_AT))).all()
        found += await readable(session, rows)
        if len(found) >= limit or len(rows) < _LOOKED_AT:
            break
    return found[:limit]


async def decide(
    session: AsyncSession, who: Identity, rating_id: UUID, decision: DecisionIn, now: datetime
) -> None:
    """Show a text, with what tells of people masked, or hide it and tell its author why.

    Raises RatingNotFound, ReasonMissing.
    """
    rating = await _locked(session, rating_id)
    reason = decision.reason.strip()
    hides = decision.state == "hidden"
    if hides and len(reason) < _LEAST_REASON:
        raise ReasonMissing(errors=[{"field": "reason", "message": "the author is told why"}])
    rating.state, rating.reason = decision.state, reason if hides else ""
    rating.decided_at, rating.decided_by = now, who.user_id
    await session.flush()
    if hides and rating.user_id is not None:
        await notices.tell(
            session,
            reader=Reader(user_id=rating.user_id),
            kind="rating_hidden",
            dedupe_key=f"rating hidden {rating.id} {now.isoformat()}",
            texts=hidden(reason),
            now=now,
        )
    await _audit(session, who, f"ratings.{decision.state}", rating, reason)


async def report(
    session: AsyncSession, who: Identity, rating_id: UUID, said: ReportIn, now: datetime
) -> None:
    """Somebody finds that a text should not be read: the city looks at it. Once for each text.

    Raises RatingNotFound, AlreadyReported (also where the city has looked at it).
    """
    rating = await _locked(session, rating_id)
    if rating.state != TextState.SHOWN or not rating.published:
        raise RatingNotFound()
    if rating.reported_at is not None or rating.decided_at is not None:
        raise AlreadyReported()
    rating.reported_at, rating.reported_by, rating.reported_why = now, who.user_id, said.reason
    await session.flush()


async def answer(
    session: AsyncSession, who: Identity, rating_id: UUID, said: AnswerIn, now: datetime
) -> None:
    """The operator's answer, read by everybody; it may be changed for a day.

    Raises RatingNotFound, NotAllowed, NothingToAnswer, AnswerFinal, TextTellsOfPeople.
    """
    rating = await _locked(session, rating_id)
    labels = await facility_labels(session, [rating.facility_id])
    if who.role is not Role.OPERATOR_STAFF or labels[rating.facility_id].operator_id != who.operator_id:
        raise NotAllowed()
    if rating.state != TextState.SHOWN or not rating.published or not await readable(session, [rating]):
        raise NothingToAnswer()
    if not _may_answer(rating, now):
        raise AnswerFinal()
    found = screened(said.text).found
    if found:
        raise TextTellsOfPeople(errors=[{"field": "text", "message": ", ".join(found)}])
    first = rating.answered_at is None
    rating.answer, rating.answered_by = said.text.strip(), who.user_id
    rating.answered_at = rating.answered_at or now
    await session.flush()
    if first and rating.user_id is not None:
        await notices.tell(
            session,
            reader=Reader(user_id=rating.user_id),
            kind="rating_answered",
            dedupe_key=f"rating answered {rating.id}",
            texts=answered(),
            now=now,
        )
    await _audit(session, who, "ratings.answered" if first else "ratings.answer_changed", rating, "")


def _may_answer(rating: Rating, now: datetime) -> bool:
    return rating.answered_at is None or now <= rating.answered_at + TIME_TO_CHANGE_AN_ANSWER


async def _locked(session: AsyncSession, rating_id: UUID) -> Rating:
    rating = await session.get(Rating, rating_id, with_for_update=True, populate_existing=True)
    if rating is None:
        raise RatingNotFound()
    return rating


async def _shown(
    session: AsyncSession, rows: Sequence[Rating], now: datetime, *, may_answer: bool
) -> list[DeskRating]:
    labels = await facility_labels(session, {row.facility_id for row in rows})
    return [
        DeskRating(
            id=row.id,
            facility_id=row.facility_id,
            facility=labels[row.facility_id].name,
            marks=marks_of(row),
            text="" if may_answer else row.text,
            published=row.published,
            found=row.found,
            state=TextState(row.state),
            reason=row.reason,
            reported_why=row.reported_why,
            month=month_of(row.created_at),
            answer=row.answer,
            may_answer=may_answer and _may_answer(row, now),
        )
        for row in rows
    ]


async def _audit(session: AsyncSession, who: Identity, action: str, rating: Rating, reason: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="rating",
        subject_id=str(rating.id),
        reason=reason,
    )

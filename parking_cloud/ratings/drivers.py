"""What drivers do: rate a stay that was really theirs, once and in time, and see what they said.

Who is paid by a mark cannot give it: it takes a vehicle that is verified as the driver's, and a stay for
which there is more than the driver's own word.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents
from parking_cloud.accounts.consents import Purpose
from parking_cloud.accounts.vehicles import holdings
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.service import seen_occupied
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.ratings.models import Rating
from parking_cloud.ratings.problems import (
    NoMoreChanges,
    NothingRated,
    RatedAlready,
    RatingNotFound,
    RatingTooLate,
    StayInReview,
    StayNotFound,
    StayNotOver,
    StayNotReal,
)
from parking_cloud.ratings.reading import marks_of, month_of, readable
from parking_cloud.ratings.schemas import AnswerOut, MyRating, OpenStay, Question, RatingIn, TextState
from parking_cloud.ratings.screening import screened
from parking_cloud.registry.service import facility_names
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import stay_facts, stays_of_plates

TIME_TO_RATE = timedelta(days=14)
_LOOKED_AT = 200
"""Of a driver's stays, the newest."""
_SAID_LATE = timedelta(minutes=15)
"""So long after they parked a driver may press the button; what the space said then is of their stay."""
_LONGEST_LOOKED_AT = timedelta(days=7)


async def rate(
    session: AsyncSession, user_id: UUID, stay_id: UUID, said: RatingIn, now: datetime
) -> MyRating:
    """Rate a stay, and see it as one's own. Raises what `keep` raises."""
    made = await keep(session, user_id, stay_id, said, now)
    return await _one_of_mine(session, user_id, made, now)


async def keep(session: AsyncSession, user_id: UUID, stay_id: UUID, said: RatingIn, now: datetime) -> UUID:
    """Rate a stay; the rating.

    Raises NothingRated, StayNotFound (also where it is not theirs), StayNotOver, StayInReview, StayNotReal,
    RatingTooLate, RatedAlready.
    """
    if not _marks(said):
        raise NothingRated(errors=[{"field": "finding", "message": "at least one mark is needed"}])
    stay = await _own_stay(session, user_id, stay_id)
    await _may_be_rated(session, stay, now)
    row = {
        "id": uuid4(),
        "stay_id": stay.id,
        "user_id": user_id,
        "facility_id": stay.facility_id,
        "created_at": now,
        **_said(said),
    }
    made: UUID | None = await session.scalar(
        insert(Rating).values(row).on_conflict_do_nothing(index_elements=["stay_id"]).returning(Rating.id)
    )
    if made is None:
        raise RatedAlready()
    await _agrees(session, user_id, said, now)
    return made


async def change(
    session: AsyncSession, user_id: UUID, rating_id: UUID, said: RatingIn, now: datetime
) -> MyRating:
    """Say it otherwise: once, in the same time, before it is answered. Raises NothingRated, RatingNotFound,
    NoMoreChanges."""
    if not _marks(said):
        raise NothingRated(errors=[{"field": "finding", "message": "at least one mark is needed"}])
    rating = await session.get(Rating, rating_id, with_for_update=True, populate_existing=True)
    if rating is None or rating.user_id != user_id:
        raise RatingNotFound()
    stay = (await stay_facts(session, [rating.stay_id]))[rating.stay_id]
    if not _may_change(rating, stay, now):
        raise NoMoreChanges()
    changes = _said(said) | {"changed_at": now, "reported_at": None, "reported_by": None, "reported_why": ""}
    await session.execute(update(Rating).where(Rating.id == rating_id).values(changes))
    await _agrees(session, user_id, said, now)
    return await _one_of_mine(session, user_id, rating_id, now)


async def _agrees(session: AsyncSession, user_id: UUID, said: RatingIn, now: datetime) -> None:
    """Who says so lets everybody read what they write; writing alone agrees to nothing."""
    if said.agree and said.text.strip():
        await consents.give_newest(session, user_id, Purpose.RATING, now)


async def my_ratings(session: AsyncSession, user_id: UUID, now: datetime, limit: int) -> list[MyRating]:
    """What a driver has rated, the newest first."""
    query = select(Rating).where(Rating.user_id == user_id).order_by(Rating.created_at.desc()).limit(limit)
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    return await _mine(session, rows, now)


async def open_stays(session: AsyncSession, user_id: UUID, now: datetime) -> list[OpenStay]:
    """The stays that a driver can rate still, the newest first."""
    since = {held.plate_hash: held.since for held in await holdings(session, user_id)}
    stays = await stays_of_plates(session, since, None, _LOOKED_AT)
    over = [stay for stay in stays if stay.state is StayState.CLOSED and _in_time(stay, now)]
    in_time = {stay.id: stay for stay in over if await _is_real(session, stay)}
    rated = set(await session.scalars(select(Rating.stay_id).where(Rating.stay_id.in_(in_time))))
    names = await facility_names(session, {stay.facility_id for stay in in_time.values()})
    return [
        OpenStay(
            stay_id=stay.id,
            facility_id=stay.facility_id,
            facility=names[stay.facility_id],
            entered_at=stay.entered_at,
            exited_at=stay.exited_at,
            until=stay.exited_at + TIME_TO_RATE,
        )
        for stay in in_time.values()
        if stay.exited_at is not None and stay.id not in rated
    ]


async def rating_of(session: AsyncSession, user_id: UUID, stay_id: UUID, now: datetime) -> MyRating | None:
    """What a driver said of a stay; None: nothing yet."""
    query = select(Rating).where(Rating.stay_id == stay_id, Rating.user_id == user_id)
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    return (await _mine(session, rows, now))[0] if rows else None


async def look_at_stay(session: AsyncSession, user_id: UUID, stay_id: UUID, now: datetime) -> OpenStay:
    """A stay that is about to be rated. Raises what `rate` does."""
    stay = await _own_stay(session, user_id, stay_id)
    exited_at = await _may_be_rated(session, stay, now)
    if await session.scalar(select(Rating.id).where(Rating.stay_id == stay_id)):
        raise RatedAlready()
    names = await facility_names(session, [stay.facility_id])
    return OpenStay(
        stay_id=stay.id,
        facility_id=stay.facility_id,
        facility=names[stay.facility_id],
        entered_at=stay.entered_at,
        exited_at=exited_at,
        until=exited_at + TIME_TO_RATE,
    )


async def forget(session: AsyncSession, user_id: UUID) -> None:
    """A driver's account goes: their marks stay, by nobody; what they wrote goes with them."""
    await session.execute(
        update(Rating)
        .where(Rating.user_id == user_id)
        .values(user_id=None, text="", published="", found=[], state=TextState.SHOWN.value, reason="")
    )


async def _own_stay(session: AsyncSession, user_id: UUID, stay_id: UUID) -> StayFacts:
    """A stay of a vehicle that is verified as theirs, of their own time."""
    stay = (await stay_facts(session, [stay_id])).get(stay_id)
    since = {held.plate_hash: held.since for held in await holdings(session, user_id)}
    if stay is None or stay.plate_hash not in since or stay.entered_at < since[stay.plate_hash]:
        raise StayNotFound()
    return stay


async def _is_real(session: AsyncSession, stay: StayFacts) -> bool:
    """Whether a stay is more than its driver's word: seen by others or a sensor, or paid for."""
    if not stay.told_only:
        return True
    charge = (await charges_of_stays(session, [stay.id])).get(stay.id)
    if charge is not None and charge.paid > 0:
        return True
    if stay.space_id is None or stay.exited_at is None:
        return False
    since = max(stay.entered_at, stay.exited_at - _LONGEST_LOOKED_AT) - _SAID_LATE
    return await seen_occupied(session, stay.facility_id, stay.space_id, since, stay.exited_at)


async def _may_be_rated(session: AsyncSession, stay: StayFacts, now: datetime) -> datetime:
    """When it ended."""
    if stay.state is StayState.VOID:
        raise StayNotReal()
    if stay.state is StayState.REVIEW:
        raise StayInReview()
    if stay.state is StayState.OPEN or stay.exited_at is None:
        raise StayNotOver()
    if not await _is_real(session, stay):
        raise StayNotReal()
    if not _in_time(stay, now):
        until = city_time(stay.exited_at + TIME_TO_RATE).strftime("%Y-%m-%d %H:%M")
        raise RatingTooLate(days=TIME_TO_RATE.days, until=until)
    return stay.exited_at


def _in_time(stay: StayFacts, now: datetime) -> bool:
    return stay.exited_at is not None and now <= stay.exited_at + TIME_TO_RATE


def _may_change(rating: Rating, stay: StayFacts, now: datetime) -> bool:
    untouched = rating.changed_at is None and not rating.answer and rating.decided_at is None
    return untouched and _in_time(stay, now)


def _marks(said: RatingIn) -> dict[Question, int]:
    given = {question: getattr(said, question) for question in Question}
    return {question: mark for question, mark in given.items() if mark is not None}


def _said(said: RatingIn) -> dict[str, object]:
    """The columns of what was said: a text in which something is found waits for a person."""
    text = said.text.strip()
    looked = screened(text)
    return {
        **{question.value: getattr(said, question) for question in Question},
        "text": text,
        "published": looked.published,
        "found": [found.value for found in looked.found],
        "language": said.language,
        "state": (TextState.SCREENED if looked.found else TextState.SHOWN).value,
    }


async def _one_of_mine(session: AsyncSession, user_id: UUID, rating_id: UUID, now: datetime) -> MyRating:
    query = select(Rating).where(Rating.id == rating_id, Rating.user_id == user_id)
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    return (await _mine(session, rows, now))[0]


async def _mine(session: AsyncSession, rows: Sequence[Rating], now: datetime) -> list[MyRating]:
    names = await facility_names(session, {row.facility_id for row in rows})
    stays = await stay_facts(session, [row.stay_id for row in rows])
    read = {row.id for row in await readable(session, rows)}
    return [
        MyRating(
            id=row.id,
            stay_id=row.stay_id,
            facility_id=row.facility_id,
            facility=names[row.facility_id],
            marks=marks_of(row),
            text=row.text,
            agreed=row.id in read,
            state=TextState(row.state),
            reason=row.reason,
            created_at=row.created_at,
            may_change=_may_change(row, stays[row.stay_id], now),
            answer=AnswerOut(text=row.answer, month=month_of(row.answered_at)) if row.answered_at else None,
        )
        for row in rows
    ]

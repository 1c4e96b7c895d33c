"""Whoever is still inside when a booked time ends: reminded before, then step by step, as the city has set.

Money needs no step: the booking's permit ends, and the facility's tariff prices what is longer. All stops
when the vehicle leaves, and nothing is done where what is known of the stay is in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.enforcement.schemas import ClueSource
from parking_cloud.enforcement.service import add_clue
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.notices.schemas import Reader, Texts
from parking_cloud.notices.service import tell
from parking_cloud.occupancy.service import standing_of_spaces
from parking_cloud.registry.service import FacilityLabel, facility_labels, space_numbers
from parking_cloud.sharing import overstay_texts as texts
from parking_cloud.sharing.bans import ban
from parking_cloud.sharing.overstay_models import (
    Overstay,
    OverstayDeed,
    OverstayObjection,
    OverstayStep,
)
from parking_cloud.sharing.overstay_rules import (
    LOOKED_BACK,
    REMINDERS,
    Action,
    Standing,
    Step,
    is_in_the_way,
    next_step,
    reminder,
)
from parking_cloud.sharing.passes import has_other_permit
from parking_cloud.sharing.people import tell_staff
from parking_cloud.sharing.rules import STEP
from parking_cloud.sharing.service import bookable
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import open_stays_of, stay_facts

BOOKED_SOON = timedelta(minutes=30)
"""A space that somebody has booked within so long is to be left."""
CLUE_KIND = "shared_overstay"


class Ending(NamedTuple):
    """A booked time that ends, or has ended, with nothing of the same vehicle's going on from it."""

    booking_id: UUID
    user_id: UUID
    facility_id: UUID
    space_id: UUID
    plate_hash: bytes
    plate_sealed: bytes
    ends_at: datetime


def cause_of(overstay_id: UUID) -> str:
    """By what a suspension or a clue came about."""
    return f"overstay {overstay_id}"


async def look_at_ends(session: AsyncSession, now: datetime) -> None:
    """Remind, and do the next step of whoever is still there. The worker's job."""
    await _close_overstays(session, now)
    inside = await _inside(session, now)
    if not inside:
        return
    places = await facility_labels(session, {end.facility_id for end, _ in inside})
    steps = await steps_set(session)
    for end, stay in inside:
        if stay is not None and stay.situations:
            continue  # in doubt
        if await has_other_permit(session, end.plate_hash, places[end.facility_id], max(end.ends_at, now)):
            continue
        if end.ends_at > now:
            await _remind(session, end, places[end.facility_id], now)
        elif stay is not None:
            await _advance(session, end, stay, places[end.facility_id], steps, now)


async def _inside(session: AsyncSession, now: datetime) -> list[tuple[Ending, StayFacts | None]]:
    """Who came within a booked time that ends soon or has ended, and is still there. Without a stay: only the
    space tells that somebody stands on it, which is enough to remind, and for nothing else."""
    ends = await _endings(session, now)
    if not ends:
        return []
    stays = await open_stays_of(session, {end.plate_hash for end in ends})
    seen = await standing_of_spaces(session, {end.space_id for end in ends if end.ends_at > now})
    found: dict[UUID, tuple[Ending, StayFacts | None]] = {}
    for end in ends:
        stay = stays.get((end.plate_hash, end.facility_id))
        space = seen.get(end.space_id)
        if stay is not None and stay.entered_at < end.ends_at:
            found[stay.id] = (end, stay)
        elif stay is None and space is not None and space.occupied and space.certain:
            found[end.booking_id] = (end, None)
    return list(found.values())


async def steps_set(session: AsyncSession) -> list[Step]:
    """The city's steps, in their order."""
    rows = await session.scalars(select(OverstayStep).order_by(OverstayStep.after_minutes))
    return [
        Step(
            row.number,
            timedelta(minutes=row.after_minutes),
            Action(row.action),
            row.days,
            row.status == "confirmed",
        )
        for row in rows
    ]


async def _endings(session: AsyncSession, now: datetime) -> list[Ending]:
    """In the order of their ends. Those are left out from which the vehicle has another time that goes on, or
    that has come since."""
    rows = await session.execute(
        text(
            "select b.id, b.user_id, b.facility_id, s.space_id, b.plate_hash, b.plate_sealed, upper(s.during)"
            " from booking b join booking_slot s on s.booking_id = b.id and not s.lost"
            " where b.state in ('confirmed', 'ended') and b.ends_at > :since"
            " and upper(s.during) > :since and upper(s.during) <= :until and not exists ("
            "  select 1 from booking c join booking_slot n on n.booking_id = c.id and not n.lost"
            "  where c.plate_hash = b.plate_hash and c.facility_id = b.facility_id"
            "  and c.state in ('confirmed', 'ended') and c.ends_at > upper(s.during)"
            "  and (n.during @> upper(s.during) or n.during @> cast(:now as timestamptz)"
            "   and upper(s.during) <= :now))"
            " order by upper(s.during), b.id"
        ),
        {"since": now - LOOKED_BACK, "until": now + REMINDERS[0], "now": now},
    )
    return [Ending(*row) for row in rows]


async def _close_overstays(session: AsyncSession, now: datetime) -> None:
    """Those are over whose vehicle has left, or of whose stay nobody is sure any more."""
    rows = (await session.scalars(select(Overstay).where(Overstay.over_at.is_(None)).with_for_update())).all()
    stays = await stay_facts(session, [row.stay_id for row in rows])
    for row in rows:
        if stays[row.stay_id].state is not StayState.OPEN:
            row.over_at = now
    await session.flush()


async def _remind(session: AsyncSession, end: Ending, place: FacilityLabel, now: datetime) -> None:
    before = reminder(end.ends_at, now)
    if before is not None:
        minutes = int(before.total_seconds() // 60)
        key = f"booking {end.booking_id} ends {end.ends_at.isoformat()} {minutes}"
        said = texts.reminder_texts(place.name, _said(end.ends_at), minutes)
        await _tell(session, end.user_id, "booking_ends", key, said, now)


async def _advance(
    session: AsyncSession,
    end: Ending,
    stay: StayFacts,
    place: FacilityLabel,
    steps: Sequence[Step],
    now: datetime,
) -> None:
    overstay = await _noted(session, end, stay)
    rows = await session.scalars(select(OverstayDeed).where(OverstayDeed.overstay_id == overstay.id))
    done = {row.number: row.done_at for row in rows}
    objection = await session.get(OverstayObjection, overstay.id, populate_existing=True)
    standing = Standing(
        overstay.ended_at,
        in_doubt=False,
        in_the_way=await _in_the_way(session, overstay, now),
        objected=objection is not None and objection.answered_at is None,
        upheld=objection is not None and bool(objection.upheld),
    )
    step = next_step(steps, done, standing, now)
    if step is None:
        return
    until = None if step.days is None else now + timedelta(days=step.days)
    session.add(
        OverstayDeed(
            overstay_id=overstay.id, number=step.number, action=step.action.value, done_at=now, until=until
        )
    )
    await session.flush()
    await _do(session, step, overstay, end, place, until, now)


async def _noted(session: AsyncSession, end: Ending, stay: StayFacts) -> Overstay:
    """The overstay of a stay: one, by the database, whichever of its times ended last. It is locked, so that
    an objection or its answer is not overtaken by a step."""
    last = {"booking_id": end.booking_id, "space_id": end.space_id, "ended_at": end.ends_at}
    await session.execute(
        insert(Overstay)
        .values(id=new_id(), stay_id=stay.id, user_id=end.user_id, facility_id=end.facility_id, **last)
        .on_conflict_do_update(index_elements=["stay_id"], set_=last | {"over_at": None})
    )
    noted = select(Overstay).where(Overstay.stay_id == stay.id)
    return (await session.scalars(noted.execution_options(populate_existing=True))).one()


async def _in_the_way(session: AsyncSession, overstay: Overstay, now: datetime) -> bool:
    booked_next = await session.scalar(
        text(
            "select 1 from booking_slot s join booking b on b.id = s.booking_id where s.live"
            " and s.space_id = :space and b.state = 'confirmed'"
            " and s.during && tstzrange(:now, :soon) limit 1"
        ),
        {"space": overstay.space_id, "now": now, "soon": now + BOOKED_SOON},
    )
    offers = await bookable(session, start=now, end=now + STEP, now=now, facility_ids=[overstay.facility_id])
    offer = offers.get(overstay.facility_id)
    return is_in_the_way(open_to_all=offer is not None and offer.walk_in, booked_next=booked_next is not None)


async def _do(
    session: AsyncSession,
    step: Step,
    overstay: Overstay,
    end: Ending,
    place: FacilityLabel,
    until: datetime | None,
    now: datetime,
) -> None:
    key, ended = f"{cause_of(overstay.id)} {step.number}", _said(overstay.ended_at)
    match step.action:
        case Action.MESSAGE:
            said = texts.message_texts(place.name, ended)
            await _tell(session, overstay.user_id, "overstay", key, said, now)
        case Action.CALL:
            space = (await space_numbers(session, [overstay.space_id]))[overstay.space_id]
            await tell_staff(
                session, place, "overstay_call", key, texts.call_texts(place.name, space, ended), now
            )
        case Action.SUSPEND:
            assert until is not None
            cause = cause_of(overstay.id)
            await ban(session, overstay.user_id, end.plate_hash, until=until, cause=cause, now=now)
            said = texts.suspended_texts(place.name, ended, _said(until))
            await _tell(session, overstay.user_id, "booking_suspended", key, said, now)
        case Action.CLUE:
            await add_clue(
                session,
                cause=cause_of(overstay.id),
                kind=CLUE_KIND,
                source=ClueSource.BOOKING,
                at=overstay.ended_at,
                text=texts.clue_text(ended),
                now=now,
                facility_id=overstay.facility_id,
                plate_hash=end.plate_hash,
                plate_sealed=end.plate_sealed,
            )
            said = texts.clue_told_texts(place.name, ended)
            await _tell(session, overstay.user_id, "overstay_passed_on", key, said, now)


async def _tell(
    session: AsyncSession, user_id: UUID, kind: str, key: str, said: Texts, now: datetime
) -> None:
    await tell(session, reader=Reader(user_id=user_id), kind=kind, dedupe_key=key, texts=said, now=now)


def _said(at: datetime) -> str:
    return city_time(at).strftime("%m-%d %H:%M")

"""A booking whose space was not left in time: another space, or word in time with other places."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.notices.schemas import Reader
from parking_cloud.notices.service import tell
from parking_cloud.occupancy.service import standing_of_spaces
from parking_cloud.registry.service import facility_labels
from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing import overstay_texts as texts
from parking_cloud.sharing import passes, rules
from parking_cloud.sharing.alternatives import alternatives
from parking_cloud.sharing.booking import locked
from parking_cloud.sharing.ending import with_followers
from parking_cloud.sharing.entry_rules import EARLY
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.overstay_models import BookingMove
from parking_cloud.sharing.paying import live_slots, span_of
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.schemas import BookingKind, BookingState
from parking_cloud.sharing.service import free_spaces
from parking_cloud.sharing.times import Span
from parking_cloud.stays.service import open_stays

_STALE = timedelta(hours=2)


async def move_endangered(session: AsyncSession, now: datetime) -> None:
    """See to the bookings that begin soon on a space which somebody has not left. The worker's job."""
    rows = await session.execute(
        text(
            "select b.id, b.facility_id, o.id as overstay_id, lower(s.during) as begins_at from overstay o"
            " join booking_slot s on s.space_id = o.space_id and s.live"
            "  and s.during && tstzrange(:now, :soon) join booking b on b.id = s.booking_id"
            " where o.over_at is null and b.state = 'confirmed' and b.id <> o.booking_id"
            " and lower(s.during) > :begun and not exists (select 1 from booking_move m"
            "  where m.booking_id = b.id and m.slot_starts_at = lower(s.during)) order by b.facility_id, b.id"
        ),
        {"now": now, "soon": now + EARLY, "begun": now - EARLY},
    )
    for row in rows.all():
        await alone(session, f"bookings at {row.facility_id}")
        await _see_to(session, row.id, row.overstay_id, row.begins_at, now)


async def _see_to(
    session: AsyncSession, booking_id: UUID, overstay_id: UUID, begins_at: datetime, now: datetime
) -> None:
    booking = await locked(session, booking_id)
    slots = await _concerned(session, booking, begins_at)
    inside = await open_stays(session, booking.plate_hash, booking.facility_id)
    if booking.state != BookingState.CONFIRMED or not slots or inside:
        return
    taken = slots[0].space_id
    free = await _elsewhere(session, booking, slots, now)
    moved_to = free[0] if free and await _move(session, slots, free[0].id) else None
    if moved_to is not None:
        await _now_on(session, slots, moved_to.id, now)
    session.add(
        BookingMove(
            booking_id=booking.id,
            slot_starts_at=begins_at,
            overstay_id=overstay_id,
            from_space=taken,
            to_space=moved_to.id if moved_to else None,
            at=now,
        )
    )
    await session.flush()
    await _tell(session, booking, begins_at, slots[0], moved_to, now)


async def _concerned(session: AsyncSession, booking: Booking, begins_at: datetime) -> list[BookingSlot]:
    """The time that begins, and those of the bookings that go on from it; of a month only what follows on it
    without a break on the same space."""
    slots = await live_slots(session, booking.id)
    own = [slot for slot in slots if span_of(slot).start == begins_at]
    if not own:
        return []
    if booking.kind == BookingKind.MONTH:
        for slot in slots:
            if span_of(slot).start == span_of(own[-1]).end and slot.space_id == own[0].space_id:
                own.append(slot)
        return own
    following = (await with_followers(session, booking.id))[1:]
    return [*own, *[slot for each in following for slot in await live_slots(session, each)]]


async def _elsewhere(
    session: AsyncSession, booking: Booking, slots: Sequence[BookingSlot], now: datetime
) -> list[SharedSpace]:
    """Spaces of the same kind that are open and free throughout, and on which nobody stands."""
    spans = [span_of(slot) for slot in slots]
    plan = (await published(session, now, [booking.facility_id])).get(booking.facility_id)
    here = (await shared_spaces(session, [booking.facility_id])).get(booking.facility_id, [])
    kinds = {space.kind for space in here if space.id == slots[0].space_id}
    alike = {space.id: space for space in here if space.kind in kinds and space.id != slots[0].space_id}
    if plan is None or not alike:
        return []
    opened = [alike[id_] for id_ in rules.spaces_open(plan, list(alike), spans)]
    free = await free_spaces(session, opened, spans, now)
    held = await _not_left(session, booking.facility_id)
    seen = await standing_of_spaces(session, [space.id for space in free])
    return [s for s in free if s.id not in held and not (s.id in seen and seen[s.id].occupied)]


async def _not_left(session: AsyncSession, facility_id: UUID) -> set[UUID]:
    rows = await session.scalars(
        text("select space_id from overstay where over_at is null and facility_id = :id"), {"id": facility_id}
    )
    return set(rows)


async def _move(session: AsyncSession, slots: Sequence[BookingSlot], space_id: UUID) -> bool:
    """Whether the database lets these times have that space."""
    try:
        async with session.begin_nested():
            for slot in slots:
                own = (BookingSlot.booking_id == slot.booking_id, BookingSlot.number == slot.number)
                await session.execute(update(BookingSlot).where(*own).values(space_id=space_id))
    except IntegrityError:
        return False
    return True


async def _now_on(session: AsyncSession, slots: Sequence[BookingSlot], space_id: UUID, now: datetime) -> None:
    """The bookings of these times name their new space, and others hear of it."""
    for id_ in dict.fromkeys(slot.booking_id for slot in slots):
        booking = await locked(session, id_)
        if booking.kind != BookingKind.MONTH:
            await session.execute(update(Booking).where(Booking.id == id_).values(space_id=space_id))
        booking.changed_at = now
        await session.flush()
        await passes.follow(session, booking)


async def _tell(
    session: AsyncSession,
    booking: Booking,
    begins_at: datetime,
    slot: BookingSlot,
    moved_to: SharedSpace | None,
    now: datetime,
) -> None:
    place = (await facility_labels(session, [booking.facility_id]))[booking.facility_id]
    begins = city_time(begins_at).strftime("%m-%d %H:%M")
    if moved_to is not None:
        said, kind = texts.moved_texts(place.name, moved_to.number, begins), "booking_moved"
    else:
        until = Span(now, span_of(slot).end).end
        elsewhere = await alternatives(session, booking.facility_id, until, now, _STALE)
        said = texts.taken_texts(place.name, begins, "、".join(each.name for each in elsewhere))
        kind = "space_still_taken"
    key = f"moved {booking.id} {begins_at.isoformat()}"
    await tell(
        session, reader=Reader(user_id=booking.user_id), kind=kind, dedupe_key=key, texts=said, now=now
    )

"""What others ask of sharing: what can be booked, and what is known of a booking."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.allow_list import pass_states
from parking_cloud.kernel.money import Fen
from parking_cloud.payments.facts import settled
from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing import rules
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.schemas import Bookable, BookingFacts, BookingKind, BookingState, Slot, Why
from parking_cloud.sharing.times import Span, union

ORDINARY = frozenset({"standard", "large"})
"""Kinds of spaces that anybody may book; the others have to be asked for."""
_LATE = "case when b.state = 'held' and b.held_until <= :now then b.charge_id end as late"
"""The charge of a booking whose time to pay is over."""


async def bookable(
    session: AsyncSession,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    facility_ids: Collection[UUID] | None = None,
) -> dict[UUID, Bookable]:
    """What is open for the whole of the asked time, by facility; the others are left out.

    Nobody is asked for: a time in the past is answered as it was planned.
    """
    asked = Span(start, end)
    plans = await published(session, min(start, now), facility_ids)
    opened = {facility: plan for facility, plan in plans.items() if rules.open_for(plan, asked) is not None}
    spaces = await shared_spaces(session, opened)
    taken = await taken_spaces(session, [space.id for of in spaces.values() for space in of], [asked], now)
    found = {
        facility: offered(facility, opened[facility], here, taken, asked) for facility, here in spaces.items()
    }
    return {facility: one for facility, one in found.items() if one is not None}


def offered(
    facility_id: UUID, plan: rules.Plan, spaces: Sequence[SharedSpace], taken: Collection[UUID], asked: Span
) -> Bookable | None:
    """What of a facility is open for the whole of the asked time, but for the spaces taken by then."""
    span = rules.open_for(plan, asked)
    opened = set(rules.spaces_open(plan, [space.id for space in spaces], [asked])) if span else set()
    if span is None or not opened:
        return None
    left = [space for space in spaces if space.id in opened and space.id not in taken]
    return Bookable(
        facility_id=facility_id,
        starts_at=asked.start,
        ends_at=span.end,
        spaces=len(opened),
        left=sum(space.kind in ORDINARY for space in left),
        left_accessible=sum(space.kind == "accessible" for space in left),
        left_charging=sum(space.kind == "charging" for space in left),
        walk_in=plan.walk_in,
        price=rules.hour_price(plan, asked),
    )


async def taken_times(session: AsyncSession, now: datetime) -> dict[UUID, list[Span]]:
    """By space, the times from now on that somebody has it for."""
    rows = await session.execute(
        text(
            f"select s.space_id, lower(s.during) as start, upper(s.during) as until, {_LATE}"
            " from booking_slot s join booking b on b.id = s.booking_id"
            " where s.live and upper(s.during) > :now"
        ),
        {"now": now},
    )
    found: dict[UUID, list[Span]] = {}
    for row in await _still_held(session, rows):
        found.setdefault(row.space_id, []).append(Span(row.start, row.until))
    return found


async def _still_held(session: AsyncSession, rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Without those that were held for somebody who did not pay in time. What was paid in time is held,
    though its booking has not heard of it yet."""
    every = list(rows)
    late = {row.late for row in every if row.late is not None}
    unpaid = late - await settled(session, late)
    return [row for row in every if row.late not in unpaid]


async def free_spaces(
    session: AsyncSession, spaces: Sequence[SharedSpace], slots: Sequence[Span], now: datetime
) -> list[SharedSpace]:
    """Those that nobody holds in any of these times."""
    taken = await taken_spaces(session, [space.id for space in spaces], slots, now)
    return [space for space in spaces if space.id not in taken]


async def taken_spaces(
    session: AsyncSession, space_ids: Sequence[UUID], slots: Sequence[Span], now: datetime
) -> set[UUID]:
    """Those of these spaces that somebody has in any of these times. One that was held for somebody who did
    not pay in time counts as free."""
    if not space_ids:
        return set()
    rows = await session.execute(
        text(
            f"select s.space_id, {_LATE} from booking_slot s join booking b on b.id = s.booking_id"
            " where s.live and s.space_id = any(:spaces) and s.during && cast(:times as tstzmultirange)"
        ),
        {"spaces": list(space_ids), "times": multirange(slots), "now": now},
    )
    return {row.space_id for row in await _still_held(session, rows)}


def multirange(spans: Sequence[Span]) -> str:
    """Times as PostgreSQL writes them."""
    inside = ", ".join(f"[{span.start.isoformat()}, {span.end.isoformat()})" for span in spans)
    return "{" + inside + "}"


async def booking_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, BookingFacts]:
    """Those of these bookings that exist."""
    bookings = (await session.scalars(select(Booking).where(Booking.id.in_(ids)))).all()
    slots = await slots_of(session, ids)
    until = await continued_until(session, ids)
    gates = await pass_states(session, ids)
    return {
        booking.id: BookingFacts(
            id=booking.id,
            user_id=booking.user_id,
            facility_id=booking.facility_id,
            space_id=booking.space_id,
            kind=BookingKind(booking.kind),
            state=BookingState(booking.state),
            why=None if booking.why is None else Why(booking.why),
            plate_hash=booking.plate_hash,
            plate_sealed=booking.plate_sealed,
            starts_at=booking.starts_at,
            ends_at=booking.ends_at,
            slots=[Slot(*span) for span in slots.get(booking.id, [])],
            extends=booking.extends,
            continued_until=until.get(booking.id, booking.ends_at),
            charge_id=booking.charge_id,
            price=Fen(booking.price),
            gate=gates.get(booking.id),
            made_at=booking.made_at,
        )
        for booking in bookings
    }


async def slots_of(session: AsyncSession, booking_ids: Collection[UUID]) -> dict[UUID, list[Span]]:
    """The times of these bookings, as far as they still have them, or had until they were over; those that
    touch are one."""
    rows = await session.execute(
        text(
            "select booking_id, lower(during), upper(during) from booking_slot"
            " where booking_id = any(:ids) and not lost order by booking_id, number"
        ),
        {"ids": list(booking_ids)},
    )
    found: dict[UUID, list[Span]] = {}
    for booking, start, end in rows:
        found.setdefault(booking, []).append(Span(start, end))
    return {booking: union(spans) for booking, spans in found.items()}


async def space_now(session: AsyncSession, booking_ids: Collection[UUID], now: datetime) -> dict[UUID, UUID]:
    """The space that each of these bookings has now, or has next: one of a month's nights may have been
    moved. Those that have none to come are left out."""
    rows = await session.execute(
        text(
            "select distinct on (booking_id) booking_id, space_id from booking_slot"
            " where booking_id = any(:ids) and live and upper(during) > :now"
            " order by booking_id, lower(during)"
        ),
        {"ids": list(booking_ids), "now": now},
    )
    return {row.booking_id: row.space_id for row in rows}


async def booked_already(
    session: AsyncSession,
    facility_id: UUID,
    plate_hash: bytes,
    slots: Sequence[Span],
    but: Collection[UUID] = (),
) -> bool:
    """Whether a vehicle has a space at a facility in any of these times by another booking than those."""
    found = await session.scalar(
        text(
            "select 1 from booking b join booking_slot s on s.booking_id = b.id where s.live"
            " and b.facility_id = :facility and b.plate_hash = :plate and b.state in ('held', 'confirmed')"
            " and b.id <> all(:but) and s.during && cast(:times as tstzmultirange) limit 1"
        ),
        {"facility": facility_id, "plate": plate_hash, "times": multirange(slots), "but": list(but)},
    )
    return found is not None


async def continued_until(session: AsyncSession, booking_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the last confirmed booking ends that goes on from each of these; others are left out."""
    rows = await session.execute(
        text(
            "with recursive chain (first, id, ends_at) as ("
            " select extends, id, ends_at from booking where extends = any(:ids)"
            "  and state in ('confirmed', 'ended')"
            " union all select c.first, b.id, b.ends_at from chain c join booking b on b.extends = c.id"
            "  and b.state in ('confirmed', 'ended')"
            ") select first, max(ends_at) as last from chain group by first"
        ),
        {"ids": list(booking_ids)},
    )
    return {row.first: row.last for row in rows}


async def confirmed_at(
    session: AsyncSession, plate_hash: bytes, facility_id: UUID, at: datetime, early: timedelta
) -> list[UUID]:
    """A vehicle's confirmed bookings at a facility that hold at a moment, or begin soon after it."""
    rows = await session.scalars(
        text(
            "select b.id from booking b join booking_slot s on s.booking_id = b.id"
            " where b.plate_hash = :plate and b.facility_id = :facility and b.state = 'confirmed'"
            " and s.live and s.during && tstzrange(:at, :soon, '[]') order by lower(s.during), b.id"
        ),
        {"plate": plate_hash, "facility": facility_id, "at": at, "soon": at + early},
    )
    return list(dict.fromkeys(rows))


class Claim(NamedTuple):
    """A vehicle's claim on a space."""

    plate_hash: bytes
    space_id: UUID
    starts_at: datetime


async def booked_until(
    session: AsyncSession, facility_id: UUID, at: datetime, until: datetime
) -> list[Claim]:
    """Who has booked at a facility for any time between two moments; paid."""
    rows = await session.execute(
        text(
            "select b.plate_hash, s.space_id, lower(s.during) from booking b"
            " join booking_slot s on s.booking_id = b.id and s.live"
            " where b.facility_id = :facility and b.state = 'confirmed' and b.ends_at > :at"
            " and s.during && tstzrange(:at, :until)"
        ),
        {"facility": facility_id, "at": at, "until": until},
    )
    return [Claim(bytes(row[0]), row[1], row[2]) for row in rows]


async def concerned(session: AsyncSession, facility_id: UUID, span: Span, now: datetime) -> list[UUID]:
    """The bookings that hold a space at a facility within a time."""
    rows = await session.execute(
        text(
            f"select distinct b.id, {_LATE} from booking b join booking_slot s on s.booking_id = b.id"
            " where b.facility_id = :facility and s.live and s.during && tstzrange(:start, :end)"
            " and upper(s.during) > :now order by b.id"
        ),
        {"facility": facility_id, "start": span.start, "end": span.end, "now": now},
    )
    return [row.id for row in await _still_held(session, rows)]


async def booked_counts(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, int]:
    """How many booked times began between two moments that were neither cancelled nor never paid, by
    facility."""
    kept = [BookingState.CONFIRMED.value, BookingState.ENDED.value, BookingState.TURNED_AWAY.value]
    begun = func.lower(BookingSlot.during)
    rows = await session.execute(
        select(Booking.facility_id, func.count())
        .join(BookingSlot, BookingSlot.booking_id == Booking.id)
        .where(Booking.state.in_(kept), begun >= since, begun < until)
        .group_by(Booking.facility_id)
    )
    return {row[0]: row[1] for row in rows}

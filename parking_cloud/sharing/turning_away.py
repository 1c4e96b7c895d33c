"""A booked driver was not let in: one press, and there is another place, the money back, and a record.

The record says what the gate had answered and what was seen there, so that the institution can be asked and
can answer. Whoever is inside by the gate's own word was not turned away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates import allow_list
from parking_cloud.gates.allow_list import PassFacts
from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.gates.passages import passages_of_plates
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.coordinates import Position, distance_m
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import Problem
from parking_cloud.notices.schemas import Reader
from parking_cloud.notices.service import tell
from parking_cloud.occupancy.schemas import FacilityNow
from parking_cloud.occupancy.service import get_facilities, standing_of_spaces
from parking_cloud.registry.service import facility_labels
from parking_cloud.sharing.alternatives import Alternative, alternatives
from parking_cloud.sharing.booking import own
from parking_cloud.sharing.entry_rules import EARLY, NotNow, nothing_used, turned_away_of
from parking_cloud.sharing.gate_texts import turned_away_staff_texts, turned_away_texts
from parking_cloud.sharing.losing import turn_away
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.paying import live_slots, span_of
from parking_cloud.sharing.people import tell_staff
from parking_cloud.sharing.schemas import BookingState
from parking_cloud.sharing.times import Span
from parking_cloud.sharing.turn_away_models import TurnAway
from parking_cloud.stays.service import open_stays, stays_of_plates

_SEEN_WITHIN = timedelta(hours=24)
_STAYS_BEGUN, _STAYS = timedelta(days=7), 50
"""So many of a vehicle's stays are looked at, so long before its time began."""


class TurnedAwayIn(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing has to be said. Of where the phone is (WGS-84) only the distance is kept."""

    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None


class TurnedAwayOut(msgspec.Struct, frozen=True, kw_only=True):
    """`refund` in fen goes back by itself; the nearest place first."""

    id: UUID
    refund: Fen
    alternatives: list[Alternative]


class NotTurnedAway(Problem):
    slug = "not-turned-away"
    status = 409
    title = {"zh-CN": "现在不能登记被拒入场", "en": "You cannot say so now"}
    detail = {"zh-CN": "{zh}", "en": "{en}"}


_REASONS = {
    NotNow.NOT_CONFIRMED: (
        "该预约未生效或已结束；如需退款请取消预约或提出申诉。",
        "The booking is not in force. Cancel it, or object.",
    ),
    NotNow.NOT_THE_TIME: (
        "请在预约时段内，或开始前15分钟至结束后15分钟内登记。",
        "Say so within the booked time, or at most 15 minutes before or after it.",
    ),
    NotNow.INSIDE: (
        "道闸记录显示您的车辆已在场内；如记录有误，请对停车记录提出申诉。",
        "By the gate's records your vehicle is inside. If they are wrong, object to the stay.",
    ),
}


class _Seen(NamedTuple):
    inside: bool
    had_been_in: bool
    last: datetime | None


async def say_turned_away(
    session: AsyncSession,
    user_id: UUID,
    booking_id: UUID,
    said: TurnedAwayIn,
    now: datetime,
    stale_after: timedelta,
) -> TurnedAwayOut:
    """Note it and make it good; pressed again, the same answer. Raises BookingNotFound, NotTurnedAway."""
    booking = await own(session, user_id, booking_id)
    await alone(session, f"bookings at {booking.facility_id}")
    await session.refresh(booking)
    noted = await _noted(session, booking_id, now)
    if noted is not None:
        return _shown(noted)
    space_of = {span_of(slot): slot.space_id for slot in await live_slots(session, booking_id)}
    confirmed = booking.state == BookingState.CONFIRMED
    slot = turned_away_of(list(space_of), confirmed=confirmed, now=now)
    if isinstance(slot, NotNow):
        raise _not_now(slot)
    begun = await _begun(session, booking, slot)
    seen = await _seen(session, booking, begun, now)
    if seen.inside:
        raise _not_now(NotNow.INSIDE)
    gate = (await allow_list.pass_facts(session, [booking_id])).get(booking_id)
    elsewhere = await alternatives(session, booking.facility_id, slot.end, now, stale_after)
    whole = nothing_used(begun, slot, had_been_in=seen.had_been_in, now=now)
    refund = await turn_away(session, booking_id, slot, whole=whole, now=now)
    row = await _record(session, booking, slot, space_of[slot], said, gate, seen, now, stale_after)
    row.refund, row.alternatives = refund, msgspec.to_builtins(elsewhere)
    session.add(row)
    await session.flush()
    await _tell(session, booking, row, now)
    return _shown(row)


async def _noted(session: AsyncSession, booking_id: UUID, now: datetime) -> TurnAway | None:
    """What was noted of this very time. Another of a month's times is another matter."""
    newest = select(TurnAway).where(TurnAway.booking_id == booking_id).order_by(TurnAway.at.desc()).limit(1)
    found = await session.scalar(newest)
    if found is None:
        return None
    booking = await session.get_one(Booking, booking_id)
    over = booking.state == BookingState.TURNED_AWAY
    return found if over or now - found.at < 2 * EARLY else None


def _not_now(why: NotNow) -> NotTurnedAway:
    zh, en = _REASONS[why]
    return NotTurnedAway(zh=zh, en=en)


async def _begun(session: AsyncSession, booking: Booking, slot: Span) -> datetime:
    """When a time began, with what it goes on from."""
    first = booking
    while first.extends is not None:
        first = await session.get_one(Booking, first.extends)
    return slot.start if first is booking else first.starts_at


async def _seen(session: AsyncSession, booking: Booking, begun: datetime, now: datetime) -> _Seen:
    """What the gates say of the vehicle at this facility, within a day and since its time began."""
    plate, facility = booking.plate_hash, booking.facility_id
    since = min(now - _SEEN_WITHIN, begun - EARLY)
    passed = await passages_of_plates(session, {plate: since})
    here = sorted((p for p in passed[plate] if p.facility_id == facility and p.at <= now), key=lambda p: p.at)
    open_ = await open_stays(session, plate, facility)
    inside = bool(open_) or bool(here and here[-1].direction == "entry")
    stays = await stays_of_plates(session, {plate: begun - _STAYS_BEGUN}, now, _STAYS)
    had_been_in = any(p.at >= begun - EARLY for p in here) or any(
        stay.facility_id == facility and (stay.exited_at is None or stay.exited_at > begun) for stay in stays
    )
    last = here[-1].at if here and here[-1].at >= now - _SEEN_WITHIN else None
    return _Seen(inside, had_been_in, last)


async def _record(
    session: AsyncSession,
    booking: Booking,
    slot: Span,
    space_id: UUID,
    said: TurnedAwayIn,
    gate: PassFacts | None,
    seen: _Seen,
    now: datetime,
    stale_after: timedelta,
) -> TurnAway:
    space = (await standing_of_spaces(session, [space_id])).get(space_id)
    (place,) = await get_facilities(session, [booking.facility_id], now=now, stale_after=stale_after)
    return TurnAway(
        booking_id=booking.id,
        slot_starts_at=slot.start,
        facility_id=booking.facility_id,
        at=now,
        lane=said.lane,
        gate_state=gate.state if gate else PassState.WAITING,
        gate_failure=gate.failure if gate else "",
        gate_told_at=gate.told_at if gate else None,
        gate_acknowledged_at=gate.acknowledged_at if gate else None,
        seen_at_gate=seen.last,
        had_been_in=seen.had_been_in,
        distance_m=_metres(place, said),
        space_occupied=space.occupied if space else None,
        facility_free=None if place.stale else place.free,
    )


def _metres(place: FacilityNow, said: TurnedAwayIn) -> int | None:
    if said.lat is None or said.lon is None or place.position is None:
        return None
    here = Position(place.position.lat, place.position.lon)
    return round(distance_m(here, Position(said.lat, said.lon)))


async def _tell(session: AsyncSession, booking: Booking, row: TurnAway, now: datetime) -> None:
    place = (await facility_labels(session, [booking.facility_id]))[booking.facility_id]
    await tell(
        session,
        reader=Reader(user_id=booking.user_id),
        kind="turned_away",
        dedupe_key=f"turned away {row.id}",
        texts=turned_away_texts(place.name, format_yuan(Fen(row.refund))),
        now=now,
    )
    at = city_time(row.at).strftime("%m-%d %H:%M")
    texts = turned_away_staff_texts(place.name, at)
    await tell_staff(session, place, "turned_away", f"turned away {row.id} staff", texts, now)


def _shown(row: TurnAway) -> TurnedAwayOut:
    return TurnedAwayOut(
        id=row.id,
        refund=Fen(row.refund),
        alternatives=msgspec.convert(row.alternatives, list[Alternative]),
    )

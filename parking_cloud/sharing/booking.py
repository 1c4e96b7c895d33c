"""Booking a space, and going on with it.

Who books at a facility waits until nobody else does; should that ever fail, the database still lets no two
hold one space. The order of locks: driver, facility, charge, booking.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.vehicles import HeldVehicle
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.payments.charging import charge_sale
from parking_cloud.payments.offers import Offer, OfferPart
from parking_cloud.payments.schemas import ChargeKind, Via
from parking_cloud.registry.service import FacilityLabel, facility_label, facility_labels
from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing import problems, rules
from parking_cloud.sharing.bans import refuse_banned
from parking_cloud.sharing.models import Booking, BookingSlot
from parking_cloud.sharing.paying import confirm, lapse_at
from parking_cloud.sharing.plans import policy_at, published
from parking_cloud.sharing.rules import Plan, Policy
from parking_cloud.sharing.schemas import LIVE, BookingIn, BookingKind, BookingState, Why
from parking_cloud.sharing.service import ORDINARY, booked_already, free_spaces
from parking_cloud.sharing.texts import SALE_LINES
from parking_cloud.sharing.times import Span
from parking_cloud.tariffs.schemas import Line

_LATE = timedelta(minutes=15)
"""So long ago a booking may begin: who books at the gate has looked at the clock before."""
_LONGEST_BEGUN = timedelta(days=2)
"""So long ago a window may have begun that is open now."""


class Booked(NamedTuple):
    """A booking, and what it is paid by; None where it costs nothing."""

    id: UUID
    offer: Offer | None


class _Wanted(NamedTuple):
    place: FacilityLabel
    plan: Plan
    policy: Policy
    slots: list[Span]
    price: Fen


async def book(
    session: AsyncSession, user_id: UUID, asked: BookingIn, vehicle: HeldVehicle, now: datetime
) -> Booked:
    """Hold a space for a vehicle until it is paid; what costs nothing is confirmed at once.

    Raises NotShared, WrongTime, NotOpenThen, DaysUnknown, NotOffered, NoSpaceLeft, BookedAlready,
    TooManyBookings, TooManyUnpaid, MayNotBook.
    """
    await refuse_banned(session, user_id, vehicle.plate_hash, now)
    wanted, spaces = await _wanted(session, asked, now)
    if not await free_spaces(session, spaces, wanted.slots, now):
        raise problems.NoSpaceLeft()  # the many who come too late need not wait for each other
    await alone(session, f"bookings of driver {user_id}")
    await alone(session, f"bookings at {wanted.place.id}")
    await lapse_at(session, wanted.place.id, now)
    wanted, spaces = await _wanted(session, asked, now)  # it may have been closed while one waited
    await _check_limits(session, user_id, vehicle, wanted, now)
    free = await free_spaces(session, spaces, wanted.slots, now)
    if not free:
        raise problems.NoSpaceLeft()
    booking = Booking(
        id=new_id(),
        user_id=user_id,
        facility_id=wanted.place.id,
        space_id=free[0].id,
        kind=asked.kind.value,
        vehicle_id=asked.vehicle_id,
        plate_hash=vehicle.plate_hash,
        plate_sealed=vehicle.plate_sealed,
        starts_at=wanted.slots[0].start,
        ends_at=wanted.slots[-1].end,
        price=wanted.price,
    )
    return await _keep(session, booking, wanted, now)


async def extend(
    session: AsyncSession, user_id: UUID, booking_id: UUID, end: datetime, now: datetime
) -> Booked:
    """Stay longer on the same space: a booking of its own that goes on from this one, for the difference.

    Raises BookingNotFound, NoLonger, WrongTime, NotOpenThen, NotOffered, NotFreeNext, MayNotBook.
    """
    first = await own(session, user_id, booking_id)
    await refuse_banned(session, user_id, first.plate_hash, now)
    await alone(session, f"bookings of driver {user_id}")
    await alone(session, f"bookings at {first.facility_id}")
    await lapse_at(session, first.facility_id, now)
    chain = await _chain(session, first)
    last = chain[-1]
    if last.state != BookingState.CONFIRMED or last.ends_at <= now or first.kind == BookingKind.MONTH:
        raise problems.NoLonger()
    more = Span(last.ends_at, end)
    if not rules.on_the_step(end) or more.end - more.start < rules.STEP:
        raise _wrong("end", "has to be later than now booked, at a multiple of five minutes")
    policy = await policy_at(session, now)
    _refuse_too_far(end, policy, now)
    plan = (await published(session, now, [first.facility_id])).get(first.facility_id)
    if plan is None or rules.open_for(plan, more, last.space_id) is None:
        raise problems.NotOpenThen()
    price = rules.extension_price(
        plan, Span(first.starts_at, first.ends_at), more, sum(each.price for each in chain)
    )
    if price is None:
        raise problems.NotOffered()
    place = (await facility_labels(session, [first.facility_id]))[first.facility_id]
    wanted = _Wanted(place, plan, policy, [more], price)
    booking = Booking(
        id=new_id(),
        user_id=user_id,
        facility_id=first.facility_id,
        space_id=last.space_id,
        kind=BookingKind.HOUR.value,
        vehicle_id=last.vehicle_id,
        plate_hash=last.plate_hash,
        plate_sealed=last.plate_sealed,
        starts_at=more.start,
        ends_at=more.end,
        price=price,
        extends=last.id,
    )
    try:
        return await _keep(session, booking, wanted, now)
    except problems.NoSpaceLeft as error:
        raise problems.NotFreeNext() from error


async def own(session: AsyncSession, user_id: UUID, booking_id: UUID) -> Booking:
    """One of a driver's own bookings. Raises BookingNotFound."""
    booking = await session.get(Booking, booking_id)
    if booking is None or booking.user_id != user_id:
        raise problems.BookingNotFound()
    return booking


async def locked(session: AsyncSession, booking_id: UUID) -> Booking:
    """A booking as it is now, held until the transaction ends. The caller holds its facility."""
    return await session.get_one(Booking, booking_id, with_for_update=True, populate_existing=True)


async def _chain(session: AsyncSession, first: Booking) -> list[Booking]:
    """A booking and those that go on from it, one after another."""
    chain = [await locked(session, first.id)]
    while True:
        following = await session.scalar(
            select(Booking)
            .where(Booking.extends == chain[-1].id, Booking.state.in_(LIVE))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if following is None:
            return chain
        chain.append(following)


async def _wanted(
    session: AsyncSession, asked: BookingIn, now: datetime
) -> tuple[_Wanted, list[SharedSpace]]:
    """What is asked for, and the spaces that fit."""
    place = await facility_label(session, asked.facility)
    plans = {} if place is None else await published(session, now, [place.id])
    if place is None or place.id not in plans:
        raise problems.NotShared()
    plan, policy = plans[place.id], await policy_at(session, now)
    if asked.start < now - _LONGEST_BEGUN:
        raise _wrong("start", "lies in the past")
    if asked.start > now + timedelta(days=policy.days_ahead):
        raise _wrong("start", f"at most {policy.days_ahead} days ahead")
    if asked.end is not None:
        _refuse_too_far(asked.end, policy, now)
    slots = _slots(plan, asked, now)
    price = {
        BookingKind.HOUR: rules.hour_price(plan, slots[0]),
        BookingKind.EVENING: plan.price_evening,
        BookingKind.MONTH: plan.price_month,
    }[asked.kind]
    if price is None:
        raise problems.NotOffered()
    wanted = _Wanted(place, plan, policy, slots, Fen(price))
    return wanted, await _fitting(session, wanted, asked.need)


def _refuse_too_far(end: datetime, policy: Policy, now: datetime) -> None:
    """Before anything is worked out day by day until then. Raises WrongTime."""
    if end > now + timedelta(days=policy.days_ahead + 1):
        raise _wrong("end", f"at most {policy.days_ahead + 1} days ahead")


def _slots(plan: Plan, asked: BookingIn, now: datetime) -> list[Span]:
    """The times that are to be held. Raises WrongTime, NotOpenThen, DaysUnknown."""
    match asked.kind:
        case BookingKind.HOUR:
            return [_by_the_hour(plan, asked, now)]
        case BookingKind.EVENING:
            whole = rules.window_at(plan, asked.start)
            if whole is None or whole.end <= now:
                raise problems.NotOpenThen()
            return [_from_now(whole, now)]
        case BookingKind.MONTH:
            day = city_time(asked.start).date()
            if day < city_time(now).date():
                raise _wrong("start", "lies in the past")
            opening = rules.open_times(plan, rules.month_of(day))
            if opening.unknown:
                raise problems.DaysUnknown(first=opening.unknown[0].isoformat())
            slots = rules.by_days([_from_now(span, now) for span in opening.times if span.end > now])
            if not slots:
                raise problems.NotOpenThen()
            return slots


def _from_now(span: Span, now: datetime) -> Span:
    """What of it is still to come: until then, somebody else may have the space."""
    step = rules.STEP.total_seconds()
    return Span(max(span.start, now - timedelta(seconds=now.timestamp() % step)), span.end)


def _by_the_hour(plan: Plan, asked: BookingIn, now: datetime) -> Span:
    if asked.end is None:
        raise _wrong("end", "say until when")
    if not (rules.on_the_step(asked.start) and rules.on_the_step(asked.end)):
        raise _wrong("start", "begin and end at multiples of five minutes")
    if asked.end - asked.start < rules.SHORTEST:
        raise _wrong("end", "at least half an hour")
    if asked.start < now - _LATE or asked.end <= now:
        raise _wrong("start", "lies in the past")
    span = Span(asked.start, asked.end)
    if rules.open_for(plan, span) is None:
        unknown = rules.open_times(plan, span).unknown
        if unknown:
            raise problems.DaysUnknown(first=unknown[0].isoformat())
        raise problems.NotOpenThen()
    return span


async def _fitting(session: AsyncSession, wanted: _Wanted, need: str | None) -> list[SharedSpace]:
    """The spaces that fit and are open throughout. Accessible ones and chargers are for who asks for them."""
    here = (await shared_spaces(session, [wanted.place.id])).get(wanted.place.id, [])
    kinds = ORDINARY if need is None else {need}
    fitting = {space.id: space for space in here if space.kind in kinds}
    return [fitting[id_] for id_ in rules.spaces_open(wanted.plan, list(fitting), wanted.slots)]


async def _check_limits(
    session: AsyncSession, user_id: UUID, vehicle: HeldVehicle, wanted: _Wanted, now: datetime
) -> None:
    live = select(func.count()).where(
        Booking.user_id == user_id, Booking.state.in_(LIVE), Booking.extends.is_(None)
    )
    if (await session.scalar(live) or 0) >= wanted.policy.most_open:
        raise problems.TooManyBookings(most=wanted.policy.most_open)
    unpaid = select(func.count()).where(
        Booking.user_id == user_id,
        Booking.why == Why.NOT_PAID,
        Booking.over_at > now - timedelta(days=1),
    )
    if (await session.scalar(unpaid) or 0) >= wanted.policy.most_open:
        raise problems.TooManyUnpaid(most=wanted.policy.most_open)
    if await booked_already(session, wanted.place.id, vehicle.plate_hash, wanted.slots):
        raise problems.BookedAlready()


async def _keep(session: AsyncSession, booking: Booking, wanted: _Wanted, now: datetime) -> Booked:
    """Write it with its charge; the caller holds the facility. Raises NoSpaceLeft."""
    charge_id = None
    if booking.price:
        charge = await charge_sale(
            session,
            kind=ChargeKind.BOOKING,
            facility_id=wanted.place.id,
            operator_id=wanted.place.operator_id,
            amount=booking.price,
            lines=[_line(booking)],
            now=now,
        )
        charge_id = charge.id
    booking.state = BookingState.HELD
    booking.charge_id = charge_id
    booking.held_until = now + timedelta(minutes=wanted.policy.hold_minutes)
    booking.made_at = booking.changed_at = now
    await hold_space(session, booking, wanted.slots)
    if charge_id is None:
        await confirm(session, booking, now)
        return Booked(booking.id, None)
    return Booked(booking.id, offer_of(booking))


async def hold_space(session: AsyncSession, booking: Booking, slots: Sequence[Span]) -> None:
    """The booking has its space for these times. Raises NoSpaceLeft where the database knows better."""
    try:
        async with session.begin_nested():
            session.add(booking)
            await session.flush()
            session.add_all(
                BookingSlot(
                    booking_id=booking.id,
                    number=number,
                    space_id=booking.space_id,
                    during=Range(slot.start, slot.end),
                    live=True,
                )
                for number, slot in enumerate(slots)
            )
            await session.flush()
    except IntegrityError as error:
        raise problems.NoSpaceLeft() from error


def offer_of(booking: Booking) -> Offer:
    """What a booking that is held is paid by."""
    assert booking.charge_id is not None
    part = OfferPart(charge_id=booking.charge_id, asked=booking.price)
    return Offer(parts=[part], via=Via.APP, payer_id=booking.user_id)


def _line(booking: Booking) -> Line:
    start, end = (city_time(at).strftime("%Y-%m-%d %H:%M") for at in (booking.starts_at, booking.ends_at))
    words = SALE_LINES[BookingKind(booking.kind)]
    reason = {language: text_.format(start=start, end=end) for language, text_ in words.items()}
    return Line(code="booking", amount=Fen(booking.price), reason=reason)  # type: ignore[arg-type]


def _wrong(field: str, message: str) -> problems.WrongTime:
    return problems.WrongTime(errors=[{"field": field, "message": message}])

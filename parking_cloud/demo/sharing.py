"""The demo's shared spaces (演示): a plan for each institution's facility, and some bookings of invented
drivers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.models import User, VehicleBinding
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import HeldVehicle
from parking_cloud.demo.tariffs import example_of
from parking_cloud.kernel.ids import stable_id
from parking_cloud.kernel.problems import Problem
from parking_cloud.payments.service import record_cash
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.registry.service import facility_label
from parking_cloud.sharing import booking, paying, rules
from parking_cloud.sharing.models import Booking, SharingPlan
from parking_cloud.sharing.planning import save_plan
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.problems import TooDear
from parking_cloud.sharing.rule import BEST_KNOWN, ensure_rule, template
from parking_cloud.sharing.rules import Plan
from parking_cloud.sharing.schemas import BookingIn, BookingKind, PlanIn, WindowIn
from parking_cloud.sharing.times import Span
from sensor_gateway.plates import parse_plate
from sensor_gateway.sealing import PlateVault

_BY = Identity(user_id=stable_id("demo", "sharing"), username="demo", role=Role.CITY_ADMINISTRATOR)
_HOURS = ((510, 1020), (510, 1050), (540, 1050), (540, 1080))
"""Of work, in minutes of the day."""
_PRICES = ((200, 500, 9_000), (200, 600, 12_000), (300, 800, 15_000))
"""Fen: an hour, a window, a month."""
_FREE = (0, 0, 0)
_DRIVERS = 24
_NOTE = "演示数据：请从北门进出，离场请在开放时段结束前。"


async def ensure_sharing(session: AsyncSession, facilities: Sequence[FacilityIn], now: datetime) -> None:
    """Every institution's facility has a plan; where there is one already, it stays."""
    await ensure_rule(session)
    kept = set(await session.scalars(select(SharingPlan.facility_id)))
    for facility in facilities:
        label = await facility_label(session, facility.code) if facility.institution_code else None
        if label is None or label.id in kept:
            continue
        chance = _chance(facility.code)
        prices = _FREE if example_of(facility) == "shared-free" else _PRICES[chance % len(_PRICES)]
        work = _HOURS[(chance >> 8) % len(_HOURS)]
        try:
            await save_plan(session, _BY, label.id, _plan(work, prices), now)
        except TooDear:
            await save_plan(session, _BY, label.id, _plan(work, _FREE), now)


def _plan(work: tuple[int, int], prices: tuple[int, int, int]) -> PlanIn:
    start, end = work
    return PlanIn(
        work_start=start,
        work_end=end,
        windows=[
            WindowIn(days=sorted(window.days), start=window.start, until=window.until)
            for window in template(BEST_KNOWN, start, end)
        ],
        price_hour=prices[0],
        price_evening=prices[1],
        price_month=prices[2],
        note=_NOTE,
    )


async def ensure_bookings(
    session: AsyncSession, facilities: Sequence[FacilityIn], plate_key: str, now: datetime
) -> None:
    """Some of the next days are booked, where nothing ever was."""
    shared = [facility for facility in facilities if facility.institution_code]
    if not shared or await session.scalar(select(func.count()).select_from(Booking)):
        return
    vault = PlateVault(plate_key)
    for number in range(_DRIVERS):
        user, vehicle_id, held = await _driver(session, number, vault, now)
        # Some at the first one, whose manager can sign in.
        facility = shared[0 if number % 4 == 1 else _chance(f"booking {number}") % len(shared)]
        label = await facility_label(session, facility.code)
        plan = None if label is None else (await published(session, now, [label.id])).get(label.id)
        if plan is not None:
            await _book(session, user, _asked(number, facility.code, vehicle_id, plan, now), held, now)


def _asked(number: int, facility: str, vehicle_id: UUID, plan: Plan, now: datetime) -> BookingIn:
    """One in ten a month, one in three a window, the others some hours of the next four days."""
    soon = now + timedelta(minutes=10)
    opens = rules.open_times(plan, Span(soon, soon + timedelta(days=4))).times
    first = opens[number % len(opens)].start if opens else soon
    start = first + timedelta(minutes=30 * (number % 6))
    step = rules.STEP.total_seconds()
    start += timedelta(seconds=-start.timestamp() % step)
    kind = (
        BookingKind.MONTH
        if number % 10 == 0
        else BookingKind.EVENING
        if number % 3 == 0
        else BookingKind.HOUR
    )
    return BookingIn(
        facility=facility,
        kind=BookingKind.MONTH if number % 10 == 0 else kind,
        start=start,
        end=start + timedelta(hours=1 + number % 3),
        vehicle_id=vehicle_id,
    )


async def _book(
    session: AsyncSession, user_id: UUID, asked: BookingIn, held: HeldVehicle, now: datetime
) -> None:
    """What the city's present holidays or hours do not allow is left out."""
    try:
        booked = await booking.book(session, user_id, asked, held, now)
    except Problem:
        return
    if booked.offer is not None:
        charge = booked.offer.parts[0].charge_id
        assert charge is not None
        await record_cash(session, {charge: booked.offer.amount}, booked.offer.amount, _BY.user_id, now)
        await paying.follow_charge(session, charge, now)


async def _driver(
    session: AsyncSession, number: int, vault: PlateVault, now: datetime
) -> tuple[UUID, UUID, HeldVehicle]:
    """A driver who cannot sign in, with a vehicle."""
    plate = parse_plate(f"浙E9Y{number:03d}")
    held = HeldVehicle(vault.lookup_hash(plate), vault.seal(plate), now)
    user = User(
        id=stable_id("demo", "sharing", "driver", str(number)),
        username=f"demo-booking-{number:03d}",
        password_hash=None,
        role=Role.DRIVER,
        active=False,
    )
    vehicle = VehicleBinding(
        id=stable_id("demo", "sharing", "vehicle", str(number)),
        user_id=user.id,
        plate_hash=held.plate_hash,
        plate_sealed=held.plate_sealed,
        state="verified",
        asked_at=now,
        since=now,
    )
    session.add(user)
    await session.flush()
    session.add(vehicle)
    await session.flush()
    return user.id, vehicle.id, held


def _chance(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big")

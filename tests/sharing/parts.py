"""An institution's car park that shares its spaces, its manager, and drivers with vehicles."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import HeldVehicle, held_vehicle
from parking_cloud.kernel.calendar import DayKind
from parking_cloud.payments.service import record_cash
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import FacilityIn, InstitutionIn, OperatorIn, RegistryBatch, SpaceIn
from parking_cloud.sharing import booking, paying
from parking_cloud.sharing.booking import Booked
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.planning import save_plan
from parking_cloud.sharing.rule import BEST_KNOWN, template
from parking_cloud.sharing.schemas import BookingIn, BookingKind, PlanIn, WindowIn
from tests.notices.parts import driver
from tests.payments.parts import TARIFF, VAULT
from tests.tariffs.parts import city, with_tariff

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
NINE, FIVE_THIRTY = 540, 1050
FRIDAY_NOON = city("2026-11-20 12:00")
"""A workday before a weekend: open from 18:30 on until Monday, 08:00."""


ALWAYS = [WindowIn(days=sorted(DayKind), start=0, until=1440)]


def windows(space_ids: list[UUID] | None = None) -> list[WindowIn]:
    """What the best known rule asks of who works from 9:00 to 17:30."""
    return [
        WindowIn(days=sorted(w.days), start=w.start, until=w.until, space_ids=space_ids)
        for w in template(BEST_KNOWN, NINE, FIVE_THIRTY)
    ]


def plan(**changes: Any) -> PlanIn:
    stated: dict[str, Any] = {
        "work_start": NINE,
        "work_end": FIVE_THIRTY,
        "windows": windows(),
        "price_hour": 400,
        "price_evening": 1000,
        "price_month": 20_000,
    }
    return PlanIn(**(stated | changes))


async def hall(session: AsyncSession, spaces: int = 1, code: str = "hall", **changes: Any) -> UUID:
    """A town hall's car park that shares its spaces by the best known rule, at ¥4 an hour; committed."""
    batch = RegistryBatch(
        operators=[OperatorIn(code="op", name="湖州停车")],
        institutions=[InstitutionIn(code=f"inst-{code}", name="市民中心", kind="institution")],
        facilities=[
            FacilityIn(
                code=code,
                name="市民中心停车场",
                kind="institution",
                counting="spaces",
                capacity=spaces,
                lat=30.87,
                lon=120.1,
                operator_code="op",
                institution_code=f"inst-{code}",
            )
        ],
        spaces=[SpaceIn(facility_code=code, number=f"{n:03d}", shared=True) for n in range(1, spaces + 1)],
    )
    await import_batch(session, batch)
    await with_tariff(session, code, TARIFF, code=f"tariff-{code}")
    facility = await session.scalar(text("select id from facility where code = :code"), {"code": code})
    assert isinstance(facility, UUID)
    await save_plan(session, CHIEF, facility, plan(**changes), FRIDAY_NOON)
    await session.commit()
    return facility


class Driver:
    """A driver with one verified vehicle."""

    def __init__(self, who: Identity, vehicle_id: UUID, held: HeldVehicle) -> None:
        self.who, self.vehicle_id, self.held = who, vehicle_id, held
        self.id = who.user_id

    async def books(
        self,
        session: AsyncSession,
        start: datetime,
        end: datetime | None = None,
        kind: BookingKind = BookingKind.HOUR,
        now: datetime = FRIDAY_NOON,
        facility: str = "hall",
        **more: Any,
    ) -> Booked:
        """Held; committed."""
        asked = BookingIn(
            facility=facility, kind=kind, start=start, end=end, vehicle_id=self.vehicle_id, **more
        )
        booked = await booking.book(session, self.id, asked, self.held, now)
        await session.commit()
        return booked


async def owner(session: AsyncSession, plate: str = "浙E12345", name: str = "li") -> Driver:
    """A driver to whom this vehicle is verified; committed."""
    who = await driver(session, name)
    seen = vehicles.ClaimDecision(verified=True, reason="行驶证原件", plate=plate)
    claim = await vehicles.claim(session, who, vehicles.VehicleIn(plate), VAULT, FRIDAY_NOON)
    await vehicles.decide(session, CHIEF, claim.id, seen, VAULT, FRIDAY_NOON)
    held = await held_vehicle(session, who.user_id, claim.id)
    await session.commit()
    return Driver(who, claim.id, held)


async def pays(session: AsyncSession, booked: Booked, now: datetime) -> None:
    """The booking's charge is paid, and the booking follows it; committed."""
    found = await session.get_one(Booking, booked.id, populate_existing=True)
    assert found.charge_id is not None
    await record_cash(session, {found.charge_id: found.price}, found.price, uuid4(), now)
    await paying.follow_charge(session, found.charge_id, now)
    await session.commit()


async def state_of(session: AsyncSession, booked: Booked) -> tuple[str, str | None]:
    """A booking's state, and why it is over."""
    found = await session.get_one(Booking, booked.id, populate_existing=True)
    return found.state, found.why


def hours(number: float) -> timedelta:
    return timedelta(hours=number)

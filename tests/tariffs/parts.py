"""Tariffs of the law file's shapes, and a facility that has one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.demo.tariffs import examples
from parking_cloud.kernel.clock import CITY_ZONE
from parking_cloud.tariffs import keeping
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.pricing import Quote
from parking_cloud.tariffs.rules import price
from parking_cloud.tariffs.schemas import Pricing, TariffIn, VehicleClass

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def example(code: str) -> Plan:
    """A shape of the law file's part 6, as the demo has it."""
    return Plan(keeping.accepted(examples()[code].data))


def example_codes() -> list[str]:
    return list(examples())


def city(text_: str) -> datetime:
    """A moment of the city's time, such as 2026-11-25 08:00."""
    return datetime.fromisoformat(text_).replace(tzinfo=CITY_ZONE)


def yuan(
    plan: Plan,
    entered: str,
    minutes: float,
    vehicle: VehicleClass = VehicleClass.SMALL,
    charging: int = 0,
) -> float:
    """What a stay costs, in yuan; its lines have to add up to it."""
    quote = priced(plan, entered, minutes, vehicle, charging)
    return quote.amount / 100


def priced(
    plan: Plan,
    entered: str,
    minutes: float,
    vehicle: VehicleClass = VehicleClass.SMALL,
    charging: int = 0,
) -> Quote:
    start = city(entered)
    quote = price(
        plan,
        vehicle=vehicle,
        entered_at=start,
        left_at=start + timedelta(minutes=minutes),
        charging_minutes=charging,
    )
    assert quote.amount == sum(line.amount for line in quote.lines)
    return quote


async def with_tariff(
    session: AsyncSession, facility: str, data: dict[str, Any], code: str = "test", since: datetime = LONG_AGO
) -> UUID:
    """The facility has this tariff since long ago; the version's id."""
    said = TariffIn(
        code=code,
        name="测试标准",
        name_en="Test tariff",
        pricing=Pricing.GOVERNMENT,
        filing_number="测1号",
    )
    tariff = await keeping.save_tariff(session, CHIEF, said)
    version = await keeping.add_version(session, CHIEF, tariff, data, since, since)
    place = await session.scalar(text("select id from facility where code = :code"), {"code": facility})
    await keeping.assign(session, CHIEF, place, tariff, since, since)
    return version

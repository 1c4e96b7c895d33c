"""The tariff in force at entry prices the whole stay; permits of the plate are taken into account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.tariffs import keeping, service
from parking_cloud.tariffs.permits import grant_permit, permits_of, revoke_permit
from parking_cloud.tariffs.problems import InThePast, NoTariff
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from tests.factories import load_small_city
from tests.tariffs.parts import CHIEF, city, with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

PLATE = b"p" * 32
ENTERED = city("2026-11-25 08:00")


def flat(yuan: int) -> dict[str, Any]:
    """So much an hour, at most ten times that a day."""
    return {
        "rates": {
            "hour": {
                "kind": "steps",
                "name": {"zh": "按小时", "en": "by the hour"},
                "steps": [{"unit": 60, "amount": yuan * 100}],
            }
        },
        "schedules": [{"hours": [{"rate": "hour"}]}],
        "caps": [{"per": "24h", "amount": yuan * 1000}],
    }


async def garage(session: AsyncSession) -> UUID:
    await load_small_city(session)
    found = await session.scalar(text("select id from facility where code = 'garage'"))
    assert isinstance(found, UUID)
    return found


async def yuan(
    session: AsyncSession, facility: UUID, hours: float, *, entered: datetime = ENTERED, plate: bytes = PLATE
) -> float:
    price = await service.price_stay(
        session,
        facility_id=facility,
        vehicle=VehicleClass.SMALL,
        entered_at=entered,
        left_at=entered + timedelta(hours=hours),
        plate_hash=plate,
    )
    assert price.amount == sum(line.amount for line in price.lines)
    return price.amount / 100


async def test_the_version_at_entry_counts(session: AsyncSession) -> None:
    facility = await garage(session)
    await with_tariff(session, "garage", flat(2))
    tariff = await session.scalar(text("select id from tariff"))
    change = city("2026-11-25 10:00")
    await keeping.add_version(session, CHIEF, tariff, flat(5), change, ENTERED)
    assert await yuan(session, facility, 4) == 8
    assert await yuan(session, facility, 4, entered=change) == 20
    assert await yuan(session, facility, 2, entered=change - timedelta(minutes=1)) == 4


async def test_what_was_said_is_not_changed_but_what_is_to_come_is(session: AsyncSession) -> None:
    facility = await garage(session)
    version = await with_tariff(session, "garage", flat(2))
    tariff = await session.scalar(text("select id from tariff"))
    with pytest.raises(InThePast):
        await keeping.add_version(session, CHIEF, tariff, flat(9), ENTERED, ENTERED + timedelta(hours=1))
    for days, amount in ((30, 5), (20, 7), (40, 8)):
        await keeping.add_version(
            session, CHIEF, tariff, flat(amount), ENTERED + timedelta(days=days), ENTERED
        )
    said = [await yuan(session, facility, 1, entered=ENTERED + timedelta(days=d)) for d in (19, 20, 39, 40)]
    assert said == [2, 7, 7, 8]
    await session.commit()
    with pytest.raises(DBAPIError, match="add a version"):
        await session.execute(text("update tariff_version set data = '{}' where id = :id"), {"id": version})


async def test_without_a_tariff_nothing_is_priced(session: AsyncSession) -> None:
    facility = await garage(session)
    with pytest.raises(NoTariff):
        await yuan(session, facility, 1)
    await with_tariff(session, "garage", flat(2), since=ENTERED + timedelta(days=1))
    with pytest.raises(NoTariff):
        await yuan(session, facility, 100)


async def test_a_monthly_permit_covers_its_own_days(session: AsyncSession) -> None:
    facility = await garage(session)
    await with_tariff(session, "garage", flat(2))
    ends = ENTERED + timedelta(hours=5)
    permits = []
    for start, end in ((ENTERED - timedelta(days=30), ENTERED + timedelta(hours=1)), (ENTERED, ends)):
        permits.append(
            await grant_permit(
                session,
                plate_hash=PLATE,
                plate_sealed=b"sealed",
                kind=PermitKind.MONTHLY,
                valid_from=start,
                valid_until=end,
                source="test",
                facility_id=facility,
            )
        )
    assert await yuan(session, facility, 5) == 0
    assert await yuan(session, facility, 7) == 4
    assert await yuan(session, facility, 7, plate=b"o" * 32) == 14
    assert [permit.id for permit in await permits_of(session, PLATE)] == permits[::-1]
    await revoke_permit(session, permits[1], ENTERED + timedelta(hours=3))
    await revoke_permit(session, permits[1], ENTERED + timedelta(hours=9))
    assert await yuan(session, facility, 5) == 4


async def test_a_permit_of_an_operator_holds_at_all_its_facilities(session: AsyncSession) -> None:
    facility = await garage(session)
    await with_tariff(session, "garage", flat(2))
    operator = await session.scalar(text("select id from operator"))
    street = await session.scalar(text("select id from facility where code = 'street'"))
    for where in ({"operator_id": operator}, {"facility_id": street}):
        plate = b"x" * 32 if "operator_id" in where else PLATE
        for _ in range(2):
            await grant_permit(
                session,
                plate_hash=plate,
                plate_sealed=b"sealed",
                kind=PermitKind.STAFF,
                valid_from=ENTERED,
                valid_until=None,
                source="test",
                permit_id=UUID(int=len(where) + (plate == PLATE)),
                **where,
            )
    assert await yuan(session, facility, 3, plate=b"x" * 32) == 0
    assert await yuan(session, facility, 3) == 6


async def test_several_ends_are_priced_as_each_by_itself(session: AsyncSession) -> None:
    facility = await garage(session)
    with pytest.raises(NoTariff):
        await _planned(session, facility, [1])
    await with_tariff(session, "garage", flat(2))
    hours = [1, 2, 4, 12]
    assert await _planned(session, facility, hours) == [
        await yuan(session, facility, each) * 100 for each in hours
    ]


async def _planned(session: AsyncSession, facility: UUID, hours: list[int]) -> list[int | None]:
    ends = [ENTERED + timedelta(hours=each) for each in hours]
    small = VehicleClass.SMALL
    amounts = await service.planned_amounts(
        session, facility_id=facility, vehicle=small, entered_at=ENTERED, left_at=ends
    )
    return list(amounts)


async def test_a_first_tariff_takes_no_others_place(session: AsyncSession) -> None:
    facility = await garage(session)
    await with_tariff(session, "garage", flat(2))
    held = await session.scalar(text("select tariff_id from tariff_assignment"))
    street = await session.scalar(text("select id from facility where code = 'street'"))
    await keeping.assign_first(session, CHIEF, {facility: held, street: held}, ENTERED)
    await keeping.assign_first(session, CHIEF, {facility: held, street: held}, ENTERED + timedelta(hours=1))
    rows = await session.execute(
        text("select facility_id, valid_from from tariff_assignment order by valid_from")
    )
    assert {row.facility_id: row.valid_from for row in rows}[street] == ENTERED
    assert await session.scalar(text("select count(*) from tariff_assignment")) == 2
    audited = "select count(*) from audit_entry where action = 'tariffs.assigned' and subject_id = :id"
    assert await session.scalar(text(audited), {"id": str(street)}) == 1

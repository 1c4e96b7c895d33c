"""A stay that spans several bookings is free in each of them, and never dearer than by any one of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import CITY_ZONE
from parking_cloud.tariffs.permits import grant_permit, joined, together
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.rules import Permit, price
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from parking_cloud.tariffs.service import price_stay
from parking_cloud.tariffs.shapes import Tariff
from tests.payments.parts import hashed, minute, priced_garage
from tests.tariffs.strategies import moments, tariffs

HOUR = timedelta(hours=1)
LENGTHS = st.integers(0, 3 * 1440)


@settings(max_examples=80, deadline=None)
@given(
    tariffs(),
    moments,
    LENGTHS,
    st.lists(
        st.tuples(st.sampled_from(list(PermitKind)), st.integers(-600, 4000), st.integers(1, 900)), max_size=5
    ),
)
def test_all_together_are_never_dearer_than_any_one(
    tariff: Tariff, entered: datetime, length: int, granted: list[tuple[PermitKind, int, int]]
) -> None:
    plan = Plan(tariff)
    start = entered.replace(tzinfo=CITY_ZONE)
    left = start + timedelta(minutes=length)
    permits = [
        Permit(kind, start + timedelta(minutes=begin), start + timedelta(minutes=begin + lasts))
        for kind, begin, lasts in granted
    ]
    held = joined(sorted(permits))
    sets = [[], *([permit] for permit in held), *together(held)]
    for several in sets:
        in_order = sorted(several, key=lambda permit: permit.valid_from)
        for one, following in pairwise(in_order):
            assert one.valid_until is not None
            assert one.valid_until <= following.valid_from
    costs = [
        price(plan, vehicle=VehicleClass.SMALL, entered_at=start, left_at=left, permits=several).amount
        for several in sets
    ]
    assert max(costs) == costs[0]
    if any(
        p.kind is PermitKind.BOOKING and p.valid_from <= start and (p.valid_until or start) >= left
        for p in held
    ):
        assert min(costs) == 0


@pytest.mark.stack
@pytest.mark.anyio
async def test_two_bookings_with_an_hour_between(session: AsyncSession) -> None:
    garage = await priced_garage(session)
    plate = hashed("浙E12345")
    for begin, end in ((0, 60), (120, 240)):
        await grant_permit(
            session,
            plate_hash=plate,
            plate_sealed=b"sealed",
            kind=PermitKind.BOOKING,
            valid_from=minute(begin),
            valid_until=minute(end),
            source="booking",
            facility_id=garage,
        )
    found = await price_stay(
        session,
        facility_id=garage,
        vehicle=VehicleClass.SMALL,
        entered_at=minute(0),
        left_at=minute(300),
        plate_hash=plate,
    )
    assert found.amount == 2 * 600  # the hour between, and the hour after
    assert found.permit is PermitKind.BOOKING

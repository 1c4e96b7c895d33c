"""The demo's institutions share their spaces by a plan each, and some of them are booked; loading it again
changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.demo.city import build_city
from parking_cloud.demo.sharing import ensure_bookings, ensure_sharing
from parking_cloud.demo.tariffs import ensure_tariffs
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import RegistryBatch
from parking_cloud.sharing.service import bookable
from tests.payments.parts import KEY
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
COUNTS = text(
    "select (select count(*) from sharing_plan where state = 'published') as plans,"
    " (select count(*) from sharing_plan where price_hour > 0) as priced,"
    " (select count(*) from booking where state = 'confirmed') as bookings,"
    " (select count(*) from booking where state <> 'confirmed') as others"
)


async def test_all_of_them(session: AsyncSession) -> None:
    city_ = build_city()
    facilities = [f for f in city_.facilities if f.institution_code][:6]
    codes = {facility.code for facility in facilities}
    spaces = [space for space in city_.spaces if space.facility_code in codes]
    await import_batch(
        session,
        RegistryBatch(
            operators=city_.operators,
            institutions=city_.institutions,
            facilities=facilities,
            spaces=spaces,
        ),
    )
    await ensure_tariffs(session, facilities)
    for _ in range(2):
        await ensure_sharing(session, facilities, NOW)
        await ensure_bookings(session, facilities, KEY, NOW)
        counts = (await session.execute(COUNTS)).one()
        assert (counts.plans, counts.others) == (6, 0)
        assert 0 < counts.priced < 6
        assert 20 <= counts.bookings <= 30
    evening = city("2026-11-26 19:30"), city("2026-11-26 21:30")
    found = await bookable(session, start=evening[0], end=evening[1], now=NOW)
    assert sum(each.spaces for each in found.values()) == len(spaces)

"""A demo city just loaded has profiles for all its facilities; loading it again changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.demo.city import build_city
from parking_cloud.demo.history import ensure_history
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import RegistryBatch

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)


COUNTS = text(
    "select (select count(*) from facility) as facilities, (select count(*) from facility_series) as samples,"
    " (select count(*) from occupancy_profile where work_days > 8 and rest_days > 3) as profiles"
)


async def test_once_and_for_all_facilities(session: AsyncSession) -> None:
    city = build_city()
    some = city.facilities[:20]
    await import_batch(
        session,
        RegistryBatch(operators=city.operators, institutions=city.institutions, facilities=some),
    )
    await ensure_history(session, NOW)
    first = (await session.execute(COUNTS)).one()
    assert first.profiles == first.facilities == 20
    assert first.samples == 20 * (28 * 48 - 1)
    await ensure_history(session, NOW)
    assert (await session.execute(COUNTS)).one() == first

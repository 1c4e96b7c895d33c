"""One more passage at a place with many stays and many missed entries costs what one passage costs."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories import NOON, load_small_city
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, minute, passed, plate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

_MANY = text(
    "insert into stay (id, facility_id, plate_hash, plate_sealed, vehicle_class, state, entered_at,"
    " opened_by, exited_at, ended_by, derived_entered_at, derived_exited_at, facts_from, facts_until)"
    " select gen_random_uuid(), :facility, sha256(convert_to(:state || n, 'UTF8')), '\\x00', 'small',"
    " :state, t, :by, t + :length * interval '1 minute', 'gate', t, t, t, t from (select n,"
    " cast(:noon as timestamptz) - n * :apart * interval '1 second' as t from generate_series(1, :count) n) n"
)


@pytest.fixture
async def gate(session: AsyncSession) -> Any:
    """At its garage 60,000 vehicles were in the last fortnight, and 700 exits have no entry."""
    gate = (await load_small_city(session))["garage-counter"]
    place = {"facility": gate.facility_id, "noon": NOON}
    stays = {"state": "closed", "by": "gate", "length": 60, "apart": 20, "count": 60_000}
    await session.execute(_MANY, place | stays)
    exits = {"state": "review", "by": "exit", "length": 0, "apart": 1800, "count": 700}
    await session.execute(_MANY, place | exits)
    await session.commit()
    await session.execute(text("analyze stay"))
    await session.commit()
    return gate


async def test_neither_an_entry_nor_an_exit_without_one(
    session: AsyncSession, redis: Redis, gate: Any
) -> None:
    before = await _read(session)
    await arrive(session, redis, [passed(gate, "in", ENTRY, 1)])
    await arrive(session, redis, [passed(gate, "out", EXIT, 30)])
    await arrive(session, redis, [passed(gate, "missed", EXIT, 40, "浙E77777")])
    assert await _read(session) == before, "the table was read as a whole"


async def test_a_like_plate_is_still_found_but_not_beyond_what_is_plausible(
    session: AsyncSession, redis: Redis
) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "old", ENTRY, -4 * 1440, "浙E12845")], at=-4 * 1440)
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, "浙E12346")])
    await arrive(session, redis, [passed(gate, "out", EXIT, 60)])
    doubted = {
        minute(stay.entered_at)
        for stay in await all_stays(session)
        if "plate_misread" in stay.situations and bytes(stay.plate_hash) != plate("浙E12345").hash
    }
    assert doubted == {0}


async def _read(session: AsyncSession) -> int:
    """How often the table of stays was read from end to end."""
    await session.commit()
    await session.execute(text("select pg_stat_force_next_flush()"))
    await session.commit()
    return int(
        await session.scalar(text("select seq_scan from pg_stat_user_tables where relname = 'stay'")) or 0
    )

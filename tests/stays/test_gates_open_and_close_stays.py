"""From a gate's entry and exit to a stay that may be charged, and what others are told of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.stays.facts import windows
from parking_cloud.stays.schemas import StayState
from parking_cloud.stays.service import open_stays, stay_facts, stays_of_plates
from sensor_gateway.records import PlateColor
from tests.factories import NOON, load_small_city
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, corrected, minute, passed, plate, told

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_an_entry_opens_and_an_exit_closes(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    (stay,) = await open_stays(session, plate("浙E12345").hash)
    assert (stay.state, stay.exited_at, stay.version) == (StayState.OPEN, None, 1)
    assert await open_stays(session, plate("浙E12345").hash, stay.facility_id) == [stay]
    await arrive(session, redis, [passed(gate, "out", EXIT, 90)])
    closed = (await stay_facts(session, [stay.id]))[stay.id]
    assert (closed.state, minute(closed.exited_at), closed.version) == (StayState.CLOSED, 90, 2)
    assert await open_stays(session, plate("浙E12345").hash) == []
    own = plate("浙E12345").hash
    assert await stays_of_plates(session, {own: closed.entered_at}, None, 10) == [closed]
    assert await stays_of_plates(session, {own: closed.entered_at + timedelta(seconds=1)}, None, 10) == []
    assert await stays_of_plates(session, {}, None, 10) == []
    assert (await told(session))[-1] == str(stay.id)


async def test_the_same_again_tells_nobody(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    records = [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 90)]
    await arrive(session, redis, records)
    await arrive(session, redis, records)
    assert len(await told(session)) == 1


async def test_a_plate_corrected_takes_the_stay_to_the_other_vehicle(
    session: AsyncSession, redis: Redis
) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, "浙E55555")])
    (before,) = await all_stays(session)
    await arrive(
        session, redis, [corrected("c", "in", plate=plate("浙ED12345"), plate_color=PlateColor.GREEN)]
    )
    (after,) = await all_stays(session)
    assert (after.id, bytes(after.plate_hash)) == (before.id, plate("浙ED12345").hash)
    assert after.vehicle_class == "new_energy"


async def test_a_void_entry_leaves_a_void_stay(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 10)])
    await arrive(session, redis, [corrected("c", "in", 20, void=True), corrected("d", "out", 20, void=True)])
    (stay,) = await all_stays(session, void=True)
    assert (stay.state, stay.version) == ("void", 2)
    await arrive(session, redis, [corrected("e", "in", 30, direction=ENTRY)])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.exited_at) == ("open", None)


async def test_an_entry_without_a_plate_waits_for_a_person(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, None), passed(gate, "out", EXIT, 10, None)])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("review", ["no_plate"])
    await arrive(session, redis, [corrected("c", "in", plate=plate("浙E12345"))])
    await arrive(session, redis, [corrected("d", "out", plate=plate("浙E12345"))])
    (stay,) = await all_stays(session)
    assert (stay.state, minute(stay.exited_at), stay.situations) == ("closed", 10, [])


async def test_a_long_history_is_not_read_again(session: AsyncSession, redis: Redis) -> None:
    """A plate that comes every day for months is looked at again from the day concerned on."""
    gate = (await load_small_city(session))["garage-counter"]
    visits = []
    for day in range(60):
        visits += [
            passed(gate, f"in{day}", ENTRY, day * 1440),
            passed(gate, f"out{day}", EXIT, day * 1440 + 500),
        ]
    await arrive(session, redis, visits, at=61 * 1440)
    number = plate("浙E12345").hash
    for day in (3, 30, 59):
        late = NOON + timedelta(days=day, minutes=300)
        since = await windows(session, {number: late})
        assert late - timedelta(hours=13) < since[number] <= NOON + timedelta(days=day)
    told_before = len(await told(session))
    await arrive(session, redis, [corrected("c", "out59", 59 * 1440 + 505, void=True)], at=61 * 1440)
    assert len(await told(session)) == told_before + 1

"""A gate's records, repeated and in any order, with corrections before or after, leave the same tables."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.projector import project_records
from parking_cloud.gates.rules import Change, Standing, corrected
from parking_cloud.occupancy import service
from parking_cloud.occupancy.projector import project
from sensor_gateway.plates import parse_plate
from sensor_gateway.records import Correction, Direction, GateEvent, PlateColor, Record, SealedPlate
from sensor_gateway.sealing import PlateVault
from tests.factories import NOON, load_small_city, observed

VAULT = PlateVault("7f" * 32)


def sealed(text_: str) -> SealedPlate:
    plate = parse_plate(text_)
    return SealedPlate(VAULT.seal(plate), VAULT.lookup_hash(plate))


def passed(devices: dict[str, Any], number: int, direction: Direction, minute: float = 1) -> GateEvent:
    gate = devices["garage-counter"]
    at = NOON + timedelta(minutes=minute)
    return GateEvent(
        source="gates",
        record_id=f"r{number}",
        device_id=gate.id,
        facility_id=gate.facility_id,
        direction=direction,
        occurred_at=at,
        received_at=at,
        plate=sealed(f"浙E1234{number % 10}"),
    )


def correction(number: int, corrects: int, minute: float = 5, **parts: Any) -> Correction:
    at = NOON + timedelta(minutes=minute)
    return Correction("gates", f"c{number}", f"r{corrects}", at, at, **parts)


async def free(session: AsyncSession) -> int | None:
    garage = await service.get_facility(
        session, "garage", now=NOON + timedelta(minutes=10), stale_after=timedelta(hours=2)
    )
    return garage.free


async def passages(session: AsyncSession) -> list[tuple[Any, ...]]:
    rows = await session.execute(
        text(
            "select e.record_id, p.direction, p.occurred_at, p.plate_hash, p.plate_color, p.voided,"
            " p.corrections from gate_passage p join gate_event e on e.id = p.event_id order by 1"
        )
    )
    return [tuple(row) for row in rows]


pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_a_full_count_is_moved_on_by_who_passed_since(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project_records(session, [passed(devices, 0, Direction.ENTRY, minute=-1)])
    await project(session, [observed(devices["garage-counter"], free=40, frame=None)])
    entries = [passed(devices, n, Direction.ENTRY) for n in (1, 2, 3)]
    await project_records(session, [*entries, passed(devices, 4, Direction.EXIT, minute=2)])
    garage = await service.get_facility(
        session, "garage", now=NOON + timedelta(minutes=3), stale_after=timedelta(hours=2)
    )
    assert (garage.free, garage.reported_free) == (38, 40)
    assert garage.observed_at == NOON + timedelta(minutes=2)


async def test_voids_and_changed_directions_reach_the_count(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=40, frame=None)])
    await project_records(session, [passed(devices, 1, Direction.ENTRY), passed(devices, 2, Direction.ENTRY)])
    assert await free(session) == 38
    await project_records(session, [correction(1, corrects=1, void=True)])
    assert await free(session) == 39
    await project_records(session, [correction(2, corrects=2, direction=Direction.EXIT)])
    assert await free(session) == 41
    await project_records(session, [correction(3, corrects=1, minute=6, direction=Direction.ENTRY)])
    assert await free(session) == 40


async def test_a_record_that_contradicts_its_first_form_is_set_aside(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    said = passed(devices, 1, Direction.ENTRY)
    done = await project_records(session, [said, passed(devices, 1, Direction.ENTRY)])
    assert (done.recorded, done.repeated, done.orphans) == (1, 1, [])
    other = passed(devices, 1, Direction.EXIT)
    done = await project_records(session, [other])
    assert (done.recorded, done.orphans) == (0, [other])


async def test_no_plate_stands_in_the_tables_in_the_clear(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project_records(session, [passed(devices, 1, Direction.ENTRY)])
    row = (await session.execute(text("select plate_hash, plate_sealed from gate_passage"))).one()
    assert bytes(row.plate_hash) == VAULT.lookup_hash(parse_plate("浙E·12341"))
    assert VAULT.open(bytes(row.plate_sealed)).reveal() == "浙E12341"
    assert b"12341" not in bytes(row.plate_sealed)


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_repetition_ends_the_same(session: AsyncSession, seed: int) -> None:
    devices = await load_small_city(session)
    chance = random.Random(seed)
    await project(session, [observed(devices["garage-counter"], free=40, frame=None)])
    said: list[Record] = [
        passed(devices, n, chance.choice(list(Direction)), minute=n / 2 - 1) for n in range(8)
    ]
    for number in range(8):
        parts: dict[str, Any] = chance.choice(
            [
                {"void": True},
                {"direction": chance.choice(list(Direction))},
                {"plate_color": PlateColor.GREEN},
                {"occurred_at": NOON + timedelta(minutes=chance.randint(-3, 3))},
            ]
        )
        minute = chance.randint(5, 7)
        said.append(correction(number, corrects=chance.randrange(8), minute=minute, **parts))
    await session.begin_nested()
    await project_records(session, said)
    expected = (await passages(session), await free(session))
    await session.execute(text("delete from gate_passage"))
    await session.execute(text("delete from gate_correction"))
    await session.execute(text("delete from gate_event"))

    shuffled = said + chance.sample(said, 6)
    chance.shuffle(shuffled)
    while shuffled:
        size = chance.randint(1, 6)
        await project_records(session, shuffled[:size])
        shuffled = shuffled[size:]
    assert (await passages(session), await free(session)) == expected


changes = st.builds(
    Change,
    stated_at=st.integers(0, 3).map(lambda m: NOON + timedelta(minutes=m)),
    record_id=st.text("abcd", min_size=1, max_size=2),
    void=st.booleans(),
    direction=st.sampled_from([None, "entry", "exit"]),
    plate_color=st.sampled_from([None, "blue", "green"]),
)


@given(st.lists(changes, max_size=5, unique_by=lambda c: c.record_id), st.randoms(use_true_random=False))
def test_corrections_apply_in_the_order_they_were_stated(said: list[Change], chance: random.Random) -> None:
    first = Standing("entry", NOON, None, None)
    shuffled = list(said)
    chance.shuffle(shuffled)
    assert corrected(first, shuffled) == corrected(first, said)
    if said:
        last = max(said, key=lambda c: (c.stated_at, c.record_id))
        assert corrected(first, said).voided == last.void

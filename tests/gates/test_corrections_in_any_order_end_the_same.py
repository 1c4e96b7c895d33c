"""A gate's records, repeated and in any order, with corrections before or after, leave the same tables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.gates.projector import project_records
from parking_cloud.gates.rules import Change, Standing, corrected
from parking_cloud.kernel.db import make_sessions
from parking_cloud.occupancy import service
from parking_cloud.occupancy.projector import project
from sensor_gateway import gates as door
from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.plates import parse_plate
from sensor_gateway.records import Correction, Corrects, Direction, GateEvent, PlateColor, Record, SealedPlate
from sensor_gateway.sealing import PlateVault
from tests.factories import NOON, load_small_city, observed

VAULT = PlateVault("7f" * 32)
SOURCE = SourceEntry("gates", ("gate-events", "sightings"))


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
    counted_at = text("select counted_at from facility_state where reported_at is not null")
    assert await session.scalar(counted_at) == NOON + timedelta(minutes=1)
    last = passed(devices, 3, Direction.ENTRY, minute=4)
    await project_records(session, [last, correction(9, corrects=3, void=True)])
    assert (await free(session), await session.scalar(counted_at)) == (39, NOON + timedelta(minutes=1))
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


def gate_said(devices: dict[str, Any], own_time: datetime, arrival: datetime) -> GateEvent:
    """A gate event as the intake makes it of what a gate says."""
    gate = devices["garage-counter"]
    device = DeviceEntry(gate.id, gate.facility_id, "generic", "barrier", "gates")
    row = door.GateRow("r1", "barrier", Direction.ENTRY, own_time, plate="浙E12345")
    return door.gate_event(row, device, SOURCE, arrival, VAULT)


@pytest.mark.parametrize("delays", [(-120, 60, 30), (60, -120, 30), (60, 30, -120), (-60, -120)])
async def test_dated_ahead_and_sent_again_is_one_record_held_to_its_first_arrival(
    session: AsyncSession, delays: tuple[int, ...]
) -> None:
    devices = await load_small_city(session)
    for delay in delays:
        said = gate_said(devices, NOON, NOON + timedelta(seconds=delay))
        assert (await project_records(session, [said])).orphans == []
    row = (await session.execute(text("select occurred_at, sent_at, received_at from gate_event"))).one()
    assert NOON - timedelta(seconds=120.001) < row.occurred_at <= NOON - timedelta(seconds=120)
    assert (row.sent_at, row.received_at) == (NOON, NOON - timedelta(seconds=120))
    assert await session.scalar(text("select occurred_at from gate_passage")) == row.occurred_at


async def test_what_was_stated_last_by_its_senders_clock_stands(session: AsyncSession) -> None:
    """Both are dated ahead and arrive in the wrong order, so that the held times tell the wrong order too."""
    devices = await load_small_city(session)
    await project_records(session, [gate_said(devices, NOON, NOON)])
    for minute, color, arrival in ((4, PlateColor.GREEN, 0), (3, PlateColor.BLUE, 2)):
        stated_at = NOON + timedelta(minutes=minute)
        row = door.CorrectionRow(f"c{minute}", "r1", stated_at, plate_color=color)
        said = door.correction(row, SOURCE, NOON + timedelta(minutes=arrival), VAULT)
        await project_records(session, [said])
    assert await session.scalar(text("select plate_color from gate_passage")) == "green"


async def test_a_time_corrected_to_ahead_is_held_to_the_first_arrival(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    await project_records(session, [gate_said(devices, NOON, NOON)])
    row = door.CorrectionRow("c1", "r1", NOON, occurred_at=NOON + timedelta(minutes=4))
    for minute in (2, 1, 3):
        said = door.correction(row, SOURCE, NOON + timedelta(minutes=minute), VAULT)
        assert (await project_records(session, [said])).orphans == []
    stands_at = await session.scalar(text("select occurred_at from gate_passage"))
    assert stands_at == NOON + timedelta(minutes=1)


async def test_a_sighting_can_be_corrected_and_voided(session: AsyncSession) -> None:
    """Under the same ids as a gate event and its correction: they are not mixed up."""
    devices = await load_small_city(session)
    seen = door.SightingRow("r1", "patrol", NOON, 30.87, 120.09, plate="浙E12345")
    misread = door.CorrectionRow("c1", "r1", NOON, plate="浙E12346", of=Corrects.SIGHTING)
    earlier = door.CorrectionRow(
        "c2", "r1", NOON, occurred_at=NOON - timedelta(days=40), of=Corrects.SIGHTING
    )
    void = door.CorrectionRow("c1", "r1", NOON, void=True)
    await project_records(
        session,
        [
            gate_said(devices, NOON, NOON),
            *(door.correction(row, SOURCE, NOON, VAULT) for row in (void, misread, earlier)),
            door.sighting(seen, None, SOURCE, NOON, VAULT),
        ],
    )
    stands = (await session.execute(text("select * from sighting_standing"))).one()
    assert bytes(stands.plate_hash) == VAULT.lookup_hash(parse_plate("浙E12346"))
    assert VAULT.open(bytes(stands.plate_sealed)).reveal() == "浙E12346"
    assert (stands.seen_at, stands.voided, stands.corrections) == (NOON - timedelta(days=40), False, 2)
    assert await session.scalar(text("select voided from gate_passage")) is True
    later = door.CorrectionRow("c3", "r1", NOON + timedelta(seconds=9), void=True, of=Corrects.SIGHTING)
    await project_records(session, [door.correction(later, SOURCE, NOON, VAULT)])
    assert await session.scalar(text("select voided from sighting_standing")) is True


@pytest.fixture
async def devices(engine: AsyncEngine) -> dict[str, Any]:
    """The small city, committed; the examples roll back what they do in it."""
    async with make_sessions(engine)() as session:
        return await load_small_city(session)


Said = door.GateRow | door.CorrectionRow | door.SightingRow
times = st.integers(-300, 300).map(lambda s: NOON + timedelta(seconds=s))
colors = st.sampled_from([None, PlateColor.BLUE, PlateColor.GREEN])
plates = st.sampled_from(["浙E12345", "浙E12346"])
parts = st.one_of(
    st.just({"void": True}),
    st.fixed_dictionaries({"occurred_at": times}),
    st.fixed_dictionaries({"plate": plates}),
    st.fixed_dictionaries({"plate_color": st.just(PlateColor.GREEN)}),
)


@st.composite
def rows(draw: st.DrawFn) -> list[Said]:
    """What a source says: gate events, sightings, and corrections of either, often at the same moment."""
    said: list[Said] = []
    for number in range(draw(st.integers(1, 5))):
        direction = draw(st.sampled_from(Direction))
        said.append(door.GateRow(f"r{number}", "barrier", direction, draw(times), plate=draw(plates)))
    for number in range(draw(st.integers(0, 3))):
        at, plate, color = draw(times), draw(plates), draw(colors)
        said.append(
            door.SightingRow(f"r{number}", "patrol", at, 30.87, 120.09, plate=plate, plate_color=color)
        )
    for number in range(draw(st.integers(0, 6))):
        of = draw(st.sampled_from(Corrects))
        different = draw(parts)
        if of is Corrects.GATE_EVENT and draw(st.booleans()):
            different = {"direction": draw(st.sampled_from(Direction))}
        said.append(
            door.CorrectionRow(f"c{number}", f"r{draw(st.integers(0, 4))}", draw(times), of=of, **different)
        )
    return said


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[Said, int]]:
    """Each row with the ways it arrives: some seconds after its own time, or (below zero) before it."""
    ways = st.lists(st.integers(-290, 290), min_size=1, max_size=3)
    return [(row, delay) for row in draw(rows()) for delay in draw(ways)]


def arrived(devices: dict[str, Any], row: Said, delay: int) -> Record:
    """The record that the intake makes of a row."""
    after = timedelta(seconds=delay)
    match row:
        case door.GateRow():
            gate = devices["garage-counter"]
            device = DeviceEntry(gate.id, gate.facility_id, "generic", "barrier", "gates")
            return door.gate_event(row, device, SOURCE, row.occurred_at + after, VAULT)
        case door.SightingRow():
            return door.sighting(row, None, SOURCE, row.seen_at + after, VAULT)
        case door.CorrectionRow():
            # What occurred is never so far ahead that the door refuses it: that is another test's matter.
            earliest = (row.occurred_at or row.stated_at) - timedelta(minutes=5)
            return door.correction(row, SOURCE, max(row.stated_at + after, earliest), VAULT)


TABLES = {
    "gate_event": "id, direction, occurred_at, received_at, sent_at",
    "gate_correction": "id, stated_at, received_at, sent_at, occurred_at",
    "gate_passage": "event_id, direction, occurred_at, plate_hash, plate_color, voided, corrections",
    "sighting": "id, seen_at, received_at, sent_at",
    "sighting_standing": "sighting_id, seen_at, plate_hash, plate_color, voided, corrections",
    "facility_state": "facility_id, net_since, counted_free, counted_at",
}
"""What has to end the same; seals differ each time."""


async def tables_after(
    sessions: async_sessionmaker[AsyncSession], devices: dict[str, Any], batches: Sequence[Sequence[Record]]
) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the tables after the batches, rolled back afterwards."""
    async with sessions() as session:
        await project(session, [observed(devices["garage-counter"], free=40, frame=None)])
        for batch in batches:
            assert (await project_records(session, batch)).orphans == []
        found = {}
        for name, columns in TABLES.items():
            kept = await session.execute(text(f"select {columns} from {name} order by 1"))
            found[name] = [tuple(row) for row in kept]
        return found


@given(said=deliveries(), seed=st.integers(0, 2**32), size=st.integers(1, 6))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_order_and_repetition_ends_the_same(
    sessions: async_sessionmaker[AsyncSession],
    devices: dict[str, Any],
    said: list[tuple[Said, int]],
    seed: int,
    size: int,
) -> None:
    once = [arrived(devices, row, delay) for row, delay in said]
    chance = random.Random(seed)
    shuffled = once + chance.choices(once, k=chance.randint(0, 6))
    chance.shuffle(shuffled)
    batches = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    assert await tables_after(sessions, devices, batches) == await tables_after(sessions, devices, [once])


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

"""Each condition opens a fault with the numbers that prove it, tells operations, and closes when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.gates.projector import project_records
from parking_cloud.kernel import outbox
from parking_cloud.occupancy import service
from parking_cloud.occupancy.certainty import refresh_certainty, set_accuracy
from parking_cloud.occupancy.projector import project
from parking_cloud.operations.events import DEVICE_FAULT, EVENTS_STREAM, publish_faults
from parking_cloud.operations.jobs import judge_devices, judge_silence
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, ProfileIn, RegistryBatch
from sensor_gateway.directory import DeviceEntry
from sensor_gateway.networks import Uplink
from sensor_gateway.observation import Observation
from sensor_gateway.pipeline import observe_uplink
from sensor_gateway.records import Direction, GateEvent, Sighting
from tests.factories import load_small_city, observed
from tests.operations.waiting import waits

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

# The registry dates devices by the database's clock, so these tests stand at today's noon.
NOON = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def city(session: AsyncSession, spaces: int = 6) -> dict[str, Any]:
    """A street of sensors that were registered a month ago and are expected to speak every six hours."""
    devices = await load_small_city(session, spaces)
    profile = ProfileIn(
        vendor="bosch", model="tps110", keep_alive_s=6 * 3600, battery_full_v=3.6, battery_empty_v=2.6
    )
    await import_batch(session, RegistryBatch(profiles=[profile]))
    await session.execute(text("update device set created_at = :at"), {"at": NOON - 40 * DAY})
    return devices


def every(device: Any, step: timedelta, states: Sequence[bool], until: datetime = NOON) -> list[Observation]:
    """What a sensor said at regular times, the last of them at `until`."""
    return [
        observed(device, at=until - (len(states) - 1 - n) * step, occupied=state, frame=n)
        for n, state in enumerate(states)
    ]


async def faults(session: AsyncSession, condition: str) -> dict[str, dict[str, Any]]:
    rows = await session.execute(
        text(
            "select d.external_id, f.evidence from device_fault f join device d on d.id = f.device_id"
            " where f.condition = :condition and f.closed_at is null"
        ),
        {"condition": condition},
    )
    return {row.external_id: row.evidence for row in rows}


async def test_three_missed_keep_alives_are_silence_and_a_word_ends_it(
    session: AsyncSession, redis: Redis
) -> None:
    devices = await city(session, spaces=2)
    await project(session, [observed(devices["sensor-1"], at=NOON - 17 * HOUR, occupied=True)])
    await project(session, [observed(devices["sensor-2"], at=NOON - 18 * HOUR, occupied=True)])
    await judge_silence(session, NOON)
    silent = await faults(session, "silent")
    assert set(silent) == {"sensor-2", "garage-counter"}
    assert (silent["sensor-2"]["missed"], silent["sensor-2"]["keep_alive_s"]) == (3, 21_600)
    assert silent["garage-counter"]["last_heard"] is None

    await project(session, [observed(devices["sensor-2"], at=NOON, occupied=True, frame=2)])
    await judge_silence(session, NOON)
    assert set(await faults(session, "silent")) == {"garage-counter"}
    await outbox.relay(session, redis, {DEVICE_FAULT: publish_faults})
    told = [msgspec.json.decode(fields[b"e"]) for _, fields in await redis.xrange(EVENTS_STREAM)]
    states = [(e["condition"], e["state"]) for e in told if e["device_id"] == str(devices["sensor-2"].id)]
    assert states == [("silent", "opened"), ("silent", "closed")]


async def with_camera(session: AsyncSession) -> dict[str, Any]:
    """The street, and a patrol's camera registered at the garage: it counts nothing there."""
    await city(session, spaces=2)
    camera = DeviceIn(
        external_id="camera", vendor="generic", model="camera", source="patrol", facility_code="garage"
    )
    await import_batch(session, RegistryBatch(devices=[camera]))
    await session.execute(text("update device set created_at = :at"), {"at": NOON - 40 * DAY})
    rows = await session.execute(text("select external_id, id, facility_id, space_id from device"))
    return {row.external_id: row for row in rows}


def entered(gate: Any, at: datetime, number: int = 1) -> GateEvent:
    return GateEvent("gates", f"r{number}", gate.id, gate.facility_id, Direction.ENTRY, at, at)


def seen(camera: Any, at: datetime) -> Sighting:
    return Sighting(
        "patrol", "s1", "camera", at, at, 30.87, 120.1, "wgs84", plate_hash=b"hash", device_id=camera.id
    )


async def test_a_passage_or_a_sighting_is_a_word(session: AsyncSession) -> None:
    devices = await with_camera(session)
    gate, camera = devices["garage-counter"], devices["camera"]
    await project_records(session, [entered(gate, NOON - DAY), seen(camera, NOON - DAY)])
    late = [entered(gate, NOON - 3 * DAY, number=2)]
    await project_records(session, late)
    await judge_silence(session, NOON)
    assert not {"garage-counter", "camera"} & set(await faults(session, "silent"))
    await judge_silence(session, NOON + 2 * DAY)
    silent = await faults(session, "silent")
    assert {silent[name]["last_heard"] for name in ("garage-counter", "camera")} == {
        (NOON - DAY).isoformat().replace("+00:00", "Z")
    }


async def test_only_devices_that_count_speak_for_a_counted_facility(session: AsyncSession) -> None:
    devices = await with_camera(session)
    await project(session, [observed(devices["garage-counter"], at=NOON, free=50, frame=None)])
    await project_records(session, [seen(devices["camera"], NOON - 10 * DAY)])
    await session.execute(
        text(
            "insert into facility_reconciliation"
            " (facility_id, counted_at, counted_occupied, derived_occupied) values (:id, :at, 50, 90)"
        ),
        {"id": devices["camera"].facility_id, "at": NOON},
    )
    await judge_silence(session, NOON)
    assert "camera" in await faults(session, "silent")
    limit = timedelta(hours=2)
    await refresh_certainty(session, NOON, stale_after=limit)
    garage = await service.get_facility(session, "garage", now=NOON, stale_after=limit)
    assert garage.certainty == 0.95
    await judge_devices(session, NOON)
    assert set(await faults(session, "drifted")) == {"garage-counter"}


async def test_a_sensor_that_never_changes_among_busy_ones_is_stuck(session: AsyncSession) -> None:
    devices = await city(session)
    still = every(devices["sensor-1"], 6 * HOUR, [True] * 6)
    busy = [every(devices[f"sensor-{n}"], 3 * HOUR, [m % 2 == 0 for m in range(9)]) for n in range(2, 6)]
    await project(session, still + [o for said in busy for o in said])
    await judge_devices(session, NOON)
    (evidence,) = (await faults(session, "stuck")).values()
    assert evidence["occupied"] is True
    assert (evidence["neighbours_heard"], evidence["neighbours_busy"]) == (4, 4)


async def test_in_a_quiet_street_nobody_is_stuck(session: AsyncSession) -> None:
    devices = await city(session)
    await project(
        session, [o for n in range(1, 7) for o in every(devices[f"sensor-{n}"], 6 * HOUR, [True] * 6)]
    )
    await judge_devices(session, NOON)
    assert await faults(session, "stuck") == {}


async def test_more_than_twelve_changes_in_an_hour_is_flapping(session: AsyncSession) -> None:
    devices = await city(session)
    minutes = timedelta(minutes=4)
    await project(session, every(devices["sensor-1"], minutes, [n % 2 == 0 for n in range(15)]))
    await project(session, every(devices["sensor-2"], minutes, [n % 2 == 0 for n in range(10)]))
    await judge_devices(session, NOON)
    (evidence,) = (await faults(session, "flapping")).values()
    assert evidence["changes"] == 14


async def test_a_falling_battery_is_told_with_the_day_it_will_be_empty(session: AsyncSession) -> None:
    devices = await city(session)
    said = [
        observed(devices["sensor-1"], at=NOON - n * DAY, occupied=True, frame=n, battery_v=2.9 + 0.02 * n)
        for n in range(10)
    ]
    said += [
        observed(devices["sensor-2"], at=NOON - n * DAY, occupied=True, frame=n, battery_v=3.4)
        for n in range(10)
    ]
    await project(session, said)
    await judge_devices(session, NOON)
    (evidence,) = (await faults(session, "battery_low")).values()
    assert (evidence["percent"], evidence["slope_v_per_day"]) == (30.0, -0.02)
    assert evidence["empty_on"] == (NOON.date() + timedelta(days=15)).isoformat()


async def test_a_facility_says_how_much_of_it_is_known_and_how_surely(session: AsyncSession) -> None:
    devices = await city(session, spaces=4)
    await project(session, [observed(devices[f"sensor-{n}"], at=NOON, occupied=True) for n in (1, 2, 3)])
    limit = timedelta(hours=2)
    await refresh_certainty(session, NOON, stale_after=limit)
    street = await service.get_facility(session, "street", now=NOON, stale_after=limit)
    assert (street.known, street.certainty) == (3, round(3 * 0.95 / 4, 3))
    later = await service.get_facility(session, "street", now=NOON + HOUR, stale_after=limit)
    assert 0 < later.certainty < street.certainty


async def test_a_fault_puts_in_doubt_what_its_device_says(session: AsyncSession) -> None:
    devices = await city(session, spaces=2)
    await project(session, every(devices["sensor-1"], timedelta(minutes=4), [n % 2 == 0 for n in range(15)]))
    await project(session, [observed(devices["sensor-2"], at=NOON, occupied=True)])
    await judge_devices(session, NOON)
    limit = timedelta(hours=2)
    await refresh_certainty(session, NOON, stale_after=limit)
    street = await service.get_facility(session, "street", now=NOON, stale_after=limit)
    assert (street.known, street.certainty) == (1, round((0.95 + 0.95 / 2) / 2, 3))


async def doubted(sessions: async_sessionmaker[AsyncSession]) -> set[UUID]:
    async with sessions() as session:
        return set(await session.scalars(text("select device_id from device_accuracy where doubted")))


async def test_doubt_survives_two_jobs_side_by_side(sessions: async_sessionmaker[AsyncSession]) -> None:
    """One opens a fault while the other closes the device's only other one, and sees nothing of the first."""
    async with sessions() as session:
        devices = await city(session, spaces=2)
        await judge_silence(session, NOON)
        await project(session, every(devices["sensor-1"], 4 * MINUTE, [n % 2 == 0 for n in range(15)]))
        await session.commit()
    async with sessions() as health, sessions() as silence:
        await judge_devices(health, NOON)
        pid = await silence.scalar(text("select pg_backend_pid()"))
        other = asyncio.create_task(judge_silence(silence, NOON))
        while not other.done() and not await waits(health, pid):
            pass
        await health.commit()
        await other
        await silence.commit()
    assert await doubted(sessions) >= {devices["sensor-1"].id}


async def test_each_run_restates_all_doubt(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        devices = await city(session, spaces=2)
        await project(session, [observed(devices["sensor-2"], at=NOON, occupied=True)])
        await judge_silence(session, NOON)
        await session.execute(text("update device_accuracy set doubted = false"))
        await set_accuracy(session, devices["sensor-2"].id, agreed=1, disagreed=0)
        await session.execute(
            text("update device_accuracy set doubted = true where device_id = :id"),
            {"id": devices["sensor-2"].id},
        )
        await judge_silence(session, NOON)
        await session.commit()
    assert await doubted(sessions) == {devices["sensor-1"].id, devices["garage-counter"].id}


async def test_a_device_that_says_its_battery_is_low_is_believed_until_it_takes_it_back(
    session: AsyncSession,
) -> None:
    devices = await city(session)
    sensor = devices["sensor-1"]
    said = [
        observed(sensor, at=NOON - HOUR, occupied=True, frame=1, battery_low=True),
        observed(sensor, at=NOON - 2 * HOUR, occupied=True, frame=2, battery_low=False),
        observed(devices["sensor-2"], at=NOON, occupied=True, battery_low=False, battery_v=3.5),
    ]
    await project(session, said)
    await judge_devices(session, NOON)
    at = (NOON - HOUR).isoformat().replace("+00:00", "Z")
    assert await faults(session, "battery_low") == {"sensor-1": {"reported_low_at": at}}
    await project(session, [observed(sensor, at=NOON, occupied=True, frame=3, battery_low=False)])
    await judge_devices(session, NOON)
    assert await faults(session, "battery_low") == {}


@pytest.mark.parametrize(
    ("vendor", "model", "frames"),
    [
        ("tekzitel", "tekzipark", [(1, "88fb07"), (1, "a8fb07")]),
        (
            "dingtek",
            "do201",
            [
                (3, "8000310217012c1001015e0010fff6fff0142d000100" + "81"),
                (3, "8000310217012c1000015e0010fff6fff0142d000200" + "81"),
            ],
        ),
    ],
)
async def test_the_flag_in_a_frame_opens_and_closes_the_fault(
    session: AsyncSession, vendor: str, model: str, frames: list[tuple[int, str]]
) -> None:
    sensor = (await city(session))["sensor-1"]
    entry = DeviceEntry(sensor.id, sensor.facility_id, vendor, model, "chirpstack", sensor.space_id)
    opened = []
    for number, (port, payload) in enumerate(frames):
        at = NOON + number * MINUTE
        uplink = Uplink("sensor-1", port, number, bytes.fromhex(payload), at)
        await project(session, [observe_uplink(uplink, entry, "chirpstack", at)])
        await judge_devices(session, at)
        opened.append(list(await faults(session, "battery_low")))
    assert opened == [["sensor-1"], []]


async def test_a_low_voltage_is_told_with_the_devices_own_word(session: AsyncSession) -> None:
    devices = await city(session)
    said = observed(devices["sensor-1"], at=NOON, occupied=True, battery_v=2.7, battery_low=True)
    await project(session, [said])
    await judge_devices(session, NOON)
    (evidence,) = (await faults(session, "battery_low")).values()
    assert (evidence["percent"], evidence["reported_low_at"]) == (
        10.0,
        NOON.isoformat().replace("+00:00", "Z"),
    )


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1, 2, 0), (1, 3, 2, 0)])
async def test_the_newest_word_of_a_battery_counts_in_any_order(
    session: AsyncSession, order: Sequence[int]
) -> None:
    sensor = (await city(session))["sensor-1"]
    said = [
        observed(sensor, at=NOON, occupied=True, frame=1, battery_low=False),
        observed(sensor, at=NOON, occupied=True, frame=2, battery_low=True),
        observed(sensor, at=NOON + MINUTE, occupied=True, frame=1, battery_low=False),  # heard again
        observed(sensor, at=NOON - MINUTE, occupied=True, frame=3, battery_low=True),
    ]
    for number in order:
        await project(session, [said[number]])
    rows = (await session.execute(text("select at, low from battery_flag"))).all()
    assert [tuple(row) for row in rows] == [(NOON + MINUTE, False)]

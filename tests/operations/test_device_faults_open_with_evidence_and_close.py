"""Each condition opens a fault with the numbers that prove it, tells operations, and closes when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.occupancy import service
from parking_cloud.occupancy.certainty import refresh_certainty
from parking_cloud.occupancy.projector import project
from parking_cloud.operations.events import DEVICE_FAULT, EVENTS_STREAM, publish_faults
from parking_cloud.operations.jobs import judge_devices, judge_silence
from parking_cloud.registry.schemas import ProfileIn, RegistryBatch
from parking_cloud.registry.service import import_batch
from sensor_gateway.observation import Observation
from tests.factories import load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

# The registry dates devices by the database's clock, so these tests stand at today's noon.
NOON = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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

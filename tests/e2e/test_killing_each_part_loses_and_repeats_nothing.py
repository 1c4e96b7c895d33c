"""kill -9 of the gateway, the worker and each server in turn, under load: every uplink is recorded once.

The servers of this test write to disk as in production. The broker is the exception that no gateway can
mend: what it had taken and not yet passed on dies with it, so its senders send the last moments again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from bench.flood import Flood
from parking_cloud.demo.city import build_city
from parking_cloud.devstack import Stack, free_port
from parking_cloud.launcher import Platform
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.stack

PORTION = 1_500


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Platform]:
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        os.environ.pop(name, None)
    platform = Platform(
        Stack(tmp_path / "servers", progress=lambda _: None),
        tmp_path,
        simulate=False,
        lived_in=False,
        api_port=free_port(),
        progress=lambda _: None,
    )
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()
        platform.stack.remove()


class Load:
    """Uplinks whose number says everything about them: sent again, they are the same frames."""

    def __init__(self, platform: Platform) -> None:
        self.url = platform.running["mqtt_url"]
        self.devices = [d for d in build_city().devices if d.dev_eui]
        self.flood = Flood(self.url, "faults", self.devices)

    def portion(self) -> None:
        self.flood.at_rate(3_000, PORTION / 3_000)

    def again(self) -> None:
        """After the broker died: connect anew and repeat the last two portions."""
        sent = self.flood.sent
        self.flood.reconnect(self.url, "faults", sent - 2 * PORTION)
        self.flood.send(2 * PORTION)


def recorded(platform: Platform, since: datetime) -> tuple[int, int]:
    """(rows, distinct frames) received since the test began."""
    with psycopg.connect(platform.running["database_url"]) as connection:
        found = connection.execute(
            "select count(*), count(distinct (device_id, frame_counter)) from observation"
            " where received_at >= %s",
            (since,),
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def spooled(platform: Platform) -> float:
    """Bytes that wait on the gateway's disk; -1 while it does not answer."""
    try:
        with httpx.Client(trust_env=False) as client:
            lines = client.get(f"{platform.running['intake_url']}/metrics").text.splitlines()
    except httpx.TransportError:
        return -1
    return next(float(line.split()[1]) for line in lines if line.startswith("gateway_spool_bytes "))


def test_killing_each_part_loses_and_repeats_nothing(durable: Platform) -> None:
    since = datetime.now(UTC)
    servers, load = durable.stack, Load(durable)

    for process in ("gateway", "worker"):
        load.portion()
        durable.kill(process)
        load.portion()
        durable.spawn(process)

    eventually("the gateway back", lambda: spooled(durable) == 0)
    load.portion()
    servers.kill("redis")
    load.portion()
    eventually("observations on the gateway's disk", lambda: spooled(durable) > 0)
    durable.kill("gateway")  # with a spool on its disk, and Redis still away
    load.portion()
    durable.spawn("gateway")
    servers.revive("redis")
    eventually("the spool given back", lambda: spooled(durable) == 0)

    load.portion()
    servers.kill("postgres")
    load.portion()
    servers.revive("postgres")

    load.portion()
    servers.kill("mosquitto")
    servers.revive("mosquitto")
    load.again()
    load.portion()

    sent = load.flood.sent
    load.flood.close()
    eventually("every uplink recorded", lambda: recorded(durable, since)[1] >= sent, seconds=60)
    assert recorded(durable, since) == (sent, sent)

"""The Things Stack's MQTT server speaks 3.1.1 at QoS 0; the documented bridge brings its uplinks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import paho.mqtt.client as paho
import pytest
from redis.asyncio import Redis

from parking_cloud.demo.wire import things_stack_uplink
from parking_cloud.devstack import Server, free_port
from sensor_gateway.directory import DEVICES_HASH, DeviceEntry, encode_entry
from tests.sensor_gateway.parts import IN_TIME, eui, mosquitto, mqtt_intake, on_the_stream, running, until

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

ELSEWHERE = {
    "address": "address 127.0.0.1:{port}",
    "bridge_capath": "",  # without TLS here
    "remote_username": "remote_username parking@huzhou",
    "remote_password": "remote_password key",
}
"""What stands elsewhere than in the documented lines."""


def documented_bridge(port: int) -> list[str]:
    """The bridge as docs/integrators.md has it, to The Things Stack on a port of this machine."""
    document = (Path(__file__).parents[2] / "docs/integrators.md").read_text()
    (block,) = re.findall(r"```conf\n(.*?)\n```", document, re.DOTALL)
    lines = [ELSEWHERE.get(line.partition(" ")[0], line).format(port=port) for line in block.splitlines()]
    assert sum(line.partition(" ")[0] in ELSEWHERE for line in block.splitlines()) == len(ELSEWHERE)
    return lines


class Bridged:
    """The Things Stack (a Mosquitto that takes QoS 0 at most) and the broker that the gateway reads."""

    def __init__(self, things_stack: Server, port: int, broker: Server, url: str) -> None:
        self.things_stack, self.broker, self.url = things_stack, broker, url
        self._port = port

    async def publish(self, f_cnt: int) -> None:
        """As The Things Stack does it: 3.1.1, QoS 0."""
        topic, body = things_stack_uplink(eui(1), f_cnt, 1, b"\x01", datetime.now(UTC))
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        client.username_pw_set("inside", "key")
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        await asyncio.to_thread(client.publish(topic, body, qos=0).wait_for_publish, IN_TIME)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def bridged(tmp_path: Path) -> Iterator[Bridged]:
    there, here = free_port(), free_port()
    open_to_all = ["allow_anonymous true", "persistence true"]
    with (
        mosquitto(
            tmp_path / "tts", [f"listener {there} 127.0.0.1", "max_qos 0", "allow_anonymous true"], there
        ) as things_stack,
        mosquitto(
            tmp_path / "ours",
            [
                f"listener {here} 127.0.0.1",
                *open_to_all,
                f"persistence_location {tmp_path}/",
                *documented_bridge(there),
            ],
            here,
        ) as broker,
    ):
        yield Bridged(things_stack, there, broker, f"mqtt://127.0.0.1:{here}")


async def test_uplinks_cross_the_documented_bridge_and_wait_for_a_gateway_that_is_away(
    redis: Redis, bridged: Bridged
) -> None:
    entry = DeviceEntry(UUID(int=1), UUID(int=9), "bosch", "tps110", "the-things-stack", UUID(int=2))
    await redis.hset(DEVICES_HASH, eui(1), encode_entry(entry))
    await until(lambda: "Sending SUBACK" in bridged.things_stack.log.read_text())
    intake = await mqtt_intake(redis, bridged.url, client_id=f"test-{uuid4()}")
    async with running(intake):
        await bridged.publish(1)
        assert [o.frame_counter for o in await on_the_stream(redis, 1)] == [1]
    await bridged.publish(2)
    published = "Received PUBLISH from"
    await until(lambda: bridged.broker.log.read_text().count(published) == 2)
    async with running(intake):
        observations = await on_the_stream(redis, 2)
    assert [(o.frame_counter, o.source) for o in observations] == [
        (1, "the-things-stack"),
        (2, "the-things-stack"),
    ]
    joined = re.findall(
        r"New client connected from \S+ as (\S+) \(p(\d)", bridged.things_stack.log.read_text()
    )
    assert [version for name, version in joined if name.endswith("the-things-stack")] == ["2"]  # 3.1.1

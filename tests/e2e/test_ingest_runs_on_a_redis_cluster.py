"""The gateway, the worker and the API on a Redis Cluster: nothing is lost, nothing is recorded twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.cluster import RedisCluster

from bench.flood import Flood
from parking_cloud.demo.city import build_city
from parking_cloud.demo.simulate import connect
from parking_cloud.devcluster import NODES, DevCluster
from parking_cloud.devstack import Stack, free_port
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from sensor_gateway.directory import DEVICES_HASH
from sensor_gateway.observation import DEAD_LETTER_STREAM, STREAM_PREFIX, streams
from tests.e2e.test_killing_each_part_loses_and_repeats_nothing import recorded, spooled
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.stack

SHARDS = Settings(database_url="", redis_url="", secret_key="").stream_shards


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DevCluster]:
    with DevCluster(tmp_path / "cluster") as nodes:
        yield nodes


@pytest.fixture
def clustered(tmp_path: Path, cluster: DevCluster) -> Iterator[Platform]:
    """PostgreSQL and Mosquitto of this test's own, with the cluster in place of Redis."""
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        os.environ.pop(name, None)
    stack = Stack(tmp_path / "servers", progress=lambda _: None, fast=True)
    stack.redis_url = cluster.url
    platform = Platform(
        stack, tmp_path, simulate=False, lived_in=False, api_port=free_port(), progress=lambda _: None
    )
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()
        stack.remove()


@pytest.fixture
def api(clustered: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=clustered.running["api_url"], timeout=20, trust_env=False) as client:
        yield client


def names_known(cluster: DevCluster) -> int:
    """How many names the gateway's directory holds."""
    with RedisCluster.from_url(cluster.url.replace("redis-cluster://", "redis://")) as client:
        return int(client.hlen(DEVICES_HASH))


def passed_through(cluster: DevCluster) -> list[dict[str, int]]:
    """For each node, the streams that it keeps and how many entries each has ever been given."""
    found = []
    for number in range(NODES):
        with cluster.node(number) as node:
            # For a stream of another node, it would answer MOVED.
            names = [key.decode() for key in node.scan_iter("parking:*", _type="stream")]
            found.append({name: int(node.xinfo_stream(name)["entries-added"]) for name in names})
    return found


def all_facilities(api: httpx.Client) -> list[dict[str, Any]]:
    """Every facility as the API shows it."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/v1/facilities", params={"limit": 500, "cursor": cursor}).raise_for_status().json()
        found, cursor = found + page["items"], page["next_cursor"]
    return found


def guided_to(api: httpx.Client, facility: dict[str, Any]) -> dict[str, Any]:
    """The facility in guidance's answer to who stands before it."""
    here = {"lat": facility["position"]["lat"], "lon": facility["position"]["lon"], "radius_m": 500}
    near = api.get("/v1/guidance/facilities", params=here).raise_for_status().json()["items"]
    return dict(next(item for item in near if item["code"] == facility["code"]))


def gateway_ready(platform: Platform) -> bool:
    """It is connected to the broker and to every node of the cluster."""
    try:
        url = f"{platform.running['intake_url']}/health/ready"
        return httpx.get(url, timeout=10, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def publish_garbage(platform: Platform) -> None:
    client = connect(platform.running["mqtt_url"], "cluster-garbage")
    topic = "application/1/device/7d01b92e7e8dbebe/event/up"
    client.publish(topic, b"garbage", qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_ingest_runs_on_a_redis_cluster(clustered: Platform, cluster: DevCluster, api: httpx.Client) -> None:
    since = datetime.now(UTC)
    city = build_city().devices
    names = sum(3 if d.dev_eui else 2 for d in city)  # its id, its external id, its DevEUI
    eventually("the directory written", lambda: names_known(cluster) >= names)
    devices = [d for d in city if d.dev_eui]
    flood, part = Flood(clustered.running["mqtt_url"], "cluster", devices), len(devices) // 2
    with api.stream("GET", "/v1/occupancy/stream") as live:
        flood.send(part)
        clustered.kill("gateway")
        flood.send(part)
        clustered.spawn("gateway")
        flood.send(part)
        eventually("the gateway back", lambda: gateway_ready(clustered))
        publish_garbage(clustered)
        cluster.kill(1)
        flood.send(part)
        eventually("observations on the gateway's disk", lambda: spooled(clustered) > 0)
        cluster.revive(1)
        flood.close()
        eventually("every uplink recorded", lambda: recorded(clustered, since)[1] >= flood.sent, seconds=60)
        assert any(line == "event: facility" for line in live.iter_lines())
    assert recorded(clustered, since) == (flood.sent, flood.sent)

    by_node = passed_through(cluster)
    given = {stream: entries for node in by_node for stream, entries in node.items()}
    assert {stream for stream in given if stream.startswith(STREAM_PREFIX)} == set(streams(SHARDS))
    assert all(any(name.startswith(STREAM_PREFIX) and node[name] for name in node) for node in by_node)
    assert given[DEAD_LETTER_STREAM] >= 1  # the node was killed in its midst, so it may be written again

    # Each device has said twice that its space is occupied.
    eventually(
        "every space occupied in the API",
        lambda: sum(item["occupied"] or 0 for item in all_facilities(api)) == len(devices),
    )
    full = api.get("/v1/facilities/wx-street-029").json()
    assert (full["free"], guided_to(api, full)["free"]) == (0, 0)
    assert api.get("/health/ready").status_code == 200
    assert gateway_ready(clustered)

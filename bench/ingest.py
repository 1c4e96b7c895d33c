"""Uplinks per second through the gateway (MQTT to Redis), against bare pipelined XADD of as many bytes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast

import redis

from bench.load import Measured, summary
from parking_cloud.demo.city import build_city
from parking_cloud.demo.simulate import connect
from parking_cloud.demo.wire import uplink
from parking_cloud.launcher import Platform
from sensor_gateway.codecs import codec_for
from sensor_gateway.observation import BODY_FIELD, streams

_MESSAGES = 20_000
_BATCH = 500
_BARE = "bench:bare"
_LONGEST_S = 120.0


def run(platform: Platform) -> None:
    """Print both and their ratio. The worker rests meanwhile, so that entries stay to be counted."""
    platform.kill("worker")
    client = redis.Redis.from_url(platform.running["redis_url"])
    try:
        through, body = _through_the_gateway(platform, client)
        bare = _bare(client, body)
    finally:
        client.delete(_BARE)
        client.close()
        platform.spawn("worker")
    print(through.line("uplinks through gateway"))
    print(bare.line("bare pipelined XADD"))
    print(
        "                         (p50, p99: of a batch of 500, the gateway's with all 20,000 queued at once)"
    )
    print(f"ratio                    {through.rate / bare.rate:8.3f}")


def _through_the_gateway(platform: Platform, client: redis.Redis) -> tuple[Measured, bytes]:
    now = datetime.now(UTC)
    sensors = [device for device in build_city().devices if device.dev_eui]
    messages = []
    for number in range(_MESSAGES):
        device = sensors[number % len(sensors)]
        codec = codec_for(device.vendor, device.model)
        f_port, data = codec.encode_heartbeat(number % 2 == 0, 3.4, 15.0)
        messages.append(uplink(device.source, device.dev_eui or "", 2_000_000 + number, f_port, data, now))
    before = _entries(client)
    mqtt = connect(platform.running["mqtt_url"], "bench-ingest")
    durations: list[float] = []
    begun = time.perf_counter()
    sent_at = []
    done = 0
    for start in range(0, _MESSAGES, _BATCH):
        sent_at.append(time.perf_counter())
        for topic, body in messages[start : start + _BATCH]:
            mqtt.publish(topic, body, qos=1)
        done = _note(durations, sent_at, _entries(client) - before, done)
    while done < len(sent_at):
        if time.perf_counter() - begun > _LONGEST_S:
            raise RuntimeError(f"only {_entries(client) - before} of {_MESSAGES} uplinks arrived")
        time.sleep(0.005)
        done = _note(durations, sent_at, _entries(client) - before, done)
    total = time.perf_counter() - begun
    mqtt.disconnect()
    mqtt.loop_stop()
    measured = summary(durations, total)
    stream = streams(2)[0]
    newest = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrevrange(stream, count=1))
    sample = newest[0][1][BODY_FIELD]
    return Measured(_MESSAGES / total, measured.p50_ms, measured.p99_ms), sample


def _note(durations: list[float], sent_at: list[float], arrived: int, done: int) -> int:
    """Note each batch that has wholly arrived; the number of batches done."""
    while done < len(sent_at) and arrived >= (done + 1) * _BATCH:
        durations.append(time.perf_counter() - sent_at[done])
        done += 1
    return done


def _entries(client: redis.Redis) -> int:
    return sum(int(client.xlen(stream)) for stream in streams(2))


def _bare(client: redis.Redis, body: bytes) -> Measured:
    durations = []
    begun = time.perf_counter()
    for _ in range(0, _MESSAGES, _BATCH):
        at = time.perf_counter()
        pipeline = client.pipeline(transaction=False)
        for _ in range(_BATCH):
            pipeline.xadd(_BARE, {BODY_FIELD: body})
        pipeline.execute()
        durations.append(time.perf_counter() - at)
    total = time.perf_counter() - begun
    measured = summary(durations, total)
    return Measured(_MESSAGES / total, measured.p50_ms, measured.p99_ms)

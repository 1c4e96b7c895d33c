"""Uplinks a second with everything on, against its two bare halves; and how fresh they are below that rate.

Everything on: MQTT, decode, durable stream (Redis with its append-only file), history and state in
PostgreSQL (fsync on). Bare: the same observations one XADD each, pipelined; and the same rows by COPY into
a table without indexes. The load, the broker, both databases and our processes share the machine's cores.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from bench.flood import Flood
from bench.load import Measured, summary
from parking_cloud.demo.city import build_city
from parking_cloud.launcher import Platform
from sensor_gateway.observation import BODY_FIELD, decode, encode, streams

_SECONDS = 60.0
_AHEAD = 20_000
"""So many uplinks may be sent and not yet recorded while the highest rate is looked for."""
_FRESH_SECONDS = 20.0
_BARE_ROWS = 50_000
_BATCH = 500


def run(platform: Platform) -> None:
    """Print the rates, their ratios, the delays at parts of the rate, and the memory."""
    devices = [d for d in build_city().devices if d.dev_eui]
    flood = Flood(platform.running["mqtt_url"], "bench-flood", devices)
    recorded = Recorded(platform)
    flood.at_rate(1_000, 3)  # connections, caches and partitions are there
    before = _memory(platform)
    rate = _highest_rate(flood, recorded)
    after = _memory(platform)
    recorded.wait_for(flood.sent)
    print(f"all of it, {_SECONDS:.0f} s          {rate:8.0f}/s")
    for part in (0.25, 0.5, 0.8):
        print(_delays(platform, flood, rate * part).line(f"visible at {part:.0%} of it"))
        recorded.wait_for(flood.sent)
    flood.close()
    bodies, rows = _sample(platform)
    xadd, copy = _bare_xadd(platform, bodies), _bare_copy(platform, rows)
    print(f"(a) bare pipelined XADD  {xadd:8.0f}/s")
    print(f"(b) bare COPY            {copy:8.0f}/s")
    print(f"ratio to (a)             {rate / xadd:8.3f}")
    print(f"ratio to (b)             {rate / copy:8.3f}")
    for name, kilobytes in after.items():
        print(
            f"memory of {name:14} {before[name] // 1024:8} MB, after {_SECONDS:.0f} s {kilobytes // 1024} MB"
        )


class Recorded:
    """How many observations the worker has recorded, by its own figures."""

    def __init__(self, platform: Platform) -> None:
        self._url = platform.running["worker_metrics_url"]
        self._client = httpx.Client(trust_env=False)
        self._before = 0
        self._before = self.count()

    def count(self) -> int:
        """Recorded since this object was made."""
        text = self._client.get(self._url).text
        found = re.search(r'parking_observations_total\{outcome="recorded"\} ([\d.e+]+)', text)
        return int(float(found.group(1))) - self._before if found else 0

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Until so many are recorded. Raises RuntimeError where they do not come."""
        until = time.perf_counter() + seconds
        while (there := self.count()) < count:
            if time.perf_counter() > until:
                raise RuntimeError(f"only {there} of {count} uplinks were recorded")
            time.sleep(0.05)


def _highest_rate(flood: Flood, recorded: Recorded) -> float:
    """Uplinks recorded a second while the load stays a little ahead."""
    recorded.wait_for(flood.sent)
    first, begun = flood.sent, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < _SECONDS:
        if flood.sent - recorded.count() < _AHEAD:
            flood.send(4_000)
        else:
            time.sleep(0.2)  # to ask more often would itself cost the worker some of its time
    return (recorded.count() - first) / elapsed


def _delays(platform: Platform, flood: Flood, rate: float) -> Measured:
    """From publishing to visible (committed): probes among the load, one at a time."""
    probe_device = [d for d in build_city().devices if d.dev_eui][-1]
    probe = Flood(platform.running["mqtt_url"], "bench-probe", [probe_device])
    probe.sent = 50_000_000 + int(time.time()) % 100_000 * 1_000  # counters that no probe had before
    delays: list[float] = []
    with _newest_of(platform, probe_device.external_id) as newest:
        sent_at, known = 0.0, newest()

        def meanwhile() -> None:
            nonlocal sent_at, known
            if sent_at and (seen := newest()) != known:
                delays.append(time.perf_counter() - sent_at)
                sent_at, known = 0.0, seen
            elif not sent_at:
                sent_at = time.perf_counter()
                probe.send(1)

        flood.at_rate(rate, _FRESH_SECONDS, meanwhile)
    probe.close()
    return summary(delays, _FRESH_SECONDS)


@contextmanager
def _newest_of(platform: Platform, external_id: str) -> Iterator[Any]:
    """A function that reads the newest frame counter recorded of a device."""
    query = (
        "select s.frame_counter from device_state s join device d on d.id = s.device_id"
        " where d.external_id = %s"
    )
    with psycopg.connect(platform.running["database_url"], autocommit=True) as connection:
        yield lambda: connection.execute(query, (external_id,)).fetchone()


def _sample(platform: Platform) -> tuple[list[bytes], list[tuple[Any, ...]]]:
    """Real entries of the streams, one observation each, and real rows of the history."""
    platform.kill("worker")
    flood = Flood(
        platform.running["mqtt_url"], "bench-sample", [d for d in build_city().devices if d.dev_eui]
    )
    flood.sent = 90_000_000
    flood.send(_BATCH)
    flood.close()
    client = redis.Redis.from_url(platform.running["redis_url"])
    bodies: list[bytes] = []
    until = time.perf_counter() + 10
    while len(bodies) < _BATCH and time.perf_counter() < until:
        entries = [entry for stream in streams(4) for entry in _entries(client, stream)]
        bodies = [encode([o]) for _, fields in entries for o in decode(fields[BODY_FIELD])]
    client.close()
    platform.spawn("worker")
    with psycopg.connect(platform.running["database_url"]) as connection:
        rows = connection.execute("select * from observation limit %s", (_BARE_ROWS,)).fetchall()
    return bodies, rows


def _entries(client: redis.Redis, stream: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    answer: Any = client.xrange(stream)
    return list(answer)


def _bare_xadd(platform: Platform, bodies: list[bytes]) -> float:
    client = redis.Redis.from_url(platform.running["redis_url"])
    begun = time.perf_counter()
    for start in range(0, _BARE_ROWS, _BATCH):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + _BATCH):
            pipeline.xadd("bench:bare", {BODY_FIELD: bodies[number % len(bodies)]})
        pipeline.execute()
    elapsed = time.perf_counter() - begun
    client.delete("bench:bare")
    client.close()
    return _BARE_ROWS / elapsed


def _bare_copy(platform: Platform, rows: list[tuple[Any, ...]]) -> float:
    with psycopg.connect(platform.running["database_url"], autocommit=True) as connection:
        connection.execute("create table bench_bare (like observation)")
        kinds = connection.execute(
            "select format_type(atttypid, null) from pg_attribute where attrelid = 'bench_bare'::regclass"
            " and attnum > 0 order by attnum"
        ).fetchall()
        begun = time.perf_counter()
        for start in range(0, len(rows), _BATCH):
            with (
                connection.cursor() as cursor,
                cursor.copy("copy bench_bare from stdin (format binary)") as copy,
            ):
                copy.set_types([kind for (kind,) in kinds])
                for row in rows[start : start + _BATCH]:
                    copy.write_row(row)
        elapsed = time.perf_counter() - begun
        connection.execute("drop table bench_bare")
    return len(rows) / elapsed


def _memory(platform: Platform) -> dict[str, int]:
    """Resident kilobytes of each process that the uplinks pass through."""
    pids = {name: platform.process(name).pid() for name in ("gateway", "worker")}
    pids["redis"] = platform.stack.server("redis").pid()
    pids["mosquitto"] = platform.stack.server("mosquitto").pid()
    found = {}
    for name, pid in pids.items():
        status = Path(f"/proc/{pid}/status").read_text()
        found[name] = int(status.split("VmRSS:")[1].split()[0])
    return found

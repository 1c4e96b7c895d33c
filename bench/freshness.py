"""How long from a status uplink on the broker to its number in the API, at 200 uplinks a second."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime

import httpx

from bench.load import summary
from parking_cloud.demo.city import build_city
from parking_cloud.demo.simulate import connect
from parking_cloud.demo.wire import uplink
from parking_cloud.launcher import Platform
from parking_cloud.registry.schemas import DeviceIn
from sensor_gateway.codecs import codec_for

_RATE = 200
_PROBES = 200
_PROBE = "aj-street-009"


def _observed_at(api: httpx.Client) -> datetime:
    """When the newest statement of the probe's facility was made, as the API says."""
    said = api.get(f"/v1/facilities/{_PROBE}").json()["observed_at"]
    return datetime.fromisoformat(said) if said else datetime.min.replace(tzinfo=UTC)


def run(platform: Platform) -> None:
    """Print p50 and p99 of the delay over some probes under the load."""
    sensors = [device for device in build_city().devices if device.dev_eui]
    probe = next(d for d in sensors if d.facility_code == _PROBE)
    others = [d for d in sensors if d.facility_code != _PROBE]
    mqtt = connect(platform.running["mqtt_url"], "bench-freshness")
    counter = itertools.count(3_000_000)
    stop = threading.Event()

    def say(device: DeviceIn, occupied: bool) -> None:
        codec = codec_for(device.vendor, device.model)
        frame = codec.encode_status(occupied)
        dev_eui = device.dev_eui or ""
        mqtt.publish(*uplink(device.source, dev_eui, next(counter), *frame, datetime.now(UTC)), qos=1)

    def load() -> None:
        for number, device in enumerate(itertools.cycle(others)):
            if stop.wait(1 / _RATE):
                return
            say(device, number % 3 == 0)

    background = threading.Thread(target=load, daemon=True)
    background.start()
    delays = []
    begun = time.perf_counter()
    with httpx.Client(base_url=platform.running["api_url"], trust_env=False) as api:
        for number in range(_PROBES):
            before = datetime.now(UTC)
            say(probe, number % 2 == 0)
            at = time.perf_counter()
            while _observed_at(api) < before:
                if time.perf_counter() - at > 10:
                    raise RuntimeError("an uplink was not seen within 10 s")
                time.sleep(0.002)
            delays.append(time.perf_counter() - at)
    stop.set()
    background.join()
    mqtt.disconnect()
    mqtt.loop_stop()
    seen = summary(delays, time.perf_counter() - begun)
    print(seen.line(f"uplink to API at {_RATE}/s"))

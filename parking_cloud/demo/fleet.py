"""The demo city's sensors as a process in time: what each says next, and how radio spoils it. No I/O."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from forecasting.profile import DayOf
from parking_cloud.demo import wire
from parking_cloud.demo.city import GATED
from parking_cloud.demo.curves import CHURN_PER_HOUR, expected_rate, variation_of
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.registry.schemas import DeviceIn, FacilityIn, RegistryBatch
from sensor_gateway.codecs import Codec, codec_for

Published = tuple[str, bytes]
"""(topic, body) of an MQTT message"""

HEARTBEAT = timedelta(hours=1)


class Spoilage(msgspec.Struct, frozen=True):
    """How badly the radio and the systems behind it behave; each a share, 0..1."""

    duplicates: float = 0.02
    reorder: float = 0.02
    silence: float = 0.01
    """Share of devices that say nothing."""
    garbage: float = 0.005


class Sensor:
    """One sensor and the space beneath it."""

    def __init__(self, device: DeviceIn, codec: Codec, battery_v: float) -> None:
        assert device.dev_eui is not None
        self.dev_eui = device.dev_eui
        self.network = device.source
        self.codec = codec
        self.occupied = False
        self.battery_v = battery_v
        self.f_cnt = 0
        self.next_heartbeat: datetime | None = None

    def say(self, at: datetime, *, heartbeat: bool = False) -> Published:
        """Its next frame, as its network server publishes it."""
        self.f_cnt += 1
        if heartbeat:
            self.battery_v = max(self.battery_v - 0.000_01, 2.6)
            f_port, data = self.codec.encode_heartbeat(self.occupied, self.battery_v, _temperature(at))
        else:
            f_port, data = self.codec.encode_status(self.occupied)
        return wire.uplink(self.network, self.dev_eui, self.f_cnt, f_port, data, at)


class Fleet:
    """All sensors and counters of a city. The same seed and times give the same messages."""

    def __init__(self, city: RegistryBatch, seed: int, spoilage: Spoilage) -> None:
        self._chance = random.Random(seed)
        self._spoilage = spoilage
        self._facilities = {facility.code: facility for facility in city.facilities}
        self._variation = {code: variation_of(code) for code in self._facilities}
        self._sensors: dict[str, list[Sensor]] = {}
        self._counts: dict[str, int] = {}
        self._counters: dict[str, str] = {}
        for device in city.devices:
            self._add(device)
        self._held: list[Published] = []

    def _add(self, device: DeviceIn) -> None:
        if device.facility_code in GATED:
            return  # these count who passes their gates: see traffic.py
        if device.dev_eui is None:
            self._counters[device.facility_code] = device.external_id
        elif self._chance.random() >= self._spoilage.silence:
            codec = codec_for(device.vendor, device.model, device.firmware_line)
            sensor = Sensor(device, codec, 3.6 - 0.4 * self._chance.random())
            self._sensors.setdefault(device.facility_code, []).append(sensor)

    @property
    def sensors(self) -> int:
        """How many sensors speak."""
        return sum(len(sensors) for sensors in self._sensors.values())

    def prime(self, now: datetime) -> Iterator[Published]:
        """Every sensor's first word, in keeping with the hour; facilities take turns."""
        rates = {code: self._rate(self._facilities[code], now) for code in self._sensors}
        queue = [(code, sensor) for code, sensors in self._sensors.items() for sensor in sensors]
        self._chance.shuffle(queue)
        for code, sensor in queue:
            sensor.occupied = self._chance.random() < rates[code]
            sensor.next_heartbeat = now + HEARTBEAT * self._chance.random()
            yield sensor.say(now, heartbeat=True)

    def advance(self, now: datetime, step: timedelta, scale: float = 1.0) -> list[Published]:
        """What is heard in the `step` that ends at `now`, spoiled as asked."""
        return self._spoil(list(self._changes(now, step, scale)) + list(self._heartbeats(now)))

    def counts(self, now: datetime) -> list[tuple[str, int]]:
        """(external id of the counter, free spaces) of each counted facility."""
        rows = []
        for code, external_id in self._counters.items():
            facility = self._facilities[code]
            goal = facility.capacity * (1 - self._rate(facility, now))
            free = self._counts.get(code, round(goal))
            free += round((goal - free) * 0.2 + self._chance.gauss(0, facility.capacity * 0.004))
            self._counts[code] = min(max(free, 0), facility.capacity)
            rows.append((external_id, self._counts[code]))
        return rows

    def _changes(self, now: datetime, step: timedelta, scale: float) -> Iterator[Published]:
        for code, sensors in self._sensors.items():
            facility = self._facilities[code]
            expected = len(sensors) * CHURN_PER_HOUR[facility.kind] * step / HEARTBEAT * scale
            for _ in range(_whole(expected, self._chance)):
                sensor = self._chance.choice(sensors)
                occupied = self._chance.random() < self._rate(facility, now)
                if occupied != sensor.occupied:
                    sensor.occupied = occupied
                    yield sensor.say(now)

    def _heartbeats(self, now: datetime) -> Iterator[Published]:
        for sensors in self._sensors.values():
            for sensor in sensors:
                if sensor.next_heartbeat is not None and sensor.next_heartbeat <= now:
                    sensor.next_heartbeat = now + HEARTBEAT
                    yield sensor.say(now, heartbeat=True)

    def _spoil(self, messages: Sequence[Published]) -> list[Published]:
        heard: list[Published] = []
        late, self._held = self._held, []
        for message in messages:
            if self._chance.random() < self._spoilage.reorder:
                self._held.append(message)
                continue
            heard.append(message)
            if self._chance.random() < self._spoilage.duplicates:
                heard.append(message)
            if self._chance.random() < self._spoilage.garbage:
                heard.append(self._garbage(message))
        return heard + late

    def _garbage(self, message: Published) -> Published:
        topic, body = message
        kind = self._chance.randrange(3)
        if kind == 0:
            return topic, body[: len(body) // 2]
        if kind == 1:
            return topic, self._chance.randbytes(40)
        stranger = self._chance.randbytes(8).hex()
        return wire.chirpstack_uplink(stranger, 1, 1, b"\x01", datetime.fromisoformat("2026-01-01T00:00:00Z"))

    def _rate(self, facility: FacilityIn, now: datetime) -> float:
        local = city_time(now)
        day_off = day_of(local.date())[0] is not DayOf.WORK
        return expected_rate(facility.kind, local, day_off=day_off, variation=self._variation[facility.code])


def batches(messages: Iterable[Published], size: int) -> Iterator[list[Published]]:
    """The messages in lists of `size`."""
    batch: list[Published] = []
    for message in messages:
        batch.append(message)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _whole(expected: float, chance: random.Random) -> int:
    """A whole number with this mean."""
    return int(expected) + (chance.random() < expected % 1)


def _temperature(at: datetime) -> float:
    """A plausible day: coolest before dawn, warmest in the afternoon."""
    hour = city_time(at).hour
    return 16.0 - abs(14 - hour) * 0.6

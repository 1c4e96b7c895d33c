"""From a frame and a directory entry to an observation, or a refusal that says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.demo.wire import chirpstack_uplink, things_stack_uplink
from sensor_gateway.directory import DeviceEntry
from sensor_gateway.networks import PARSERS, MalformedMessage, Uplink, network_of_topic
from sensor_gateway.observation import Quality, decode, encode
from sensor_gateway.pipeline import Refused, Statement, judge_time, observe_statement, observe_uplink

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SENSOR = DeviceEntry(
    device_id=UUID(int=1),
    facility_id=UUID(int=2),
    space_id=UUID(int=3),
    vendor="bosch",
    model="tps110",
    source="chirpstack",
)
COUNTER = DeviceEntry(
    device_id=UUID(int=4),
    facility_id=UUID(int=2),
    vendor="generic",
    model="counter",
    source="o",
    capacity=100,
)


@pytest.mark.parametrize("make", [chirpstack_uplink, things_stack_uplink])
@given(f_cnt=st.integers(0, 2**32 - 1), f_port=st.integers(0, 223), data=st.binary(max_size=50))
def test_both_networks_carry_a_frame_whole(make: Any, f_cnt: int, f_port: int, data: bytes) -> None:
    topic, body = make("0123456789abcdef", f_cnt, f_port, data, NOW)
    uplink = PARSERS[network_of_topic(topic)](body)
    assert (uplink.dev_eui.lower(), uplink.f_cnt, uplink.f_port, uplink.data, uplink.time) == (
        "0123456789abcdef",
        f_cnt,
        f_port,
        data,
        NOW,
    )


@pytest.mark.parametrize("network", list(PARSERS))
@given(body=st.binary(max_size=200))
def test_anything_else_is_malformed(network: str, body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        PARSERS[network](body)


def test_an_observation_survives_its_stream() -> None:
    uplink = Uplink("0123456789abcdef", 2, 7, b"\x01\x14", NOW)
    observation = observe_uplink(uplink, SENSOR, "chirpstack", NOW)
    assert decode(encode([observation])) == [observation]
    assert (observation.occupied, observation.temperature_c, observation.frame_counter) == (True, 20.0, 7)


def test_the_same_frame_has_the_same_id_whenever_it_arrives() -> None:
    uplink = Uplink("0123456789abcdef", 1, 7, b"\x01", NOW)
    ids = {observe_uplink(uplink, SENSOR, "x", NOW + timedelta(minutes=m)).id for m in (-4, 0, 600)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    "other",
    [
        Uplink("0123456789abcdef", 1, 8, b"\x01", NOW),
        Uplink("0123456789abcdef", 1, 7, b"\x00", NOW),
        Uplink("0123456789abcdef", 2, 7, b"\x01", NOW),
        Uplink("0123456789abcdef", 1, 7, b"\x01", NOW, dev_addr="260b1f52"),
    ],
)
def test_another_frame_has_another_id(other: Uplink) -> None:
    first = observe_uplink(Uplink("0123456789abcdef", 1, 7, b"\x01", NOW), SENSOR, "x", NOW)
    assert observe_uplink(other, SENSOR, "x", NOW).id != first.id


@given(st.lists(st.integers(1, 300), min_size=2, max_size=5))
def test_what_arrives_together_keeps_its_order_though_all_of_it_is_ahead(seconds: list[int]) -> None:
    held = [judge_time(NOW + timedelta(seconds=s), NOW)[0] for s in seconds]
    assert [at for _, at in sorted(zip(seconds, held, strict=True))] == sorted(held)
    assert len(set(held)) == len(set(seconds))


def test_a_time_ahead_is_held_to_arrival_and_flagged() -> None:
    held, quality = judge_time(NOW + timedelta(minutes=4), NOW)
    assert quality is Quality.FUTURE
    assert NOW - timedelta(milliseconds=1) < held <= NOW


@pytest.mark.parametrize("offset", [timedelta(days=-31), timedelta(minutes=6)])
def test_an_absurd_time_is_refused(offset: timedelta) -> None:
    with pytest.raises(Refused) as refusal:
        judge_time(NOW + offset, NOW)
    assert refusal.value.reason == "absurd-time"


def test_a_frame_of_garbage_is_refused_with_the_device_named() -> None:
    with pytest.raises(Refused, match="bosch tps110") as refusal:
        observe_uplink(Uplink("0123456789abcdef", 1, 7, b"", NOW), SENSOR, "x", NOW)
    assert refusal.value.reason == "undecodable-payload"


@pytest.mark.parametrize(("free", "quality"), [(-1, "out_of_range"), (101, "out_of_range"), (100, "good")])
def test_a_count_is_kept_as_reported(free: int, quality: str) -> None:
    observation = observe_statement(Statement("c", NOW, free=free), COUNTER, "o", NOW)
    assert (observation.free, observation.quality) == (free, quality)


@pytest.mark.parametrize(("ahead", "quality"), [(0, "out_of_range"), (3, "future")])
def test_a_time_ahead_is_not_hidden_by_a_count_out_of_range(ahead: int, quality: str) -> None:
    said_at = NOW + timedelta(minutes=ahead)
    observation = observe_statement(Statement("c", said_at, free=101), COUNTER, "o", NOW)
    assert (observation.free, observation.quality) == (101, quality)
    assert observation.observed_at <= NOW
    assert observation.sent_at == (said_at if ahead else None)


def test_a_count_and_a_heartbeat_that_carries_it_are_two_statements() -> None:
    rows = [Statement("c", NOW, free=3, heartbeat=heartbeat) for heartbeat in (False, True, True)]
    count, heartbeat, again = (observe_statement(row, COUNTER, "o", NOW) for row in rows)
    assert heartbeat.id == again.id != count.id
    assert (count.kind, heartbeat.kind) == ("count", "heartbeat")


@pytest.mark.parametrize(
    ("row", "device"),
    [
        (Statement("c", NOW), COUNTER),
        (Statement("c", NOW, occupied=True, free=3), COUNTER),
        (Statement("c", NOW, occupied=True), COUNTER),
        (Statement("s", NOW, free=3), SENSOR),
        (Statement("c", NOW, free=10**9), COUNTER),
        (Statement("c", NOW.replace(tzinfo=None), free=3), COUNTER),
    ],
)
def test_rows_that_make_no_sense_are_refused(row: Statement, device: DeviceEntry) -> None:
    with pytest.raises(Refused) as refusal:
        observe_statement(row, device, "o", NOW)
    assert refusal.value.reason == "invalid-input"

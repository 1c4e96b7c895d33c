"""Every codec reads its device's frames, and refuses everything else with its own error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_gateway.codecs import (
    CannotEncode,
    Codec,
    DecodeError,
    Reading,
    UnknownModel,
    all_codecs,
    codec_for,
)
from sensor_gateway.codecs.nwave import previous_state_minutes
from sensor_gateway.observation import RUNNING_COUNT_WRAPS, Kind

CODECS = all_codecs()
SENSORS = [codec for codec in CODECS if codec.status_encoder]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
each_sensor = pytest.mark.parametrize("codec", SENSORS, ids=lambda codec: codec.name)

STATUS, HEARTBEAT, STARTUP, COUNT = Kind.STATUS, Kind.HEARTBEAT, Kind.STARTUP, Kind.COUNT
DO201_MAGNET = {"level_alarm": False, "magnet_alarm": False, "battery_alarm": False, "magnet": [16, -10, -16]}
QUIET = {"battery_good": True, "obstruction": False, "radar": True, "no_beacon": False}

FRAMES: list[tuple[str, int, str, Reading]] = [
    ("bosch tps110", 1, "00", Reading(STATUS, False)),
    ("bosch tps110", 1, "01", Reading(STATUS, True)),
    ("bosch tps110", 2, "01f6", Reading(HEARTBEAT, True, temperature_c=-10.0)),
    ("bosch tps110", 2, "00", Reading(HEARTBEAT, False)),
    (
        "bosch tps110",
        3,
        "24030000 75030000 00000000 001d02 03 01",
        Reading(
            STARTUP,
            True,
            extra={
                "debug_codes": [0x324, 0x375],
                "firmware_version": "0.29.2",
                "reset_cause": "system request",
            },
        ),
    ),
    ("bosch tps110", 5, "0102", Reading(STATUS, extra={"message": "usage", "raw": "0102"})),
    ("nwave nps310", 1, "01", Reading(STATUS, True)),
    ("nwave nps310", 2, "00", Reading(HEARTBEAT, False)),
    (
        "nwave nps310",
        3,
        "010d00 04 01",
        Reading(STARTUP, True, extra={"firmware_version": "1.13.0", "reset_cause": "brown_out"}),
    ),
    ("nwave nps310", 6, "beef", Reading(STATUS, extra={"message": "debug", "raw": "beef"})),
    ("nwave nps405", 1, "95", Reading(STATUS, True, extra={"previous_state_min": 74})),
    ("nwave nps405", 1, "0e", Reading(STATUS, False, extra={"previous_state_min": 7})),
    (
        "nwave nps405",
        2,
        "01fa14",
        Reading(HEARTBEAT, True, battery_v=3.5, temperature_c=20.0, extra={"health": 1}),
    ),
    (
        "nwave nps405",
        3,
        "020409 02 00",
        Reading(STARTUP, False, extra={"firmware_version": "2.4.9", "reset_cause": "power_on"}),
    ),
    (
        "nwave nps405",
        10,
        "01 00000a0b",
        Reading(STATUS, True, extra={"tag_id": "00000a0b", "previous_state_min": 0}),
    ),
    ("nwave nps405", 10, "00 00000a0b", Reading(STATUS, None, extra={"tag_id": "00000a0b"})),
    (
        "nwave nps405",
        10,
        "d1 20 1f345678",
        Reading(STATUS, True, extra={"tag_id": "1f345678", "tag_battery_v": 3.2, "previous_state_min": 160}),
    ),
    ("nwave nps405 bit7", 1, "95", Reading(STATUS, True, extra={"previous_state_min": 21})),
    ("nwave nps405 bit7", 1, "0f", Reading(STATUS, False, extra={"previous_state_min": 15})),
    (
        "nwave nps405 bit7",
        2,
        "83fa14",
        Reading(HEARTBEAT, True, battery_v=3.5, temperature_c=20.0, extra={"health": 3}),
    ),
    (
        "nwave nps405 bit7",
        10,
        "80 00000a0b",
        Reading(STATUS, True, extra={"tag_id": "00000a0b", "previous_state_min": 0}),
    ),
    ("nwave nps405 bit7", 10, "01 00000a0b", Reading(STATUS, None, extra={"tag_id": "00000a0b"})),
    ("nwave ncc405", 1, "06aa", Reading(COUNT, running_count=1_706)),
    ("nwave ncc405", 1, "ffff", Reading(COUNT, running_count=65_535)),
    (
        "nwave ncc405",
        2,
        "a86661",
        Reading(HEARTBEAT, battery_v=2.908, extra={"health": 21, "battery_mean_24h_v": 2.888}),
    ),
    (
        "nwave ncc405",
        3,
        "010d00 02",
        Reading(STARTUP, extra={"firmware_version": "1.13.0", "reset_cause": "power_on"}),
    ),
    (
        "dingtek do200",
        3,
        "8000020115 0000 00 00 016f 0079ffb0fff5 000000 81",
        Reading(
            STATUS,
            False,
            battery_v=3.67,
            extra={**DO201_MAGNET, "magnet": [121, -80, -11], "level_mm": 0},
            battery_low=False,
        ),
    ),
    (
        "dingtek do200",
        3,
        "8000020311 000b 18 02 0a 05a0 003c 0000 81",
        Reading(
            STARTUP,
            extra={
                "firmware_version": "0.11",
                "upload_interval_h": 24,
                "ultrasonic_detect_interval": 2,
                "magnet_detect_interval_s": 10,
                "magnet_threshold": 60,
            },
        ),
    ),
    (
        "dingtek do201",
        3,
        "8000310217 012c 10 11 015e 0010fff6fff0 14 2d 0001 00 81",
        Reading(
            STATUS,
            True,
            battery_v=3.5,
            temperature_c=20.0,
            extra={
                **DO201_MAGNET,
                "magnet_alarm": True,
                "battery_alarm": True,
                "level_mm": 300,
                "humidity": 45,
                "device_frame_counter": 1,
            },
            battery_low=True,
        ),
    ),
    (
        "dingtek do202",
        3,
        "8000320217 06b4 00 00 0161 0010fff6fff0 8b 2d 0001 00 81",
        Reading(
            STATUS,
            False,
            battery_v=3.53,
            temperature_c=-117.0,
            extra={**DO201_MAGNET, "humidity": 45, "device_frame_counter": 1},
            battery_low=False,
        ),
    ),
    (
        "dingtek do202",
        3,
        "8000320310 0101 18 1e 3c 003c 14 0000 81",
        Reading(
            STARTUP,
            extra={
                "firmware_version": "1.1",
                "upload_interval_h": 24,
                "detect_interval_min": 30,
                "magnet_threshold": 60,
                "battery_threshold": 20,
            },
        ),
    ),
    (
        "tekzitel tekzipark",
        1,
        "a8 fb 07",
        Reading(
            STATUS,
            True,
            temperature_c=-5.0,
            extra={**QUIET, "reset": False, "keep_alive": False, "parking_id": 7},
            battery_low=False,
        ),
    ),
    (
        "tekzitel tekzipark",
        1,
        "29 14 07 b5 0102 fffe",
        Reading(
            HEARTBEAT,
            False,
            temperature_c=20.0,
            extra={
                **QUIET,
                "reset": False,
                "keep_alive": True,
                "parking_id": 7,
                "beacon_rssi_dbm": -75,
                "beacons": [0x0102, 0xFFFE],
            },
            battery_low=False,
        ),
    ),
    (
        "tekzitel tekzipark",
        2,
        "96 14 07 01ff02 03fe04 05 06 08",
        Reading(
            STARTUP,
            True,
            temperature_c=20.0,
            extra={
                "battery_good": False,
                "obstruction": True,
                "radar": False,
                "no_beacon": True,
                "reset": True,
                "keep_alive": False,
                "parking_id": 7,
                "deflection": [1, -1, 2],
                "baseline": [3, -2, 4],
                "fault_code": 5,
                "obstruction_measured": 6,
                "reflection_measured": 8,
            },
            battery_low=True,
        ),
    ),
]


@pytest.mark.parametrize(
    ("device", "fport", "payload", "said"), FRAMES, ids=[f"{f[0]}-{f[2]}" for f in FRAMES]
)
def test_a_frame_says(device: str, fport: int, payload: str, said: Reading) -> None:
    assert codec_for(*device.split()).decode(fport, bytes.fromhex(payload)) == said


@pytest.mark.parametrize(
    ("device", "fport", "payload", "wrong"),
    [
        ("bosch tps110", 7, "01", r"fPort 7 is not one of this model's \(1 to 6\)"),
        ("bosch tps110", 1, "", "0 bytes, expected 1"),
        ("nwave nps405", 2, "01fa", "2 bytes, expected at least 3"),
        ("nwave nps405 bit7", 10, "8020 1f345678", "6 bytes, expected 5"),
        ("nwave ncc405", 1, "06", "1 bytes, expected 2"),
        ("nwave ncc405", 10, "0000", "fPort 10"),
        ("dingtek do200", 3, "80" + "00" * 21 + "81", "23 bytes, expected 21"),
        ("dingtek do201", 3, "80" + "00" * 19 + "81", "21 bytes, expected 23"),
        ("dingtek do201", 3, "80" + "00" * 22, "end with 0x81"),
        ("tekzitel tekzipark", 1, "8014", "2 bytes, expected at least 3"),
        ("tekzitel tekzipark", 1, "801407b501", "beacons have two bytes each"),
        ("tekzitel tekzipark", 2, "801407", "3 bytes, expected 12"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_reason(
    device: str, fport: int, payload: str, wrong: str
) -> None:
    with pytest.raises(DecodeError, match=wrong):
        codec_for(*device.split()).decode(fport, bytes.fromhex(payload))


def test_the_same_byte_means_the_opposite_in_the_older_line_of_the_nps405() -> None:
    newest, older = codec_for("nwave", "nps405"), codec_for("nwave", "nps405", "bit7")
    assert newest.decode(1, b"\x01").occupied is True
    assert older.decode(1, b"\x01").occupied is False


@pytest.mark.parametrize(
    ("device", "payload", "occupied", "cause"),
    [
        ("bosch tps110", "00" * 15 + "0901", True, "unknown (9)"),
        ("nwave nps310", "010d000000", False, "unknown (0)"),
        ("nwave nps405", "0204090401", True, "unknown (4)"),
        ("nwave nps405 bit7", "0204090401", True, "unknown (4)"),
        ("nwave ncc405", "010d0004", None, "unknown (4)"),
    ],
)
def test_a_reset_cause_that_nobody_published_does_not_cost_the_occupancy(
    device: str, payload: str, occupied: bool | None, cause: str
) -> None:
    reading = codec_for(*device.split()).decode(3, bytes.fromhex(payload))
    assert (reading.kind, reading.occupied, reading.extra["reset_cause"]) == (STARTUP, occupied, cause)


def extra(name: str) -> Callable[[Reading], Any]:
    return lambda reading: reading.extra[name]


PUBLISHED_KINDS = {
    "parking status": STATUS,
    "parking_status": STATUS,
    "heartbeat": HEARTBEAT,
    "startup": STARTUP,
}
PUBLISHED_NAMES: dict[str, Callable[[Reading], Any]] = {
    "occupied": lambda reading: reading.occupied,
    "alarmPark": lambda reading: reading.occupied,
    "volt": lambda reading: reading.battery_v,
    "battery_voltage": lambda reading: reading.battery_v,
    "temperature": lambda reading: reading.temperature_c,
    "debugCodes": extra("debug_codes"),
    "firmware": extra("firmware_version"),
    "firmwareVersion": extra("firmware_version"),
    "firmware_version": extra("firmware_version"),
    "resetCause": extra("reset_cause"),
    "reset_cause": extra("reset_cause"),
    "previous_state_duration": extra("previous_state_min"),
    "level": extra("level_mm"),
    "alarmLevel": extra("level_alarm"),
    "alarmMagnet": extra("magnet_alarm"),
    "alarmBattery": extra("battery_alarm"),
    "xMagnet": lambda reading: reading.extra["magnet"][0],
    "yMagnet": lambda reading: reading.extra["magnet"][1],
    "zMagnet": lambda reading: reading.extra["magnet"][2],
    "humidity": extra("humidity"),
    "frameCounter": extra("device_frame_counter"),
    "uploadInterval": extra("upload_interval_h"),
    "detectInterval": extra("detect_interval_min"),
    "levelThreshold": extra("level_threshold"),
    "magnetThreshold": extra("magnet_threshold"),
    "batteryThreshold": extra("battery_threshold"),
}
"""Every other name in the vendors' examples, and where it is in a Reading."""


def test_the_vendors_own_examples(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "sensors/vectors.json").read_text())
    assert vectors
    for vector in vectors:
        codec = codec_for(vector["vendor"], vector["model"])
        reading = codec.decode(vector["fport"], bytes.fromhex(vector["bytes_hex"]))
        expected = vector["expected"]
        if "type" in expected:
            assert reading.kind is PUBLISHED_KINDS[expected.pop("type")]
        for name, published in expected.items():
            assert PUBLISHED_NAMES[name](reading) == published, (codec.model, name)


payloads = st.one_of(
    st.binary(max_size=255),
    st.binary(max_size=24).map(lambda body: b"\x80" + body + b"\x81"),  # else no Dingtek frame is ever hit
)
f_ports = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 6, 10]), st.integers(0, 255))


@each_codec
@given(fport=f_ports, data=payloads)
def test_arbitrary_bytes_give_a_reading_or_the_decoders_error(codec: Codec, fport: int, data: bytes) -> None:
    try:
        reading = codec.decode(fport, data)
    except DecodeError:
        return
    assert reading.occupied in (True, False, None)
    assert reading.running_count is None or 0 <= reading.running_count < RUNNING_COUNT_WRAPS
    assert msgspec.json.encode(reading)


@each_codec
def test_the_ports_of_the_table_are_those_that_are_read(codec: Codec) -> None:
    in_table = {int(port) for ports, _, _ in codec.fields for port in ports.split(", ")}
    assert {fport for fport in range(256) if is_known(codec, fport)} == in_table


def is_known(codec: Codec, fport: int) -> bool:
    """False where the codec refuses a payload for its port, and not for its contents."""
    try:
        codec.decode(fport, b"")
    except DecodeError as error:
        return "is not one of this model's" not in str(error)
    return True


@each_sensor
@given(
    occupied=st.booleans(),
    battery=st.floats(2.6, 3.5, allow_nan=False),
    temperature=st.floats(-30, 60, allow_nan=False),
)
def test_what_is_encoded_is_read_back(
    codec: Codec, occupied: bool, battery: float, temperature: float
) -> None:
    assert codec.decode(*codec.encode_status(occupied)).occupied is occupied
    reading = codec.decode(*codec.encode_heartbeat(occupied, battery, temperature))
    assert reading.occupied is occupied
    if reading.battery_v is not None:
        assert reading.battery_v == pytest.approx(battery, abs=0.006)
    if reading.temperature_c is not None:
        assert reading.temperature_c == pytest.approx(temperature, abs=0.51)


def test_a_counter_says_nothing_about_a_space() -> None:
    counter = codec_for("nwave", "ncc405")
    with pytest.raises(CannotEncode, match="ncc405 does not watch a space"):
        counter.encode_status(True)
    with pytest.raises(CannotEncode, match="ncc405 does not watch a space"):
        counter.encode_heartbeat(True, 3.5, 20.0)


@pytest.mark.parametrize(
    ("packed", "minutes"),
    [(0, 0), (74, 74), (89, 89), (90, 90), (119, 235), (120, 240), (126, 600), (127, 660)],
)
def test_the_length_of_the_previous_state_is_unpacked(packed: int, minutes: int) -> None:
    assert previous_state_minutes(packed) == minutes


@pytest.mark.parametrize("unknown", [("acme", "x1"), ("bosch", "tps110", "bit7")])
def test_an_unknown_model_or_line_is_named_with_the_known_ones(unknown: tuple[str, ...]) -> None:
    with pytest.raises(UnknownModel, match=r"bosch tps110, .*nwave nps405, nwave nps405 bit7") as refused:
        codec_for(*unknown)
    assert all(word in str(refused.value) for word in unknown)

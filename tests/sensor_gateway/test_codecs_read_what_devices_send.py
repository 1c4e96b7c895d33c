"""Every codec reads its device's frames, and refuses everything else with its own error."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_gateway.codecs import Codec, DecodeError, UnknownModel, all_codecs, codec_for
from sensor_gateway.codecs.nwave import previous_state_minutes
from sensor_gateway.observation import Kind

VECTORS = json.loads((Path(__file__).parents[1] / "data/vectors.json").read_text())
CODECS = all_codecs()
each_codec = pytest.mark.parametrize("codec", CODECS, ids=[f"{c.vendor} {c.model}" for c in CODECS])


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['model']}-{v['fport']}-{v['hex']}" for v in VECTORS])
def test_known_frames(vector: dict[str, Any]) -> None:
    reading = codec_for(vector["vendor"], vector["model"]).decode(
        vector["fport"], bytes.fromhex(vector["hex"])
    )
    assert reading.kind == vector["kind"]
    assert reading.occupied is vector["occupied"]
    for field in ("battery_v", "temperature_c"):
        if field in vector:
            assert getattr(reading, field) == vector[field]


def test_the_vendors_own_examples(shared_data: Path) -> None:
    names = {
        "volt": "battery_v",
        "battery_voltage": "battery_v",
        "temperature": "temperature_c",
        "alarmPark": "occupied",
        "occupied": "occupied",
    }
    extras = {
        "debugCodes": "debug_codes",
        "firmwareVersion": "firmware_version",
        "firmware_version": "firmware_version",
        "firmware": "firmware_version",
        "resetCause": "reset_cause",
        "reset_cause": "reset_cause",
        "previous_state_duration": "previous_state_min",
        "level": "level_mm",
        "humidity": "humidity",
        "frameCounter": "device_frame_counter",
        "uploadInterval": "upload_interval_h",
        "detectInterval": "detect_interval_min",
        "levelThreshold": "level_threshold",
        "magnetThreshold": "magnet_threshold",
        "batteryThreshold": "battery_threshold",
    }
    for vector in json.loads((shared_data / "sensors/vectors.json").read_text()):
        codec = codec_for(vector["vendor"], vector["model"])
        reading = codec.decode(vector["fport"], bytes.fromhex(vector["bytes_hex"]))
        for name, expected in vector["expected"].items():
            if name in names:
                assert getattr(reading, names[name]) == expected, name
            elif name in extras:
                assert reading.extra[extras[name]] == expected, name


@each_codec
@given(fport=st.integers(0, 255), data=st.binary(max_size=64))
def test_arbitrary_bytes_give_a_reading_or_the_decoders_error(codec: Codec, fport: int, data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert codec.decode(fport, data).occupied in (True, False, None)


@each_codec
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


def test_a_parameter_frame_says_nothing_about_occupancy() -> None:
    reading = codec_for("dingtek", "do201").decode(3, bytes.fromhex("80003103100101181e3c003c14000081"))
    assert (reading.kind, reading.occupied) == (Kind.STARTUP, None)


@pytest.mark.parametrize(
    ("packed", "minutes"),
    [(0, 0), (74, 74), (89, 89), (90, 90), (119, 235), (120, 240), (126, 600), (127, 660)],
)
def test_the_length_of_the_previous_state_is_unpacked(packed: int, minutes: int) -> None:
    assert previous_state_minutes(packed) == minutes


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="bosch tps110"):
        codec_for("acme", "x1")

"""Plates are read generously and kept masked; positions convert exactly; money is whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.kernel.coordinates import Crs, Position, distance_m, from_wgs84, to_wgs84
from parking_cloud.kernel.money import Fen, format_yuan, parse_yuan, share_out
from parking_cloud.kernel.problems import OutsideTheWorld
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault, VaultError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("浙E12345", "ordinary"),
        ("浙e·1234a", "ordinary"),
        ("浙ＥＤ12345", "new_energy_small"),
        ("浙EDA1234", "new_energy_small"),
        ("浙E12345D", "new_energy_large"),
        ("浙E1234警", "police"),
        ("浙E1234学", "trainer"),
        ("浙E1234挂", "trailer"),
        ("粤Z1234港", "hong_kong"),
        ("粤Z1234澳", "macao"),
        ("使123456", "embassy"),
        ("沪A1234领", "consulate"),
        ("WJ浙1234X", "armed_police"),
        ("VA12345", "military"),
        ("ABC-123", "special"),
        ("浙EI2345", "special"),
    ],
)
def test_plate_kinds(text: str, kind: str) -> None:
    assert parse_plate(text).kind == kind


@given(st.text(min_size=1, max_size=30))
def test_no_vehicle_is_refused_for_its_plate(text: str) -> None:
    plate, why = None, ""
    try:
        plate = parse_plate(text)
    except NoPlate as refusal:
        why = str(refusal)
    assert plate or not any(c.isalnum() for c in text) or "says that no plate was read" in why
    assert plate is None or parse_plate(plate.reveal()) == plate


@given(st.from_regex(r"浙E[A-HJ-NP-Z0-9]{5}", fullmatch=True))
def test_a_plate_does_not_print(text: str) -> None:
    plate = parse_plate(text)
    assert text not in f"{plate} {plate!r}"


@given(st.from_regex(r"浙E[A-HJ-NP-Z0-9]{5}", fullmatch=True))
def test_a_plate_is_sealed_and_found_again(text: str) -> None:
    vault, other = PlateVault("11" * 32), PlateVault("22" * 32)
    plate = parse_plate(text)
    sealed = vault.seal(plate)
    assert vault.open(sealed) == plate
    assert sealed != vault.seal(plate)
    assert vault.lookup_hash(plate) == vault.lookup_hash(parse_plate(text.lower()))
    assert vault.lookup_hash(plate) != other.lookup_hash(plate)
    with pytest.raises(VaultError):
        other.open(sealed)


@pytest.mark.parametrize("crs", list(Crs))
@given(lat=st.floats(18, 53), lon=st.floats(74, 134))
def test_positions_come_back_within_half_a_metre(crs: Crs, lat: float, lon: float) -> None:
    here = Position(lat, lon)
    assert distance_m(to_wgs84(from_wgs84(here, crs), crs), here) < 0.5


def test_the_offset_of_chinese_maps_is_some_hundred_metres() -> None:
    huzhou = Position(30.8693, 120.0965)
    assert 300 < distance_m(huzhou, from_wgs84(huzhou, Crs.GCJ02)) < 700
    bonn = Position(50.73, 7.1)
    assert from_wgs84(bonn, Crs.GCJ02) == bonn


@pytest.mark.parametrize(
    ("lat", "lon"), [(90.1, 0), (-91, 0), (0, 180.5), (float("nan"), 0), (0, float("inf"))]
)
def test_what_is_not_on_the_globe_is_refused(lat: float, lon: float) -> None:
    with pytest.raises(OutsideTheWorld):
        Position(lat, lon)


@given(st.integers(-(10**12), 10**12))
def test_yuan_are_written_and_read_exactly(amount: int) -> None:
    text = format_yuan(Fen(amount)).replace(",", "").replace("-¥", "-")
    assert parse_yuan(text) == amount


@pytest.mark.parametrize("text", ["1.234", "1,5", "", "¥", "1e3", "NaN"])
def test_what_is_not_yuan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="yuan"):
        parse_yuan(text)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_shares_sum_to_the_whole(amount: int, weights: list[int]) -> None:
    parts = share_out(Fen(amount), weights)
    assert sum(parts) == amount

"""The demo city is the one that was promised, and its simulator speaks real frames."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point

from parking_cloud.demo.city import build_city, district_shapes
from parking_cloud.demo.curves import CHURN_PER_HOUR, expected_rate
from parking_cloud.demo.fleet import Fleet, Spoilage
from parking_cloud.demo.replay import ReplayError, choose, last_known, read_reports, shifted
from parking_cloud.guidance.hours import is_open
from parking_cloud.registry.opening import opening_of
from sensor_gateway.codecs import codec_for
from sensor_gateway.networks import PARSERS, MalformedMessage, network_of_topic

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
NIGHT, NOON = NOW.replace(hour=19), NOW
CLEAN = Spoilage(0, 0, 0, 0)


def test_the_city_is_as_large_as_promised() -> None:
    city = build_city()
    assert 140 <= len(city.facilities) <= 160
    assert len(city.institutions) == 70
    assert sum(space.shared for space in city.spaces) == 3_500
    assert len(city.spaces) == sum(f.capacity for f in city.facilities) >= 12_000
    assert all(f.synthetic for f in city.facilities)
    assert len({d.dev_eui for d in city.devices if d.dev_eui}) == sum(1 for d in city.devices if d.dev_eui)


def test_every_shared_and_street_space_has_a_sensor_of_the_four_vendors() -> None:
    city = build_city()
    sensed = {(d.facility_code, d.space_number) for d in city.devices if d.dev_eui}
    streets = {f.code for f in city.facilities if f.kind == "on_street"}
    wanted = {(s.facility_code, s.number) for s in city.spaces if s.shared or s.facility_code in streets}
    assert sensed == wanted
    models = Counter(d.model for d in city.devices if d.dev_eui)
    assert set(models) == {"tps110", "nps310", "nps405", "do201"}
    assert min(models.values()) > 1_000


def test_garages_have_ceilings_and_some_places_close_at_night() -> None:
    city = build_city().facilities
    assert all((f.height_limit_cm is not None) == f.name.endswith("库") for f in city)
    closing = [f for f in city if not is_open(opening_of(f.opening_hours), NIGHT)]
    assert 10 < len(closing) < len(city) / 5
    assert all(is_open(opening_of(f.opening_hours), NOON) for f in city)


def test_every_facility_lies_in_its_district() -> None:
    shapes = district_shapes()
    outside = [
        f.code for f in build_city().facilities if not shapes[f.district][0].contains(Point(f.lon, f.lat))
    ]
    assert outside == []


@given(
    kind=st.sampled_from(sorted(CHURN_PER_HOUR)),
    minute=st.integers(0, 1439),
    day_off=st.booleans(),
    variation=st.floats(-1, 1),
)
def test_the_curves_stay_within_bounds_and_are_smooth(
    kind: str, minute: int, day_off: bool, variation: float
) -> None:
    at = datetime(2026, 11, 20) + timedelta(minutes=minute)  # noqa: DTZ001
    rates = [
        expected_rate(kind, at + timedelta(minutes=m), day_off=day_off, variation=variation) for m in (0, 1)
    ]
    assert all(0.02 <= rate <= 0.98 for rate in rates)
    assert abs(rates[0] - rates[1]) < 0.02


def test_the_first_word_of_every_sensor_is_a_real_frame() -> None:
    city = build_city()
    devices = {d.dev_eui: d for d in city.devices}
    fleet = Fleet(city, 1, CLEAN)
    spoken = set()
    for topic, body in fleet.prime(NOW):
        uplink = PARSERS[network_of_topic(topic)](body)
        device = devices[uplink.dev_eui.lower()]
        assert device.source == network_of_topic(topic)
        reading = codec_for(device.vendor, device.model).decode(uplink.f_port, uplink.data)
        assert reading.occupied is not None
        spoken.add(device.dev_eui)
    assert len(spoken) == fleet.sensors


def test_the_same_seed_says_the_same() -> None:
    def day() -> list[tuple[str, bytes]]:
        fleet = Fleet(build_city(), 7, Spoilage())
        list(fleet.prime(NOW))
        return fleet.advance(NOW + timedelta(minutes=1), timedelta(minutes=1))

    assert day() == day()


def test_duplicates_and_garbage_come_at_their_rates() -> None:
    fleet = Fleet(build_city(), 3, Spoilage(duplicates=0.2, reorder=0, silence=0, garbage=0.1))
    list(fleet.prime(NOW))
    heard = fleet.advance(NOW + timedelta(hours=1), timedelta(hours=1))
    repeated = len(heard) - len(set(heard))
    assert repeated / len(heard) == pytest.approx(0.2 / 1.3, abs=0.03)
    broken = 0
    for topic, body in heard:
        try:
            PARSERS[network_of_topic(topic)](body)
        except MalformedMessage:
            broken += 1
    assert broken / len(heard) == pytest.approx(0.1 / 1.3 * 2 / 3, abs=0.02)


def test_a_recorded_file_is_read_and_moved_to_now(tmp_path: Path) -> None:
    path = tmp_path / "free.csv"
    path.write_text(
        "timestamp,a,b\n2026-02-01 00:00:00+00:00,10,\n2026-02-01 00:15:00+00:00,,-3\n"
        "2026-02-02 00:00:00+00:00,x,7\nnever,1,1\n"
    )
    reports, skipped = read_reports(path)
    assert skipped == 2
    assert last_known(reports) == {"a": 10, "b": 7}
    moved = list(shifted([], reports, NOW, speed=24.0))
    assert [at for _, at, _ in moved] == sorted(at for _, at, _ in moved)
    end = NOW + timedelta(hours=1)
    assert moved[-1][:2] == (3600.0, end)
    assert all(at <= NOW + timedelta(seconds=offset) for offset, at, _ in moved)


def test_a_day_begins_with_what_was_known_before(tmp_path: Path) -> None:
    path = tmp_path / "free.csv"
    path.write_text("timestamp,a,b\n2026-02-01 00:00:00+00:00,10,4\n2026-02-02 00:00:00+00:00,,7\n")
    reports, _ = read_reports(path)
    before, day = choose(reports, datetime(2026, 2, 2, tzinfo=UTC), None)
    assert last_known(before + day) == {"a": 10, "b": 7}
    assert [offset for offset, _, _ in shifted(before, day, NOW, 1.0)] == [0.0] * 3
    with pytest.raises(ReplayError, match="no reports"):
        choose(reports, datetime(2027, 1, 1, tzinfo=UTC), None)

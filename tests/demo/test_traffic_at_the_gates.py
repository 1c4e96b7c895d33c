"""The demo's traffic: nobody is in two places, and counts follow who passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from parking_cloud.demo.city import GATED, build_city
from parking_cloud.demo.fleet import Fleet, Spoilage
from parking_cloud.demo.traffic import Mishap, Payer, Traffic
from sensor_gateway.plates import PlateKind, parse_plate

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def _day() -> Traffic:
    traffic = Traffic(build_city(), 5)
    traffic.begin(NOW)
    return traffic


def test_every_garage_with_gates_has_a_camera_each_way() -> None:
    devices = {d.external_id: d for d in build_city().devices if d.source == "gates"}
    assert set(devices) == {f"{code}-{side}" for code in GATED for side in ("entry", "exit")}


def test_a_vehicle_is_in_one_place_at_a_time_and_leaves_after_it_came() -> None:
    traffic = _day()
    seen = len(traffic.visits)
    for minute in range(240):
        now = NOW + timedelta(minutes=minute)
        for visit in traffic.leaving(now):
            assert visit.entered_at < visit.leaves_at <= now
            traffic.left(visit)
        seen += len(traffic.arrivals(now, timedelta(minutes=1)))
        plates = [visit.plate for visit in traffic.visits.values()]
        assert len(plates) == len(set(plates))
    assert seen > 1_000


def test_free_spaces_follow_who_comes_and_goes() -> None:
    traffic = _day()
    before = dict(traffic.counts())
    visit = next(iter(traffic.visits.values()))
    traffic.left(visit)
    after = dict(traffic.counts())
    assert after.pop(f"{visit.facility}-counter") == before.pop(f"{visit.facility}-counter") + 1
    assert after == before


def test_a_gated_garage_is_counted_by_its_traffic_alone() -> None:
    counted = {counter for counter, _ in Fleet(build_city(), 1, Spoilage()).counts(NOW)}
    assert not counted & {f"{code}-counter" for code in GATED}
    assert {counter for counter, _ in _day().counts()} == {f"{code}-counter" for code in GATED}


def test_plates_have_the_shape_of_real_ones_and_a_misread_differs_by_one_sign() -> None:
    traffic = _day()
    for visit in traffic.visits.values():
        kind = PlateKind.NEW_ENERGY_SMALL if visit.color == "green" else PlateKind.ORDINARY
        assert parse_plate(visit.plate).kind == kind
        visit.mishap = Mishap.MISREAD_EXIT
        read, sure = traffic.read_plate(visit, leaving=True)
        assert read is not None
        assert sum(a != b for a, b in zip(read, visit.plate, strict=True)) == 1
        assert sure < 0.9
        assert traffic.read_plate(visit, leaving=False)[0] == visit.plate


def test_who_pays_by_telephone_pays_before_leaving() -> None:
    traffic = _day()
    later = NOW + timedelta(minutes=20)
    paying = traffic.paying(later)
    assert paying
    assert all(visit.payer == Payer.PHONE and visit.pays_at <= later for visit in paying)


def test_the_same_seed_is_the_same_traffic() -> None:
    assert [v.plate for v in _day().visits.values()] == [v.plate for v in _day().visits.values()]

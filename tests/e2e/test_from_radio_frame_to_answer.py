"""A frame on the real broker becomes a number in the API, once, whatever is killed on the way."""

from __future__ import annotations

import argparse
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import paho.mqtt.client as paho
import psycopg
import pytest

from parking_cloud.demo import replay
from parking_cloud.demo.simulate import connect
from parking_cloud.demo.wire import uplink
from parking_cloud.launcher import Platform
from sensor_gateway.codecs import codec_for
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.stack


def devices_of(administrator: httpx.Client, code: str) -> list[dict[str, Any]]:
    facility = administrator.get(f"/v1/facilities/{code}").json()
    answer = administrator.get("/v1/registry/devices", params={"facility_id": facility["id"]})
    assert answer.status_code == 200
    return list(answer.json()["items"])


def frame(device: dict[str, Any], occupied: bool, f_cnt: int, at: datetime) -> tuple[str, bytes]:
    codec = codec_for(device["vendor"], device["model"])
    return uplink(device["source"], device["dev_eui"], f_cnt, *codec.encode_status(occupied), at)


def publish(client: paho.Client, messages: list[tuple[str, bytes]]) -> None:
    """Published, and acknowledged by the broker."""
    for info in [client.publish(topic, body, qos=1) for topic, body in messages]:
        info.wait_for_publish(30)


def rows(platform: Platform, since: datetime) -> tuple[int, int]:
    """(rows, distinct frames) of the history since a time."""
    with psycopg.connect(platform.running["database_url"]) as connection:
        found = connection.execute(
            "select count(*), count(distinct (device_id, frame_counter)) from observation"
            " where received_at >= %s and frame_counter >= 1000000",
            (since,),
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


@pytest.mark.parametrize("code", ["wx-street-029", "nx-inst-001"])
def test_a_status_uplink_is_seen_in_the_api(
    platform: Platform, administrator: httpx.Client, code: str
) -> None:
    devices = devices_of(administrator, code)
    client = connect(platform.running["mqtt_url"], f"test-{code}")
    now = datetime.now(UTC)
    for f_cnt, occupied, at in ((1, True, now - timedelta(minutes=1)), (2, False, now)):
        publish(client, [frame(device, occupied, f_cnt, at) for device in devices])

        def shown(expected: int = len(devices) if occupied else 0) -> bool:
            return bool(administrator.get(f"/v1/facilities/{code}").json()["occupied"] == expected)

        eventually("the new state in the API", shown)
    spaces = administrator.get(f"/v1/facilities/{code}/spaces").json()["items"]
    assert [space["occupied"] for space in spaces] == [False] * len(devices)
    client.disconnect()
    client.loop_stop()


def test_garbage_is_set_aside_and_the_flow_goes_on(platform: Platform, administrator: httpx.Client) -> None:
    device = devices_of(administrator, "dq-street-013")[0]
    client = connect(platform.running["mqtt_url"], "test-garbage")
    now = datetime.now(UTC)
    topic, body = frame(device, True, 1, now)
    publish(client, [(topic, b"\x00garbage"), (topic, b"{}"), (topic, body)])
    eventually(
        "the good frame",
        lambda: administrator.get("/v1/facilities/dq-street-013").json()["occupied"] == 1,
    )
    client.disconnect()
    client.loop_stop()


def test_killing_gateway_and_worker_loses_and_repeats_nothing(
    platform: Platform, administrator: httpx.Client
) -> None:
    """8,000 uplinks, kill -9 of both in their midst: each is in the history exactly once."""
    since = datetime.now(UTC)
    chance = random.Random(1)
    devices = [d for code in ("wx-street-030", "wx-street-031") for d in devices_of(administrator, code)]
    messages = [
        frame(
            devices[n % len(devices)],
            chance.random() < 0.5,
            1_000_000 + n,
            since + timedelta(milliseconds=n % 500),
        )
        for n in range(8_000)
    ]
    client = connect(platform.running["mqtt_url"], "test-kill")
    for part, victim in enumerate(["gateway", "worker", "gateway", "worker"]):
        publish(client, messages[part * 2_000 : part * 2_000 + 1_000])
        platform.kill(victim)
        publish(client, messages[part * 2_000 + 1_000 : (part + 1) * 2_000])
        platform.spawn(victim)
    eventually("all 8,000 in the history", lambda: rows(platform, since)[1] == 8_000, seconds=120)
    assert rows(platform, since) == (8_000, 8_000)
    client.disconnect()
    client.loop_stop()


def test_a_recorded_file_ends_at_its_last_known_values(platform: Platform, tmp_path: Any) -> None:
    series = tmp_path / "free.csv"
    series.write_text(
        "timestamp,haus-1,haus-2\n2026-02-01 00:00:00+00:00,10,700\n2026-02-01 00:15:00+00:00,,-4\n"
        "2026-02-01 00:30:00+00:00,12,\n"
    )
    (tmp_path / "car_parks.csv").write_text(
        "place_id,name,city,capacity,latitude,longitude\nhaus-1,Eins,Bonn,50.0,50.7,7.1\nhaus-2,Zwei,Bonn,80.0,,\n"
    )
    assert _replay(platform, series) == 0
    with httpx.Client(base_url=platform.running["api_url"], trust_env=False) as api:
        clamped = api.get("/v1/facilities/haus-2").json()
    assert (clamped["free"], clamped["reported_free"], clamped["quality"]) == (0, -4, "out_of_range")


def test_a_day_of_63_real_car_parks_ends_at_its_last_known_values(
    platform: Platform, shared_data: Any
) -> None:
    assert _replay(platform, shared_data / "occupancy/free_spaces_15min.csv.gz", "--day", "2026-06-10") == 0


def _replay(platform: Platform, file: Any, *options: str) -> int:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    arguments = [str(file), "--speed", "1000000", "--home", str(platform.home), *options]
    return replay.run(parser.parse_args(arguments))


def test_the_stream_resumes_where_it_was_left(platform: Platform, intake: httpx.Client) -> None:
    with httpx.Client(base_url=platform.running["api_url"], timeout=20, trust_env=False) as api:

        def count(free: int) -> None:
            row = {"device_id": "wx-public-041-counter", "free": free}
            answer = intake.post(
                "/v1/observations", json=[row | {"observed_at": datetime.now(UTC).isoformat()}]
            )
            assert answer.status_code == 202
            eventually(
                "the count in the API",
                lambda: api.get("/v1/facilities/wx-public-041").json()["reported_free"] == free,
            )

        count(11)
        first = _events(api, None, after=lambda: count(12), until=12)
        count(13)
        count(14)
        # Events tell the numbers of their moment, so what changed twice in a moment may come once.
        resumed = _events(api, first[-1][0], after=lambda: None, until=14)
        assert {free for _, free in resumed} <= {13, 14}
        assert [event_id for event_id, _ in resumed] > [first[-1][0]]


def _events(api: httpx.Client, last_event_id: str | None, *, after: Any, until: int) -> list[tuple[str, int]]:
    """(id, free) of one garage's events up to a number; `after` runs once the stream is open."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    found: list[tuple[str, int]] = []
    with api.stream("GET", "/v1/occupancy/stream", headers=headers) as stream:
        event: dict[str, str] = {}
        lines = stream.iter_lines()
        next(lines)
        after()
        for line in lines:
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
                continue
            if event.get("event") == "facility" and "wx-public-041" in event["data"]:
                found.append((event["id"], json.loads(event["data"])["free"]))
            event = {}
            if found and found[-1][1] == until:
                break
    return found


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/v1/guidance/facilities?lat=91&lon=0", 422, "coordinates-outside-the-world"),
        ("/v1/guidance/facilities?lat=nan&lon=0", 422, "coordinates-outside-the-world"),
        ("/v1/guidance/facilities?lat=here&lon=0", 422, "invalid-input"),
        ("/v1/guidance/facilities", 422, "invalid-input"),
        ("/v1/facilities/nowhere", 404, "facility-not-found"),
        ("/v1/facilities/%00", 422, "invalid-input"),
        ("/v1/registry/devices", 401, "not-signed-in"),
        ("/v1/nothing", 404, "not-found"),
    ],
)
def test_refusals_are_problem_documents(api: httpx.Client, path: str, status: int, slug: str) -> None:
    answer = api.get(path, headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"urn:parking-cloud:problem:{slug}"
    assert answer.headers["content-language"] == "en"


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"{not json", 400, "malformed-body"),
        (b"{}", 422, "invalid-input"),
        (b'{"username": "nobody", "password": "wrong"}', 401, "wrong-password"),
        (b" " * 11_000_000, 413, "body-too-large"),
    ],
)
def test_bad_bodies_are_refused(api: httpx.Client, body: bytes, status: int, slug: str) -> None:
    answer = api.post("/v1/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:parking-cloud:problem:{slug}")


def test_an_imported_counter_is_known_to_the_gateway(
    administrator: httpx.Client, intake: httpx.Client
) -> None:
    facility = "code,name,kind,counting,capacity,operator_code\nnew-1,新,ancillary,counter,9,hz-parking\n"
    device = "external_id,vendor,model,source,facility_code\nnew-1-counter,generic,counter,observations,{}\n"
    assert administrator.post("/v1/registry/imports/facilities", content=facility.encode()).status_code == 201
    refused = administrator.post("/v1/registry/imports/devices", content=device.format("nowhere").encode())
    assert refused.json()["errors"][0]["value"] == "nowhere"
    assert administrator.post(
        "/v1/registry/imports/devices", content=device.format("new-1").encode()
    ).is_success
    row = {"device_id": "new-1-counter", "free": 4, "observed_at": datetime.now(UTC).isoformat()}
    eventually(
        "the gateway to know the counter", lambda: intake.post("/v1/observations", json=[row]).is_success
    )
    eventually("its count", lambda: administrator.get("/v1/facilities/new-1").json()["free"] == 4)


def test_guidance_answers_nearest_first_in_the_asked_coordinates(api: httpx.Client) -> None:
    asked = {"lat": 30.8693, "lon": 120.0965, "radius_m": 5000, "limit": 20}
    items = api.get("/v1/guidance/facilities", params=asked).json()["items"]
    assert [i["distance_m"] for i in items] == sorted(i["distance_m"] for i in items)
    assert len(items) == 20
    shifted = api.get("/v1/guidance/facilities", params=asked | {"crs": "gcj02"}).json()["items"]
    same = {i["id"]: i for i in shifted}.get(items[0]["id"])
    assert same is not None
    assert same["position"] != items[0]["position"]


def test_paging_reaches_every_facility_once(api: httpx.Client) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/v1/facilities", params={"cursor": cursor, "limit": 40}).json()
        seen += [item["code"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) >= 148


def test_a_count_is_moved_on_by_who_passes_the_gate(platform: Platform, api: httpx.Client) -> None:
    """A full count, then entries, an exit and a correction, each through its own door of the intake."""
    code = "wx-public-050"
    keys = platform.running["api_keys"]
    now = datetime.now(UTC)
    gate = f"{code}-counter"

    def send(path: str, key: str, rows: list[dict[str, Any]]) -> None:
        with httpx.Client(base_url=platform.running["intake_url"], trust_env=False) as client:
            answer = client.post(f"/v1/{path}", json=rows, headers={"X-Api-Key": keys[key]})
        assert answer.status_code == 202, answer.text

    def passed(number: int, direction: str) -> dict[str, Any]:
        row = {"record_id": f"e2e-{number}", "device_id": gate, "direction": direction}
        return row | {"occurred_at": (now - timedelta(seconds=30)).isoformat(), "plate": f"浙E0000{number}"}

    def free(expected: int) -> None:
        eventually(f"{expected} free", lambda: api.get(f"/v1/facilities/{code}").json()["free"] == expected)

    counted_at = (now - timedelta(minutes=1)).isoformat()
    send("observations", "observations", [{"device_id": gate, "free": 30, "observed_at": counted_at}])
    free(30)
    send("gate-events", "gates", [passed(1, "entry"), passed(2, "entry"), passed(3, "exit")])
    send("gate-events", "gates", [passed(1, "entry")])  # sent again: no second effect
    free(29)
    void = {"record_id": "e2e-c", "corrects": "e2e-2", "stated_at": now.isoformat(), "void": True}
    send("corrections", "gates", [void])
    free(30)


def test_staff_see_device_health_and_state_findings(
    platform: Platform, administrator: httpx.Client, api: httpx.Client
) -> None:
    """By HTTP: a finding is compared and checked, the lists answer, and drivers see none of it."""
    device = devices_of(administrator, "dq-street-014")[0]
    client = connect(platform.running["mqtt_url"], "test-finding")
    publish(client, [frame(device, True, 1, datetime.now(UTC) - timedelta(minutes=1))])
    spaces = "/v1/facilities/dq-street-014/spaces"
    space = eventually(
        "the occupied space",
        lambda: [s for s in administrator.get(spaces).json()["items"] if s["occupied"]],
    )[0]["id"]
    finding = administrator.post("/v1/findings", json={"space_id": space, "occupied": False})
    assert (finding.status_code, finding.json()["agrees"]) == (201, False)
    check = finding.json()["check_id"]
    assert check in [c["id"] for c in administrator.get("/v1/operations/checks").json()["items"]]
    closing = {"outcome": "person_wrong", "note": "泊位里有车"}
    closed = administrator.post(f"/v1/operations/checks/{check}/close", json=closing)
    assert (closed.status_code, closed.json()["outcome"]) == (200, "person_wrong")
    again = administrator.post(f"/v1/operations/checks/{check}/close", json=closing)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "check-closed")
    assert administrator.get("/v1/operations/faults?condition=silent").status_code == 200
    assert "chirpstack" in [s["source"] for s in administrator.get("/v1/operations/sources").json()]
    with httpx.Client(base_url=platform.running["api_url"], trust_env=False) as stranger:
        assert stranger.get("/v1/operations/faults").status_code == 401
    client.disconnect()
    client.loop_stop()

"""NB-IoT pushes are taken by their signature: genuine, fresh and once; the documented example is one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from sensor_gateway import dead_letters
from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH, DeviceEntry, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.networks import MalformedMessage
from sensor_gateway.networks.nb_iot import parse
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher
from sensor_gateway.transports.http import create_intake_app
from tests.sensor_gateway.parts import STREAM, on_the_stream

IMEI = "862592051651472"
TAKEN = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
NOW = TAKEN + timedelta(seconds=5)
PATH = "/v1/uplinks/nb-iot"
DO202_OCCUPIED = bytes.fromhex("800032021706b41000016100 10fff6fff0 142d000100 81")
stack = [pytest.mark.stack, pytest.mark.anyio]


class Example:
    """What docs/integrators.md shows: a key, a request, and how it was signed."""

    def __init__(self) -> None:
        document = Path(__file__).parents[2] / "docs/integrators.md"
        text = document.read_text().split("## NB-IoT\n")[1].split("\n## ")[0]
        (request,) = re.findall(r"```http\n(.*?)\n```", text, re.DOTALL)
        (code,) = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)
        (self.key,) = re.findall(r"API key\n`(.*?)`", text)
        (shortened,) = re.findall(r"# here (\w+)…(\w+),", text)
        head, _, body = request.partition("\n\n")
        self.body = body.encode()
        self.headers = dict(line.split(": ") for line in head.splitlines()[1:])
        self.key_hash = hashlib.sha256(self.key.encode()).hexdigest()
        self.shortened: tuple[str, str] = shortened
        names: dict[str, Any] = {"hashlib": hashlib, "hmac": hmac}
        exec(code, names)
        self.sign = names["signature"]


EXAMPLE = Example()


def report(**other: Any) -> bytes:
    plain = {
        "imei": IMEI,
        "time": TAKEN.isoformat(),
        "port": 3,
        "data": base64.b64encode(DO202_OCCUPIED).decode(),
    }
    return msgspec.json.encode(plain | other)


def signed(
    body: bytes, *, at: datetime = NOW, nonce: str = "nonce-01", key: str = EXAMPLE.key
) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {
        "X-Source": "nb-iot",
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Signature": EXAMPLE.sign(key, timestamp, nonce, body),
    }


def test_the_documented_example_is_signed_as_it_says() -> None:
    headers, (begins, ends) = EXAMPLE.headers, EXAMPLE.shortened
    by_the_code = EXAMPLE.sign(EXAMPLE.key, headers["X-Timestamp"], headers["X-Nonce"], EXAMPLE.body)
    assert headers["X-Signature"] == by_the_code
    assert EXAMPLE.key_hash.startswith(begins)
    assert EXAMPLE.key_hash.endswith(ends)


def test_a_report_says_who_when_and_what() -> None:
    uplink = parse(report(sequence=7))
    assert (uplink.dev_eui, uplink.f_port, uplink.f_cnt) == (IMEI, 3, 7)
    assert (uplink.data, uplink.time) == (DO202_OCCUPIED, TAKEN)


def test_only_the_time_tells_reports_of_the_same_content_apart() -> None:
    in_china = TAKEN.astimezone(tz=None).isoformat()
    later = (TAKEN + timedelta(milliseconds=1)).isoformat()
    sessions = [parse(body).dev_addr for body in (report(), report(time=in_china), report(time=later))]
    assert sessions[0] == sessions[1] != sessions[2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"imei": "86259205165147"},
        {"imei": "00000000000000aa"},
        {"imei": IMEI + "\n"},
        {"imei": "８６２５９２０５１６５１４７２"},
        {"time": "2026-11-20T12:00:00"},
        {"time": 1795147200000},
        {"port": 256},
        {"data": "%"},
        {"sequence": -1},
    ],
)
def test_what_is_no_report_is_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse(report(**wrong))


@pytest.fixture
def pressure() -> Pressure:
    return Pressure(redis_bytes=1_000)


@pytest.fixture
async def client(redis: Redis, pressure: Pressure) -> AsyncIterator[httpx.AsyncClient]:
    """The intake with one device, the documented source, and another whose key is not for signing."""
    entry = DeviceEntry(UUID(int=1), UUID(int=9), "dingtek", "do202", "nb-iot", space_id=UUID(int=2))
    await redis.hset(DEVICES_HASH, IMEI, encode_entry(entry))
    for key, source in (
        (EXAMPLE.key, SourceEntry("nb-iot", ("signed-uplinks",))),
        ("lns", SourceEntry("chirpstack", ("uplinks",))),
        ("forger", SourceEntry("forger", ("signed-uplinks",))),
    ):
        await redis.hset(SOURCES_HASH, hashlib.sha256(key.encode()).hexdigest(), encode_entry(source))
    directory = DirectoryFollower(redis)
    await directory.load()
    app = create_intake_app(
        redis=redis,
        directory=directory,
        publisher=Publisher(redis, 1),
        pressure=pressure,
        now=lambda: NOW,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        yield client


async def push(client: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """The status, and what kind of refusal it was."""
    answer = await client.post(PATH, content=body, headers=headers)
    kind = "" if answer.is_success else answer.json()["type"].removeprefix("urn:parking-cloud:problem:")
    return answer.status_code, kind


class TestTheRoute:
    pytestmark = stack

    async def test_the_documented_example_is_taken(self, client: httpx.AsyncClient, redis: Redis) -> None:
        assert await push(client, EXAMPLE.body, EXAMPLE.headers) == (202, "")
        (observation,) = await on_the_stream(redis, 1)
        assert (observation.space_id, observation.occupied) == (UUID(int=2), True)
        assert (observation.observed_at, observation.source) == (TAKEN, "nb-iot")

    @pytest.mark.parametrize(
        "change",
        [
            {"X-Signature": ""},
            {"X-Signature": "0" * 64},
            {"X-Signature": "ключ"},
            {"X-Source": "nobody"},
            {"X-Source": "chirpstack"},
            {"X-Source": ""},
            {"X-Timestamp": "1795147206"},
            {"X-Timestamp": "soon"},
            {"X-Timestamp": "9" * 5_000},
            {"X-Nonce": "another-nonce"},
            {"X-Nonce": "short"},
            {"X-Nonce": "a.b.c.d.e.f"},
        ],
    )
    async def test_what_was_not_signed_so_is_refused(
        self, client: httpx.AsyncClient, redis: Redis, change: dict[str, str]
    ) -> None:
        headers = {name: value.encode() for name, value in (signed(report()) | change).items()}
        answer = await client.post(PATH, content=report(), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (
            401,
            "urn:parking-cloud:problem:wrong-signature",
        )
        assert await redis.exists(STREAM) == 0

    async def test_another_body_or_key_is_refused(self, client: httpx.AsyncClient) -> None:
        assert await push(client, report(sequence=1), signed(report())) == (401, "wrong-signature")
        assert await push(client, report(), signed(report(), key="guess")) == (401, "wrong-signature")

    async def test_a_key_that_is_not_for_signing_is_refused(self, client: httpx.AsyncClient) -> None:
        headers = signed(report(), key="lns") | {"X-Source": "chirpstack"}
        assert await push(client, report(), headers) == (403, "not-allowed")

    async def test_a_key_speaks_only_for_its_own_sources_devices(
        self, client: httpx.AsyncClient, redis: Redis
    ) -> None:
        headers = signed(report(), key="forger") | {"X-Source": "forger"}
        assert await push(client, report(), headers) == (403, "not-allowed")
        assert await redis.exists(STREAM) == 0

    @pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-300, 202), (300, 202), (301, 401)])
    async def test_a_signature_is_good_for_five_minutes(
        self, client: httpx.AsyncClient, seconds: int, status: int
    ) -> None:
        headers = signed(report(), at=NOW + timedelta(seconds=seconds))
        kind = "stale-signature" if status == 401 else ""
        assert await push(client, report(), headers) == (status, kind)

    async def test_a_request_is_taken_once(self, client: httpx.AsyncClient, redis: Redis) -> None:
        assert await push(client, report(), signed(report())) == (202, "")
        assert await push(client, report(), signed(report())) == (409, "replayed")
        assert await push(client, report(), signed(report(), nonce="nonce-02")) == (202, "")
        first, again = await on_the_stream(redis, 2)
        assert first.id == again.id

    async def test_what_was_not_stored_may_come_again_as_it_was(
        self, client: httpx.AsyncClient, pressure: Pressure
    ) -> None:
        pressure.judge(2_000)
        assert await push(client, report(), signed(report())) == (429, "too-busy")
        pressure.judge(0)
        assert await push(client, report(), signed(report())) == (202, "")

    async def test_without_redis_to_ask_a_nonce_is_believed(
        self, client: httpx.AsyncClient, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(*_: Any, **__: Any) -> None:
            raise RedisConnectionError

        monkeypatch.setattr(redis, "set", away)
        for _ in range(2):  # a frame heard again: it has the same id
            assert await push(client, report(), signed(report())) == (202, "")

    async def test_a_strangers_report_is_kept(self, client: httpx.AsyncClient, redis: Redis) -> None:
        body = report(imei="490154203237518")
        assert await push(client, body, signed(body)) == (404, "unknown-device")
        ((_, letter),) = await dead_letters.newest(redis, 1)
        assert (letter.source, letter.origin, letter.raw) == ("nb-iot", PATH, body)

    @pytest.mark.parametrize(
        ("language", "title"), [("zh-CN", "签名无效"), ("en", "The signature is not valid")]
    )
    async def test_refusals_speak_the_callers_language(
        self, client: httpx.AsyncClient, language: str, title: str
    ) -> None:
        answer = await client.post(PATH, content=b"{}", headers={"Accept-Language": language})
        assert answer.json()["title"] == title

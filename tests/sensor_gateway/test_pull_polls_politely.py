"""A real HTTP server is polled conditionally and at a measured pace, and nothing is lost or sent twice."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from sensor_gateway.pipeline import Refused, Statement
from sensor_gateway.pull import Poller
from sensor_gateway.pull.health import SourceHealth
from sensor_gateway.pull.mapping import Fields, JsonSource
from sensor_gateway.pull.read import MOST_BYTES

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Headers = dict[str, str]


class Site:
    """A local HTTP server. It gives its scripted answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Headers, bytes]] = []
        self.asked: list[tuple[str, Headers]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, headers, body = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if status != 304:
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/live"

    def answer(self, status: int = 200, /, body: bytes = b"", **headers: str) -> None:
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, body))


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


class Bench:
    """A poller whose time is the test's: sleeping moves the clock and records the pause."""

    def __init__(self, site: Site, client: httpx.AsyncClient, **declared: Any) -> None:
        self.taken: list[list[Statement]] = []
        self.pauses: list[float] = []
        self.fails: list[Exception] = []
        self.strangers: set[str] = set()
        self.now = NOON
        self._client = client
        self._polls = 0
        self._done = asyncio.Event()
        fields = Fields(device_id="id", observed_at="at", free="free")
        declared = {"name": "garage", "url": site.url, "every_s": 60, "slowest_s": 600, **declared}
        self.poller = Poller(
            [JsonSource(fields=fields, **declared)],
            self.take,
            client=client,
            now=lambda: self.now,
            sleep=self.sleep,
            chance=lambda: 0.5,
        )

    async def take(self, source: str, statements: list[Statement]) -> list[Refused]:
        assert source == "garage"
        if self.fails:
            raise self.fails.pop(0)
        self.taken.append(statements)
        return [
            Refused("unknown-device", f"no device {s.device_id} is registered")
            for s in statements
            if s.device_id in self.strangers
        ]

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        if len(self.pauses) == self._polls:
            self._done.set()
            await asyncio.Event().wait()

    async def poll(self, times: int) -> SourceHealth:
        """Run for so many polls; the health just after the last fetch."""
        self._polls = times
        running = asyncio.create_task(self.poller.run())
        done = asyncio.create_task(self._done.wait())
        await asyncio.wait({running, done}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert done.done(), "the poller ended or hangs"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        self.now -= timedelta(seconds=self.pauses[-1])
        (health,) = self.poller.health()
        return health


@pytest.fixture
def bench(site: Site, client: httpx.AsyncClient) -> Callable[..., Bench]:
    return lambda **declared: Bench(site, client, **declared)


def rows(*cells: tuple[str, Any], at: datetime = NOON) -> bytes:
    return json.dumps([{"id": i, "free": free, "at": at.isoformat()} for i, free in cells]).encode()


async def test_what_is_published_is_taken_and_counted(site: Site, bench: Callable[..., Bench]) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"source": "garage", **labels}) or 0.0

    fetches, read = value("gateway_pull_fetches_total", outcome="new"), value("gateway_pull_rows_total")
    problems = value("gateway_pull_problems_total")
    site.answer(body=rows(("a", 1), ("b", None), ("c", 3)))
    bench_ = bench(headers={"X-Api-Key": "k"})
    health = await bench_.poll(1)
    assert bench_.taken == [[Statement("a", NOON, free=1), Statement("c", NOON, free=3)]]
    assert bench_.pauses == [60]
    assert site.asked[0][1]["x-api-key"] == "k"
    assert (health.state, health.rows, health.sent, health.problems) == ("ok", 2, 2, 1)
    assert value("gateway_pull_fetches_total", outcome="new") == fetches + 1
    assert value("gateway_pull_rows_total") == read + 2
    assert value("gateway_pull_problems_total") == problems + 1
    bench_.now = NOON + timedelta(seconds=7)
    assert value("gateway_pull_newest_age_seconds") == 7


async def test_the_source_is_asked_conditionally(site: Site, bench: Callable[..., Bench]) -> None:
    modified = "Fri, 20 Nov 2026 11:59:00 GMT"
    site.answer(body=rows(("a", 1)), ETag='"one"', Last_Modified=modified)
    site.answer(304)
    site.answer(304)
    bench_ = bench()
    health = await bench_.poll(3)
    assert "if-none-match" not in site.asked[0][1]
    for _, headers in site.asked[1:]:
        assert (headers["if-none-match"], headers["if-modified-since"]) == ('"one"', modified)
    assert len(bench_.taken) == 1
    assert health.fetches == {"new": 1, "unchanged": 2}
    assert bench_.pauses == [60, 60, 60]


async def test_a_record_that_has_not_changed_is_not_sent_again(
    site: Site, bench: Callable[..., Bench]
) -> None:
    later = NOON + timedelta(minutes=1)
    site.answer(body=rows(("a", 1), ("b", 2), ("b", 2)))
    site.answer(body=rows(("a", 1), ("b", 3)))
    site.answer(body=rows(("a", 1), ("b", 3)))
    site.answer(body=rows(("a", 1), ("b", 3), at=later))
    bench_ = bench()
    health = await bench_.poll(4)
    assert [[(s.device_id, s.free) for s in taken] for taken in bench_.taken] == [
        [("a", 1), ("b", 2)],
        [("b", 3)],
        [("a", 1), ("b", 3)],
    ]
    assert (health.sent, health.newest) == (5, later)


async def test_what_is_refused_is_counted_by_reason_and_is_not_sent(
    site: Site, bench: Callable[..., Bench]
) -> None:
    def refused() -> float:
        labels = {"source": "garage", "reason": "unknown-device"}
        return REGISTRY.get_sample_value("gateway_pull_not_taken_total", labels) or 0.0

    before = refused()
    site.answer(body=rows(("a", 1), ("elsewhere", 2), ("far", 3)))
    bench_ = bench()
    bench_.strangers = {"elsewhere", "far"}
    with capture_logs() as logs:
        health = await bench_.poll(3)
    assert (health.state, health.sent, health.not_taken, refused() - before) == ("ok", 1, 2, 2)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["statements are not taken"]


async def test_what_could_not_be_taken_comes_again(site: Site, bench: Callable[..., Bench]) -> None:
    site.answer(body=rows(("a", 1)), ETag='"one"')
    bench_ = bench()
    bench_.fails = [OSError("Redis is away")]
    health = await bench_.poll(1)
    assert (health.state, health.rows) == ("failing", 0)
    assert "Redis is away" in health.reason
    bench_ = bench()
    bench_.fails = [OSError("Redis is away")]
    health = await bench_.poll(3)
    assert ["if-none-match" in headers for _, headers in site.asked[1:]] == [False, False, True]
    assert bench_.taken == [[Statement("a", NOON, free=1)]]
    assert (health.state, health.fetches) == ("ok", {"not-taken": 1, "new": 2})


async def test_failures_double_the_pause_up_to_the_slowest(site: Site, bench: Callable[..., Bench]) -> None:
    for _ in range(6):
        site.answer(500)
    site.answer(body=rows(("a", 1)))
    bench_ = bench()
    health = await bench_.poll(7)
    # Half of 120, 240, 480 and then of the slowest, 600: the chance is always a half here.
    assert bench_.pauses == [60, 120, 240, 300, 300, 300, 60]
    assert (health.consecutive_failures, health.fetches) == (0, {"failed": 6, "new": 1})


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [
        (503, "200", 200),
        (429, "200", 200),
        (503, "10", 60),
        (503, "Fri, 20 Nov 2026 12:10:00 GMT", 600),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 60),
        (503, "99999999999", 86_400),
        (503, "soon", 60),
        (403, "4000", 4000),
    ],
)
async def test_retry_after_is_honoured(
    site: Site, bench: Callable[..., Bench], status: int, retry_after: str, pause: float
) -> None:
    site.answer(status, Retry_After=retry_after)
    bench_ = bench()
    await bench_.poll(1)
    assert bench_.pauses == [pause]


async def test_a_refusal_is_asked_again_slowly(site: Site, bench: Callable[..., Bench]) -> None:
    site.answer(401)
    bench_ = bench()
    health = await bench_.poll(2)
    assert bench_.pauses == [600, 600]
    assert (health.state, health.since, health.reason) == ("refused", NOON, "it answered 401")


@pytest.mark.parametrize("location", ["http://localhost/live", "/live", "ftp://127.0.0.1/live"])
async def test_redirects_elsewhere_or_in_circles_are_refused(
    site: Site, bench: Callable[..., Bench], location: str
) -> None:
    site.answer(302, Location=location)
    health = await bench().poll(1)
    assert (health.state, "redirects" in health.reason) == ("refused", True)
    assert len(site.asked) == (4 if location == "/live" else 1)


async def test_a_redirect_within_the_host_is_followed(site: Site, bench: Callable[..., Bench]) -> None:
    site.answer(301, Location="/new")
    site.answer(body=rows(("a", 1)), ETag='"one"')
    site.answer(301, Location="/new")
    site.answer(304)
    health = await bench(headers={"X-Api-Key": "k"}).poll(2)
    assert health.fetches == {"new": 1, "unchanged": 1}
    assert [path for path, _ in site.asked] == ["/live", "/new"] * 2
    assert (site.asked[3][1]["if-none-match"], site.asked[3][1]["x-api-key"]) == ('"one"', "k")


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (b"<html>", {"ETag": '"one"'}, "not JSON"),
        (gzip.compress(b" " * (MOST_BYTES + 1)), {"Content_Encoding": "gzip"}, "larger than 20 MB"),
        (gzip.compress(gzip.compress(b"[]")), {"Content_Encoding": "gzip, gzip"}, "content coding"),
    ],
    ids=["html", "large", "twice compressed"],
)
async def test_what_cannot_be_read_is_not_remembered(
    site: Site, bench: Callable[..., Bench], body: bytes, headers: Headers, says: str
) -> None:
    site.answer(body=body, **headers)
    bench_ = bench()
    health = await bench_.poll(2)
    assert health.fetches == {"unreadable": 2}
    assert (health.state, says in health.reason) == ("failing", True)
    assert bench_.pauses == [60, 120]
    assert "if-none-match" not in site.asked[1][1]


async def test_compressed_bodies_are_read(site: Site, bench: Callable[..., Bench]) -> None:
    site.answer(body=gzip.compress(rows(("a", 1))), Content_Encoding="gzip")
    assert (await bench().poll(1)).sent == 1


async def test_a_cut_off_body_is_a_failure(site: Site, bench: Callable[..., Bench]) -> None:
    site.answer(body=rows(("a", 1)), Content_Length="100000", ETag='"one"')
    bench_ = bench()
    health = await bench_.poll(1)
    assert (health.state, bench_.taken) == ("failing", [])


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    """Each byte in time, and the whole never: httpx's own timeouts would wait for ever."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.05)

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Drip()))
    site = Site()
    site.server.server_close()
    async with httpx.AsyncClient(transport=transport) as client:
        health = await Bench(site, client, timeout_s=1).poll(1)
    assert health.reason == "no whole answer within 1 s"


async def test_a_body_is_given_up_as_soon_as_it_is_too_large() -> None:
    sent = 0

    class Flood(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 10 * MOST_BYTES:
                sent += 1_000_000
                yield b" " * 1_000_000

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Flood()))
    site = Site()
    site.server.server_close()
    async with httpx.AsyncClient(transport=transport) as client:
        health = await Bench(site, client).poll(1)
    assert health.reason == "the body is larger than 20 MB"
    assert sent == MOST_BYTES + 1_000_000


async def test_a_source_that_is_not_there_is_a_failure(client: httpx.AsyncClient) -> None:
    site = Site()
    site.server.server_close()
    health = await Bench(site, client).poll(1)
    assert (health.state, health.reason.partition(":")[0]) == ("failing", "ConnectError")


async def test_a_fault_with_one_source_does_not_end_the_others() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "bad":
            raise RuntimeError("nobody thought of this")
        return httpx.Response(200, content=rows(("a", 1)))

    fields = Fields(device_id="id", observed_at="at", free="free")
    sources = [JsonSource(name=name, url=f"http://{name}/", fields=fields) for name in ("bad", "good")]
    taken: list[str] = []
    enough = asyncio.Event()

    async def take(source: str, statements: list[Statement]) -> list[Refused]:
        taken.append(source)
        return []

    async def sleep(seconds: float) -> None:
        if all(health.state != "starting" for health in poller.health()):
            enough.set()
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        poller = Poller(sources, take, client=client, now=lambda: NOON, sleep=sleep)
        running = asyncio.create_task(poller.run())
        await asyncio.wait_for(enough.wait(), 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert taken == ["good"]
    assert [health.state for health in poller.health()] == ["failing", "ok"]
    assert poller.health()[0].fetches == {"fault": 1}


async def test_without_a_client_it_makes_its_own(site: Site) -> None:
    site.answer(body=rows(("a", 1)))
    taken = asyncio.Event()

    async def take(source: str, statements: list[Statement]) -> list[Refused]:
        taken.set()
        return []

    fields = Fields(device_id="id", observed_at="at", free="free")
    running = asyncio.create_task(
        Poller([JsonSource(name="garage", url=site.url, fields=fields)], take).run()
    )
    await asyncio.wait_for(taken.wait(), 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()

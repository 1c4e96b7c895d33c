"""Wuhan again: a bill was deleted in the cloud and lived on at the lot. A void reaches both sides, once."""

from __future__ import annotations

import base64
import hmac
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.hooks import RETRIES_S
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays.jobs import lapse_unproved
from parking_cloud.stays.push import push_due
from tests.factories import NOON, load_small_city
from tests.serving import client_of
from tests.stays.parts import ENTRY, EXIT, VAULT, all_stays, arrive, corrected, follow, minute, passed, told

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
NOW = NOON + timedelta(hours=3)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings under which a lot's system on this machine may be told."""
    return msgspec.structs.replace(settings, demo=True, hooks_inside=True)


@pytest.fixture
async def gate(session: AsyncSession) -> Any:
    return (await load_small_city(session))["garage-counter"]


@pytest.fixture
async def client(settings: Settings, gate: Any) -> AsyncIterator[Client]:
    async with client_of(settings, FixedClock(NOW)) as client:
        yield client


@pytest.fixture
async def operator(session: AsyncSession, gate: Any) -> UUID:
    return UUID(str(await session.scalar(text("select id from operator"))))


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, NOW)}"}


async def a_stay(session: AsyncSession, redis: Redis, gate: Any) -> UUID:
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 60)])
    (stay,) = await all_stays(session)
    return UUID(str(stay.id))


async def test_a_void_here_reaches_the_lot_and_stays(
    settings: Settings, session: AsyncSession, redis: Redis, client: Client, gate: Any, operator: UUID
) -> None:
    stay = await a_stay(session, redis, gate)
    staff = signed_in(settings, Role.OPERATOR_STAFF, operator)
    void = {"action": "void", "reason": "测试车辆"}
    address = f"/v1/stays/{stay}/resolution"
    answers = [await client.post(address, json=void, headers=staff) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    feed = (await client.get("/v1/stays/corrections", headers=staff)).json()
    (item,) = feed["items"]
    assert (item["kind"], item["entry"]["record_id"], item["exit"]["record_id"]) == ("void", "in", "out")
    assert feed["unacknowledged"] == 1

    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 60)])
    await arrive(session, redis, [corrected("c", "out", 70, occurred_at=NOON + timedelta(minutes=61))])
    (row,) = await all_stays(session, void=True)
    assert row.state == "void"

    ack = {"seqs": [item["seq"]]}
    for _ in range(2):
        done = await client.post("/v1/stays/corrections/ack", json=ack, headers=staff)
        assert (done.status_code, done.json()) == (200, {"known": 1})
    assert (await client.get("/v1/stays/corrections", headers=staff)).json()["unacknowledged"] == 0
    stranger = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    done = await client.post("/v1/stays/corrections/ack", json=ack, headers=stranger)
    assert done.json() == {"known": 0}
    assert (await client.get("/v1/stays/corrections", headers=stranger)).json()["items"] == []


async def test_a_void_of_the_lot_reaches_the_cloud_once(
    session: AsyncSession, redis: Redis, gate: Any
) -> None:
    stay = await a_stay(session, redis, gate)
    voids = [corrected("c", "in", 70, void=True), corrected("d", "out", 70, void=True)]
    for _ in range(2):
        await arrive(session, redis, voids)
    (row,) = await all_stays(session, void=True)
    assert (row.id, row.state, row.version) == (stay, "void", 2)
    assert await told(session) == [str(stay)] * 2
    assert await session.scalar(text("select count(*) from stay_correction")) == 0


class Lot(http.server.BaseHTTPRequestHandler):
    """A lot's own system: takes corrections, or fails as often as it is told to."""

    failures = 0
    taken: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).failures:
            type(self).failures -= 1
            self.send_response(503)
        else:
            type(self).taken.append((dict(self.headers), body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def lot() -> Iterator[str]:
    Lot.failures, Lot.taken = 0, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/corrections"
    server.shutdown()
    server.server_close()


async def test_corrections_are_pushed_signed_and_again(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    client: Client,
    gate: Any,
    operator: UUID,
    lot: str,
) -> None:
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    set_hook = f"/v1/stays/corrections/hook?operator_id={operator}"
    secret = (await client.put(set_hook, json={"url": lot}, headers=chief)).json()["secret"]
    stay = await a_stay(session, redis, gate)
    void = {"action": "void", "reason": "测试车辆"}
    await client.post(f"/v1/stays/{stay}/resolution", json=void, headers=chief)

    Lot.failures = 2
    at = NOW
    async with httpx.AsyncClient() as http_client:
        for pause in (0, RETRIES_S[0], RETRIES_S[1]):
            early = at + timedelta(seconds=pause - 1)
            if pause:
                assert await push_due(sessions, http_client, settings, VAULT, early) == 0
            at += timedelta(seconds=pause)
            assert await push_due(sessions, http_client, settings, VAULT, at) == 1
        assert await push_due(sessions, http_client, settings, VAULT, at + timedelta(days=1)) == 0
    ((headers, body),) = Lot.taken
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    staff = signed_in(settings, Role.OPERATOR_STAFF, operator)
    feed = (await client.get("/v1/stays/corrections", headers=staff)).json()
    assert (feed["unacknowledged"], feed["items"][0]["attempts"]) == (0, 3)


async def test_a_lot_that_never_answers_stays_visible(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    client: Client,
    gate: Any,
    operator: UUID,
    lot: str,
) -> None:
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    await client.put(f"/v1/stays/corrections/hook?operator_id={operator}", json={"url": lot}, headers=chief)
    stay = await a_stay(session, redis, gate)
    void = {"action": "void", "reason": "测试车辆"}
    await client.post(f"/v1/stays/{stay}/resolution", json=void, headers=chief)
    Lot.failures = 1000
    at = NOW
    async with httpx.AsyncClient() as http_client:
        for pause in (0, *RETRIES_S):
            at += timedelta(seconds=pause)
            assert await push_due(sessions, http_client, settings, VAULT, at) == 1
        assert await push_due(sessions, http_client, settings, VAULT, at + timedelta(days=1)) == 0
    listed = f"/v1/stays/corrections?operator_id={operator}&unacknowledged=true"
    (item,) = (await client.get(listed, headers=chief)).json()["items"]
    assert (item["kind"], item["attempts"], item["acknowledged_at"]) == ("void", 11, None)


async def test_what_nobody_proves_in_time_is_void(
    settings: Settings, session: AsyncSession, redis: Redis, client: Client, gate: Any, operator: UUID
) -> None:
    await arrive(session, redis, [passed(gate, "out", EXIT, 60)])
    await lapse_unproved(session, NOON + timedelta(days=29), vault=VAULT)
    assert [stay.state for stay in await all_stays(session)] == ["review"]
    await lapse_unproved(session, NOON + timedelta(days=31), vault=VAULT)
    await session.commit()
    assert [stay.state for stay in await all_stays(session, void=True)] == ["void"]
    feed = await client.get(
        "/v1/stays/corrections", headers=signed_in(settings, Role.OPERATOR_STAFF, operator)
    )
    assert [item["kind"] for item in feed.json()["items"]] == ["void"]
    await follow(session, redis)
    (row,) = await all_stays(session, void=True)
    assert minute(row.exited_at) == 60

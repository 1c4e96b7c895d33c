"""A charger's record makes its minutes known to the stay, and so to its price: once, and to it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import NOON, load_small_city
from tests.payments.parts import TARIFF
from tests.serving import client_of
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, minute, passed, told
from tests.tariffs.parts import with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
NOW = NOON + timedelta(hours=5)


@pytest.fixture
async def gate(session: AsyncSession, redis: Redis) -> Any:
    """A garage at ¥6 an hour, two hours at a charger free; a vehicle was there for three."""
    gate = (await load_small_city(session))["garage-counter"]
    await with_tariff(session, "garage", TARIFF | {"charging": {"free_minutes": 120}})
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 180)], at=181)
    return gate


@pytest.fixture
async def client(settings: Settings, gate: Any) -> AsyncIterator[Client]:
    async with client_of(settings, FixedClock(NOW)) as client:
        yield client


def token(settings: Settings, role: Role, operator: UUID | None) -> str:
    who = Identity(user_id=uuid4(), username="charger", role=role, operator_id=operator)
    return issue(who, settings.secret_key, NOW)


async def test_in_the_stay_its_history_and_its_page(
    settings: Settings, session: AsyncSession, redis: Redis, client: Client, gate: Any
) -> None:
    operator = await session.scalar(text("select id from operator"))
    machine = {"Authorization": f"Bearer {token(settings, Role.INTEGRATION, operator)}"}
    staff = {"Authorization": f"Bearer {token(settings, Role.OPERATOR_STAFF, operator)}"}
    stranger = {"Authorization": f"Bearer {token(settings, Role.INTEGRATION, uuid4())}"}
    (stay,) = await all_stays(session)
    address, shown = f"/v1/stays/{stay.id}/charging", f"/v1/stays/{stay.id}"
    assert (await client.get(shown, headers=staff)).json()["evidence"]["amount"] == 1800

    record = {"record_id": "pile-7/1", "minutes": 60}
    assert (await client.post(address, json=record, headers=stranger)).status_code == 403
    for sent, sum_ in ((record, 60), (record, 60), ({"record_id": "pile-7/2", "minutes": 30}, 90)):
        answer = await client.post(address, json=sent, headers=machine)
        assert (answer.status_code, answer.json()) == (200, {"charging_minutes": sum_})
    corrected = {"record_id": "pile-7/1", "minutes": 90}
    assert (await client.post(address, json=corrected, headers=staff)).json() == {"charging_minutes": 120}
    too_long = await client.post(address, json={"record_id": "x", "minutes": 90}, headers=machine)
    assert too_long.status_code == 422

    await session.commit()
    (stay,) = await all_stays(session)
    assert (stay.state, stay.charging_minutes, stay.version) == ("closed", 120, 4)
    assert await told(session) == [str(stay.id)] * 4
    seen = (await client.get(shown, headers=staff)).json()
    assert seen["evidence"]["amount"] == 600
    assert [v["charging_minutes"] for v in seen["versions"]] == [120, 90, 60, 0]
    client.headers["Sec-Fetch-Site"] = "same-origin"
    client.cookies[COOKIE] = token(settings, Role.OPERATOR_STAFF, operator)
    page = (await client.get(f"/console/stays/{stay.id}?lang=en")).text
    assert "120 min" in page
    assert "pile-7/1 · 90 min" in page


async def test_later_records_of_gates_keep_it(
    settings: Settings, session: AsyncSession, redis: Redis, client: Client, gate: Any
) -> None:
    operator = await session.scalar(text("select id from operator"))
    machine = {"Authorization": f"Bearer {token(settings, Role.INTEGRATION, operator)}"}
    await arrive(session, redis, [passed(gate, "in2", ENTRY, 200)], at=201)
    stay = (await all_stays(session))[1]
    record = {"record_id": "pile-7/1", "minutes": 60}
    assert (await client.post(f"/v1/stays/{stay.id}/charging", json=record, headers=machine)).is_success
    await arrive(session, redis, [passed(gate, "out2", EXIT, 290)], at=291)
    stay = (await all_stays(session))[1]
    assert (stay.state, minute(stay.exited_at), stay.charging_minutes) == ("closed", 290, 60)

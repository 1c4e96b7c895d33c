"""The list that a gate fetches: it waits for news, sees its own operator's places, and says what it has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.app import create_app
from parking_cloud.gates import allow_list
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import NOON, facility_id_of, load_small_city
from tests.gates.lists import given, state

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = httpx.AsyncClient
LIST = "/v1/gates/allow-list"


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return facility_id_of(await load_small_city(session), "garage-counter")


@pytest.fixture
async def client(settings: Settings, garage: UUID) -> AsyncIterator[Client]:
    app = create_app(settings, FixedClock(NOON))
    transport = httpx.ASGITransport(cast(Any, app))
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def gate(session: AsyncSession, settings: Settings, garage: UUID) -> dict[str, str]:
    operator = UUID(str(await session.scalar(text("select operator_id from facility limit 1"))))
    return signed_in(settings, operator)


def signed_in(settings: Settings, operator: UUID | None, role: Role = Role.INTEGRATION) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="gates", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, NOON)}"}


async def test_it_waits_for_news_and_acknowledges(
    session: AsyncSession, client: Client, gate: dict[str, str], garage: UUID
) -> None:
    first = (await client.get(f"{LIST}?facility=garage", headers=gate)).json()
    assert (first["version"], first["full"], first["entries"]) == (0, True, [])
    waiting = asyncio.create_task(client.get(f"{LIST}?facility=garage&after=0&wait=25", headers=gate))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    one = await given(session, garage)
    told = (await waiting).json()
    assert time.monotonic() - begun < 1
    (entry,) = told["entries"]
    assert (entry["id"], entry["plate"]) == (str(one), "浙E12345")
    assert entry["during"] == [{"from": "2026-11-20T04:00:00Z", "until": "2026-11-20T06:00:00Z"}]
    assert await state(session, one) == "told"
    answer = {"facility": "garage", "version": told["version"], "accepted": [str(one), str(uuid4())]}
    for _ in range(2):
        done = await client.post(f"{LIST}/acknowledgements", json=answer, headers=gate)
        assert (done.status_code, done.json()) == (200, {"known": 1})
    assert await state(session, one) == "acknowledged"
    nothing = await client.get(f"{LIST}?facility=garage&after={told['version']}", headers=gate)
    assert nothing.json() == told | {"after": told["version"], "full": False, "entries": []}


async def test_an_old_answer_does_not_stand_for_what_changed_since(
    session: AsyncSession, client: Client, gate: dict[str, str], garage: UUID
) -> None:
    one = await given(session, garage)
    told = (await client.get(f"{LIST}?facility=garage", headers=gate)).json()
    await given(session, garage, "浙E54321", pass_id=one)
    answer = {"facility": "garage", "version": told["version"], "accepted": [str(one)]}
    done = await client.post(f"{LIST}/acknowledgements", json=answer, headers=gate)
    assert (done.json(), await state(session, one)) == ({"known": 0}, "waiting")


async def test_a_version_that_never_was_brings_the_whole_list(
    session: AsyncSession, client: Client, gate: dict[str, str], garage: UUID
) -> None:
    one, two = await given(session, garage), await given(session, garage, "浙E54321")
    await allow_list.withdraw(session, two, NOON)
    await session.commit()
    told = (await client.get(f"{LIST}?facility=garage&after=99", headers=gate)).json()
    assert (told["full"], [entry["id"] for entry in told["entries"]]) == (True, [str(one)])
    changes = (await client.get(f"{LIST}?facility=garage&after=2", headers=gate)).json()
    assert [(entry["id"], entry["plate"]) for entry in changes["entries"]] == [(str(two), None)]


async def test_another_operators_gate_learns_nothing(
    session: AsyncSession, settings: Settings, client: Client, garage: UUID
) -> None:
    one = await given(session, garage)
    answer = {"facility": "garage", "version": 1, "accepted": [str(one)]}
    for who in (signed_in(settings, uuid4()), signed_in(settings, None)):
        assert (await client.get(f"{LIST}?facility=garage", headers=who)).status_code == 403
        done = await client.post(f"{LIST}/acknowledgements", json=answer, headers=who)
        assert done.status_code == 403
    for role in (Role.DRIVER, Role.INSTITUTION_MANAGER, Role.OPERATOR_STAFF):
        who = signed_in(settings, None, role)
        assert (await client.get(f"{LIST}?facility=garage", headers=who)).status_code == 403
    assert (await client.get(f"{LIST}?facility=nowhere", headers=who)).status_code == 403


async def test_how_a_gate_is_told_is_set_by_an_administrator(
    session: AsyncSession, settings: Settings, client: Client, gate: dict[str, str], garage: UUID
) -> None:
    await given(session, garage)
    chief = signed_in(settings, None, Role.CITY_ADMINISTRATOR)
    url = "/v1/facilities/garage/gate-adapter"
    for wrong in ({"way": "push"}, {"way": "pull", "url": "https://lot.example/"}):
        assert (await client.put(url, json=wrong, headers=chief)).status_code == 422
    inside = {"way": "push", "url": "https://10.0.0.8/list"}
    assert (await client.put(url, json=inside, headers=chief)).status_code == 422
    done = await client.put(url, json={"way": "push", "url": "https://lot.example/list"}, headers=chief)
    assert done.json()["secret"].startswith("whsec_")
    shown = (await client.get(url, headers=chief)).json()
    assert (shown["way"], shown["version"], shown["waiting"]) == ("push", 1, 1)
    assert (await client.put(url, json={"way": "none"}, headers=gate)).status_code == 403


async def test_a_key_that_is_lost_keeps_nobody_from_the_others(
    session: AsyncSession, client: Client, gate: dict[str, str], garage: UUID
) -> None:
    one, two = await given(session, garage), await given(session, garage, "浙E54321")
    await session.execute(
        text("update gate_pass set plate_sealed = :sealed where id = :id"), {"sealed": b"x", "id": one}
    )
    await session.commit()
    told = (await client.get(f"{LIST}?facility=garage", headers=gate)).json()
    assert [entry["id"] for entry in told["entries"]] == [str(two)]
    facts = (await allow_list.pass_facts(session, [one]))[one]
    assert (facts.state, facts.failure) == ("waiting", "the plate cannot be opened")

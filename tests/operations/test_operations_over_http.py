"""Over HTTP: who may see a device's accuracy, and how a source's duty is set and shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[Client]:
    """The API on the small city."""
    await load_small_city(session)
    async with client_of(settings) as client:
        yield client


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


async def test_a_devices_accuracy_is_its_own_operators(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    device = await session.scalar(text("select id from device limit 1"))
    operator = await session.scalar(text("select id from operator"))
    address = f"/v1/operations/devices/{device}/accuracy"
    unknown = f"/v1/operations/devices/{uuid4()}/accuracy"
    own = signed_in(settings, Role.OPERATOR_STAFF, operator)
    others = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    answers = [await client.get(address, headers=who) for who in (own, others)]
    assert [answer.status_code for answer in answers] == [200, 403]
    missing = await client.get(unknown, headers=own)
    assert (missing.status_code, missing.json()["type"].rpartition(":")[2]) == (404, "device-not-found")


async def test_an_administrator_sets_a_sources_duty(settings: Settings, client: Client) -> None:
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    duty = "/v1/operations/sources/museum/duty"
    assert (await client.put(duty, json={"every_s": 900}, headers=chief)).status_code == 204
    (museum,) = (await client.get("/v1/operations/sources", headers=chief)).json()
    shown = {"source": "museum", "state": "ok", "duty_s": 900, "late_after_s": 900.0, "last_heard": None}
    assert {name: museum[name] for name in shown} == shown
    assert (await client.put(duty, json={"every_s": 1}, headers=chief)).status_code == 422
    auditor = signed_in(settings, Role.AUDITOR)
    assert (await client.put(duty, json={"every_s": 900}, headers=auditor)).status_code == 403
    assert (await client.put(duty, json={"every_s": None}, headers=chief)).status_code == 204
    assert (await client.get("/v1/operations/sources", headers=auditor)).json() == []

"""Over HTTP: what a stay would cost, who may keep which tariff, and permits that never give a plate away."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.demo.tariffs import examples
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.serving import client_of
from tests.tariffs.parts import with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
PLATE = "浙E12345"


def data_of(code: str) -> dict[str, Any]:
    return copy.deepcopy(examples()[code].data)


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[Client]:
    """The API on the small city, whose garage has a tariff."""
    await load_small_city(session)
    await with_tariff(session, "garage", data_of("hangzhou-core"), code="roads")
    await session.commit()
    with_key = msgspec.structs.replace(settings, plate_key="5a" * 32)
    async with client_of(with_key) as client:
        yield client


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


def slug(answer: Any) -> str:
    return str(answer.json()["type"].rpartition(":")[2])


async def test_anybody_may_ask_what_a_stay_would_cost(client: Client) -> None:
    asked = {"facility": "garage", "entered_at": "2026-11-25T08:00:00+08:00", "minutes": 180}
    answer = (await client.post("/v1/tariffs/quote", json=asked)).json()
    assert answer["amount"] == 3400 == sum(line["amount"] for line in answer["lines"])
    assert "08:00 至 11:00" in answer["lines"][0]["reason"]["zh-CN"]
    assert "08:00 to 11:00" in answer["lines"][0]["reason"]["en"]
    lorry = (await client.post("/v1/tariffs/quote", json={**asked, "vehicle": "large"})).json()
    assert lorry["amount"] == 6800


@pytest.mark.parametrize(
    ("changed", "status", "refusal"),
    [
        ({"facility": "nowhere"}, 404, "facility-not-found"),
        ({"facility": "street"}, 409, "no-tariff"),
        ({"entered_at": "2026-12-31T23:30:00+08:00"}, 503, "holidays-unknown"),
        ({"entered_at": "2026-11-25T08:00:00"}, 422, "invalid-input"),
        ({"minutes": None}, 422, "invalid-input"),
        ({"minutes": None, "left_at": "2026-11-25T07:00:00+08:00"}, 422, "invalid-input"),
        ({"minutes": None, "left_at": "2027-11-25T07:00:00+08:00"}, 422, "invalid-input"),
    ],
)
async def test_what_cannot_be_quoted_is_refused_in_words(
    client: Client, changed: dict[str, Any], status: int, refusal: str
) -> None:
    asked = {"facility": "garage", "entered_at": "2026-11-25T08:00:00+08:00", "minutes": 180, **changed}
    answer = await client.post("/v1/tariffs/quote", json=asked)
    assert (answer.status_code, slug(answer)) == (status, refusal)


async def test_a_facility_says_what_it_charges(client: Client) -> None:
    said = (await client.get("/v1/facilities/garage/tariff")).json()
    assert said["tariff"]["code"] == "roads"
    assert any("大型车" in sentence["zh-CN"] for sentence in said["description"])
    assert any("08:00–20:00 day" in sentence["en"] for sentence in said["description"])
    assert slug(await client.get("/v1/facilities/street/tariff")) == "no-tariff"


async def test_an_operators_staff_keep_their_own_market_prices_only(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    operator = await session.scalar(text("select id from operator"))
    own = signed_in(settings, Role.OPERATOR_STAFF, operator)
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    said = {"code": "ours", "name": "自定", "name_en": "Ours", "pricing": "market", "filing_number": "备 1"}
    mine = {**said, "operator_id": str(operator)}
    unfiled = await client.post("/v1/tariffs/", json={**mine, "filing_number": " "}, headers=own)
    assert slug(unfiled) == "filing-number-missing"
    for forbidden in (said, {**mine, "pricing": "government"}, {**mine, "operator_id": str(uuid4())}):
        assert (await client.post("/v1/tariffs/", json=forbidden, headers=own)).status_code == 403
    tariff = (await client.post("/v1/tariffs/", json=mine, headers=own)).json()["id"]

    begins = datetime.now(UTC) + timedelta(hours=1)
    version = {"data": data_of("huzhou-a"), "effective_from": begins.isoformat()}
    broken = {**version, "data": {**data_of("huzhou-a"), "tail_minutes": 120}}
    refused = await client.post(f"/v1/tariffs/{tariff}/versions", json=broken, headers=own)
    assert slug(refused) == "tariff-refused"
    assert refused.json()["errors"][0]["field"] == "rates.stay.rows[0]"
    assert (await client.post(f"/v1/tariffs/{tariff}/versions", json=version, headers=own)).status_code == 201
    place = {"facility": "street", "since": begins.isoformat()}
    assert (await client.post(f"/v1/tariffs/{tariff}/facilities", json=place, headers=own)).status_code == 201

    roads = await session.scalar(text("select id from tariff where code = 'roads'"))
    for path, body in (("versions", version), ("facilities", place)):
        answer = await client.post(f"/v1/tariffs/{roads}/{path}", json=body, headers=own)
        assert answer.status_code == 403
    assert [t["code"] for t in (await client.get("/v1/tariffs/", headers=own)).json()] == ["ours", "roads"]
    stranger = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    assert [t["code"] for t in (await client.get("/v1/tariffs/", headers=stranger)).json()] == ["roads"]
    assert (await client.get(f"/v1/tariffs/{tariff}", headers=stranger)).status_code == 404
    shown = (await client.get(f"/v1/tariffs/{tariff}", headers=chief)).json()
    assert [place["code"] for place in shown["facilities"]] == ["street"]
    assert shown["versions"][0]["data"]["restart"] == "24h"
    actions = await session.scalars(
        text("select action from audit_entry where actor_role = 'operator_staff'")
    )
    assert set(actions) == {"tariffs.saved", "tariffs.version_added", "tariffs.assigned"}


async def test_permits_are_kept_by_staff_and_no_plate_comes_out(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    operator = await session.scalar(text("select id from operator"))
    own = signed_in(settings, Role.OPERATOR_STAFF, operator)
    stranger = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    said = {
        "plate": PLATE,
        "kind": "monthly",
        "facility": "garage",
        "valid_from": "2026-11-01T00:00:00+08:00",
        "valid_until": "2026-12-01T00:00:00+08:00",
        "reason": "柜台办理",
    }
    assert (await client.post("/v1/permits/", json=said, headers=stranger)).status_code == 403
    backwards = {**said, "valid_until": "2026-10-01T00:00:00+08:00"}
    assert (await client.post("/v1/permits/", json=backwards, headers=own)).status_code == 422
    nowhere = {**said, "facility": None}
    assert (await client.post("/v1/permits/", json=nowhere, headers=own)).status_code == 403
    permit = (await client.post("/v1/permits/", json=said, headers=own)).json()["id"]

    asked = {"plate": "浙e·12345", "reason": "车主来电"}
    found = await client.post("/v1/permits/search", json=asked, headers=own)
    assert [row["id"] for row in found.json()] == [permit]
    assert (await client.post("/v1/permits/search", json=asked, headers=stranger)).json() == []
    assert (await client.post("/v1/permits/search", json={"plate": PLATE}, headers=own)).status_code == 422

    revoking = {"reason": "退费"}
    address = f"/v1/permits/{permit}/revoke"
    assert (await client.post(address, json=revoking, headers=stranger)).status_code == 403
    assert (await client.post(address, json=revoking, headers=own)).json()["revoked_at"] is not None
    written = list(
        await session.execute(text("select action, reason, cast(detail as text) from audit_entry"))
    )
    assert ("tariffs.permits_looked_up", "车主来电", '{"found": 1}') in [tuple(row) for row in written]
    assert not any(PLATE in str(row) for row in written)


async def test_a_tariff_is_looked_at_before_it_is_used(settings: Settings, client: Client) -> None:
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    asked = {"data": data_of("huzhou-a"), "entry": "21:30", "day": "statutory_holiday"}
    checked = (await client.post("/v1/tariffs/check", json=asked, headers=chief)).json()
    assert (checked["points"][0], checked["points"][-1]) == (
        {"minutes": 0, "amount": 0},
        {"minutes": 2880, "amount": 5000},
    )
    assert {"minutes": 31, "amount": 500} in checked["points"]
    falling = data_of("huzhou-a")
    falling["rates"]["stay"]["rows"][1]["total"] = 1
    faults = (await client.post("/v1/tariffs/check", json={"data": falling}, headers=chief)).json()["faults"]
    assert (faults[0]["where"], faults[0]["reason"]["zh-CN"][:8]) == (
        "rates.stay.rows[1]",
        "停得更久反而更便",
    )
    assert (await client.post("/v1/tariffs/check", json=asked)).status_code == 401

"""What is implausible is decided by people, with evidence, and by two where much is at stake."""

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

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import NOON, load_small_city
from tests.serving import client_of
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, corrected, minute, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
DAY = 1440
NOW = NOON + timedelta(days=10)


@pytest.fixture
async def gate(session: AsyncSession) -> Any:
    return (await load_small_city(session))["garage-counter"]


@pytest.fixture
async def client(settings: Settings, gate: Any) -> AsyncIterator[Client]:
    async with client_of(settings, FixedClock(NOW)) as client:
        yield client


@pytest.fixture
async def staff(settings: Settings, session: AsyncSession, gate: Any) -> list[dict[str, str]]:
    """Two people of the operator, and one of another."""
    operator = UUID(str(await session.scalar(text("select id from operator"))))
    return [signed_in(settings, Role.OPERATOR_STAFF, whose) for whose in (operator, operator, uuid4())]


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, NOW)}"}


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


async def in_review(session: AsyncSession, redis: Redis, gate: Any) -> UUID:
    """An entry whose exit was missed: the vehicle came again on the next day."""
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, picture="pic/1.jpg")])
    await arrive(session, redis, [passed(gate, "again", ENTRY, DAY), passed(gate, "out", EXIT, DAY + 60)])
    first, second = await all_stays(session)
    assert (first.state, second.state) == ("review", "closed")
    return UUID(str(first.id))


async def test_without_evidence_nothing_is_charged(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    stay = await in_review(session, redis, gate)
    own, _, others = staff
    listed = (await client.get("/v1/stays/reviews", headers=own)).json()["items"]
    assert [item["id"] for item in listed] == [str(stay)]
    assert "浙E12345" not in str(listed)
    assert (await client.get("/v1/stays/reviews", headers=others)).json()["items"] == []
    address = f"/v1/stays/{stay}/resolution"
    bare = {"action": "correct", "exited_at": at(90), "reason": "出口录像"}
    refused = await client.post(address, json=bare, headers=own)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (422, "proof-needed")
    proved = bare | {"evidence": ["video/exit-3/13:30"]}
    assert (await client.post(address, json=proved, headers=others)).status_code == 403
    assert (await client.post(address, json=proved, headers=own)).json()["holds"] is True
    first, _ = await all_stays(session)
    assert (first.state, minute(first.exited_at), first.ended_by) == ("closed", 90, "operator")
    assert first.situations == ["corrected", "missed_exit"]


async def test_the_evidence_is_shown_and_the_whole_plate_only_for_a_reason(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    stay = await in_review(session, redis, gate)
    own, _, others = staff
    shown = (await client.get(f"/v1/stays/{stay}", headers=own)).json()
    (reading,) = shown["evidence"]["readings"]
    assert (reading["record_id"], reading["picture"], reading["confidence"]) == ("in", "pic/1.jpg", 0.99)
    assert shown["plate"] == "浙E·**345"
    assert [v["state"] for v in shown["versions"]] == ["review", "open"]
    assert (await client.get(f"/v1/stays/{stay}", headers=others)).status_code == 403
    seen = text("select count(*) from audit_entry where action = 'stays.plate_shown'")
    assert await session.scalar(seen) == 0
    whole = await client.get(f"/v1/stays/{stay}", params={"reason": "与照片核对"}, headers=own)
    assert whole.json()["plate"] == "浙E12345"
    await session.commit()
    assert await session.scalar(seen) == 1
    search = {"plate": "浙E·12345", "reason": "车主来电查询"}
    found = (await client.post("/v1/stays/search", json=search, headers=own)).json()["items"]
    assert len(found) == 2
    assert (await client.post("/v1/stays/search", json=search, headers=others)).json()["items"] == []


async def test_much_money_needs_a_second_person(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 5 * DAY)])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("review", ["too_long"])
    one, other, _ = staff
    address = f"/v1/stays/{stay.id}/resolution"
    confirm = {"action": "confirm", "reason": "车辆一直停放", "evidence": ["photo/day-3.jpg"]}
    done = (await client.post(address, json=confirm, headers=one)).json()
    assert done["holds"] is False
    assert [s.state for s in await all_stays(session)] == ["review"]
    agree = {"decision_id": done["decision_id"]}
    assert (await client.post(f"{address}/second", json=agree, headers=one)).status_code == 409
    for _ in range(2):
        answer = await client.post(f"{address}/second", json=agree, headers=other)
        assert (answer.status_code, answer.json()["holds"]) == (200, True)
    await session.commit()
    (stay,) = await all_stays(session)
    assert (stay.state, minute(stay.exited_at), stay.version) == ("closed", 5 * DAY, 2)


async def test_later_records_that_agree_leave_a_decision_and_others_bring_it_back(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    stay = await in_review(session, redis, gate)
    decided = {"action": "correct", "exited_at": at(90), "reason": "录像", "evidence": ["video/1"]}
    await client.post(f"/v1/stays/{stay}/resolution", json=decided, headers=staff[0])
    await arrive(session, redis, [passed(gate, "late", EXIT, 92)])
    first, _ = await all_stays(session)
    assert (first.state, minute(first.exited_at)) == ("closed", 90)
    await arrive(session, redis, [corrected("c", "late", 95, occurred_at=NOON + timedelta(minutes=20))])
    first, _ = await all_stays(session)
    assert (first.state, first.situations) == ("review", ["corrected"])


async def test_two_stays_at_once_are_never_both_closed(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    stay = await in_review(session, redis, gate)
    covers = {"action": "correct", "exited_at": at(DAY + 30), "reason": "录像", "evidence": ["video/1"]}
    refused = await client.post(f"/v1/stays/{stay}/resolution", json=covers, headers=staff[0])
    await session.commit()
    closed = [s.id for s in await all_stays(session) if s.state == "closed"]
    assert refused.status_code == 200
    assert closed == [stay]


async def test_an_answer_from_the_cloud_corrects_the_lots_record_and_is_told_to_it(
    session: AsyncSession, redis: Redis, client: Client, gate: Any, staff: list[dict[str, str]]
) -> None:
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, "浙E12845"), passed(gate, "out", EXIT, 60)])
    waiting = (await client.get("/v1/stays/second-readings", headers=staff[0])).json()["items"]
    entry = next(r for r in waiting if r["event"]["record_id"] == "in")
    address = f"/v1/stays/second-readings/{entry['id']}"
    assert (await client.post(address, json={"plate": "浙E12345"}, headers=staff[2])).status_code == 403
    assert (await client.post(address, json={"plate": "浙E12345"}, headers=staff[0])).status_code == 204
    again = await client.post(address, json={"plate": "浙E12345"}, headers=staff[0])
    assert again.status_code == 409
    await arrive(session, redis, [])
    (stay,) = await all_stays(session)
    assert (stay.state, minute(stay.exited_at), stay.situations) == ("closed", 60, [])
    (item,) = (await client.get("/v1/stays/corrections", headers=staff[0])).json()["items"]
    assert (item["kind"], item["plate"], item["entry"]["record_id"]) == ("plate", "浙E12345", "in")
    assert (await client.get("/v1/stays/second-readings", headers=staff[0])).json()["items"] == []


async def test_only_the_city_says_what_is_plausible(
    settings: Settings,
    session: AsyncSession,
    redis: Redis,
    client: Client,
    gate: Any,
    staff: list[dict[str, str]],
) -> None:
    loose = {"max_hours": 240, "max_amount": 500_000, "min_confidence": 0.5}
    assert (await client.put("/v1/stays/policy", json=loose, headers=staff[0])).status_code == 403
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    params = {"facility_id": str(gate.facility_id)}
    for _ in range(2):
        answer = await client.put("/v1/stays/policy", params=params, json=loose, headers=chief)
        assert answer.status_code == 204
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), passed(gate, "out", EXIT, 5 * DAY)])
    (stay,) = await all_stays(session)
    assert stay.state == "closed"

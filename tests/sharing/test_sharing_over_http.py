"""Over HTTP: from a manager's plan to a driver's booking, paid, and out through the gate for nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.facts import charge_facts
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.payments.service import record_cash
from parking_cloud.sharing.models import Booking
from parking_cloud.sharing.paying import follow_charge
from parking_cloud.sharing.rule import ensure_rule
from tests.payments.parts import KEY, OWN, parked
from tests.serving import client_of
from tests.sharing.parts import CHIEF, FRIDAY_NOON, hall, owner
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
SEVEN, NINE = "2026-11-20T19:00:00+08:00", "2026-11-20T21:00:00+08:00"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(FRIDAY_NOON)


@pytest.fixture
async def client(
    settings: Settings, clock: FixedClock, session: AsyncSession, redis: Redis
) -> AsyncIterator[Client]:
    with_key = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(with_key, clock) as client:
        yield client


def as_(settings: Settings, who: Identity, clock: FixedClock) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, clock.now())}"}


def slug(answer: Any) -> str:
    return str(answer.json()["type"].rpartition(":")[2])


async def test_from_the_plan_to_the_gate(
    settings: Settings, clock: FixedClock, session: AsyncSession, client: Client
) -> None:
    facility = await hall(session)
    await ensure_rule(session)
    await session.commit()
    institution = await session.scalar(text("select institution_id from facility"))
    manager = Identity(
        user_id=CHIEF.user_id, username="m", role=Role.INSTITUTION_MANAGER, institution_id=institution
    )
    keeper = as_(settings, manager, clock)
    base = f"/v1/sharing/plans/{facility}"
    hours = {"work_start": 540, "work_end": 1050}
    template = (await client.get("/v1/sharing/plans/template", params=hours, headers=keeper)).json()
    assert (template["rule"]["status"], len(template["windows"])) == ("unconfirmed", 3)
    plan = {**hours, "windows": template["windows"], "price_hour": 400, "note": "北门进"}
    assert (await client.post(f"{base}/preview", json=plan, headers=keeper)).json()["spaces"] == 1
    assert (await client.put(base, json=plan, headers=keeper)).json() == {"version": 2}
    (mine,) = (await client.get("/v1/sharing/plans", headers=keeper)).json()
    assert (mine["state"], mine["plan"]["note"]) == ("published", "北门进")

    asked = {"facility": "hall", "start": SEVEN, "end": NINE}
    (offer,) = (await client.get("/v1/sharing/offers", params=asked)).json()
    assert (offer["asked"]["left"], offer["asked"]["price"], offer["price_evening"]) == (1, 800, None)

    li = await owner(session)
    driver = as_(settings, li.who, clock)
    wanted = {**asked, "kind": "hour", "vehicle_id": str(li.vehicle_id)}
    made = (await client.post("/v1/me/bookings", json=wanted, headers=driver)).json()
    assert (made["amount"], made["booking"]["state"]) == (800, "held")
    assert made["pay_token"]
    id_ = made["booking"]["id"]
    again = (await client.post(f"/v1/me/bookings/{id_}/pay", headers=driver)).json()
    assert again["amount"] == 800
    twice = await client.post("/v1/me/bookings", json=wanted, headers=driver)
    assert (twice.status_code, slug(twice)) == (409, "no-space-left")

    await _paid(session, UUID(id_), clock)
    shown = (await client.get(f"/v1/me/bookings/{id_}", headers=driver)).json()
    assert (shown["state"], shown["paid"], shown["comes_back"]) == ("confirmed", 800, 800)
    assert [each["id"] for each in (await client.get("/v1/me/bookings", headers=driver)).json()] == [id_]
    (seen,) = (await client.get(f"{base}/bookings", params=asked, headers=keeper)).json()
    assert set(seen) == {"id", "space", "kind", "state", "starts_at", "ends_at", "price"}

    await parked(session, facility, at=7 * 60 + 5)  # 19:05
    clock.moment = city("2026-11-20 20:30")
    operator = await session.scalar(text("select id from operator"))
    gate = Identity(user_id=CHIEF.user_id, username="g", role=Role.INTEGRATION, operator_id=operator)
    leaving = {"facility": "hall", "plate": OWN, "lane": "1"}
    out = (await client.post("/v1/exits", json=leaving, headers=as_(settings, gate, clock))).json()
    assert (out["open"], out["why"], out["amount"]) == (True, "prepaid", 0)


async def _paid(session: AsyncSession, booking_id: UUID, clock: FixedClock) -> None:
    booking = await session.get_one(Booking, booking_id)
    assert booking.charge_id is not None
    later = clock.now() + timedelta(minutes=1)
    await record_cash(session, {booking.charge_id: 800}, 800, CHIEF.user_id, later)
    await follow_charge(session, booking.charge_id, later)
    await session.commit()
    assert (await charge_facts(session, [booking.charge_id]))[booking.charge_id].state is ChargeState.SETTLED


async def test_others_are_refused(
    settings: Settings, clock: FixedClock, session: AsyncSession, client: Client
) -> None:
    facility = await hall(session)
    li = await owner(session)
    driver = as_(settings, li.who, clock)
    assert (await client.get("/v1/sharing/plans", headers=driver)).status_code == 403
    stranger = Identity(
        user_id=CHIEF.user_id, username="m", role=Role.INSTITUTION_MANAGER, institution_id=CHIEF.user_id
    )
    other = as_(settings, stranger, clock)
    assert (await client.get("/v1/sharing/plans", headers=other)).json() == []
    assert (await client.get(f"/v1/sharing/plans/{facility}", headers=other)).status_code == 403
    for start in ("0001-01-01", "9999-12-30"):
        days = {"start": f"{start}T00:00:00Z", "end": f"{start}T01:00:00Z"}
        assert slug(await client.get("/v1/sharing/offers", params=days)) == "wrong-time"
    unknown = {"facility": "none", "start": SEVEN, "end": NINE}
    assert (await client.get("/v1/sharing/offers", params=unknown)).status_code == 404

"""The money page: a day's totals, each operator's own; by plate only with a reason, which is written down."""

from __future__ import annotations

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
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.models import Charge, ChargeAssessment, Payment, PaymentPart, Refund
from parking_cloud.payments.overview import day_totals
from parking_cloud.payments.provider import Method
from sensor_gateway.plates import parse_plate
from sensor_gateway.sealing import PlateVault
from tests.factories import load_small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

LATE = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
"""23:30 in the city: half an hour later it is another day there."""
PLATE = "浙E12345"
KEY = "11" * 32

Client = AsyncTestClient[Any]


@pytest.fixture
async def operator(session: AsyncSession) -> UUID:
    """Of a charge for which ¥12 were paid and ¥2 go back, one of ¥5 that is due, and one under review."""
    await load_small_city(session)
    operator: UUID = await session.scalar(text("select id from operator"))
    facility: UUID = await session.scalar(text("select id from facility where code = 'garage'"))
    plate = PlateVault(KEY).lookup_hash(parse_plate(PLATE))
    amounts = {"settled": (1000, 1000), "due": (500, 0), "held": (900, 0)}
    charges = {
        state: Charge(
            id=new_id(),
            kind="permit",
            facility_id=facility,
            operator_id=operator,
            plate_hash=plate,
            state=state,
            amount=amount,
            paid=paid,
            assessments=1,
            final_at=None if state == "held" else LATE,
            created_at=LATE,
        )
        for state, (amount, paid) in amounts.items()
    }
    session.add_all(charges.values())
    payment = Payment(
        id=new_id(),
        provider="stripe",
        method="card",
        via="scan",
        amount=1200,
        state="succeeded",
        created_at=LATE,
        succeeded_at=LATE,
    )
    session.add(payment)
    await session.flush()
    line = {"code": "first", "amount": 1000, "reason": {"zh-CN": "首小时", "en": "first hour"}}
    paid = charges["settled"].id
    assessed = ChargeAssessment(charge_id=paid, number=1, at=LATE, amount=1000, why="corrected", lines=[line])
    session.add_all([assessed, PaymentPart(payment_id=payment.id, charge_id=paid, amount=1200, live=False)])
    refund = {"payment_id": payment.id, "charge_id": paid, "amount": 200, "why": "corrected"}
    session.add(Refund(id=new_id(), state="failed", failure="expired", created_at=LATE, **refund))
    await session.commit()
    return operator


@pytest.fixture
async def client(settings: Settings, operator: UUID) -> AsyncIterator[Client]:
    known = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(known, FixedClock(LATE)) as client:
        yield client


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="zhou", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, LATE)}"}


async def test_a_day_is_the_citys_and_an_operator_sees_its_own(session: AsyncSession, operator: UUID) -> None:
    today = await day_totals(session, operator, LATE)
    assert (today.charged, today.paid, today.refunded, today.due) == (1500, 1200, 200, 500)
    assert today.paid_by_method == {Method.CARD: 1200}
    assert [hour for hour, paid in enumerate(today.paid_by_hour) if paid] == [23]
    assert (today.due_charges, today.held_charges, today.refunds_waiting) == (1, 1, 1)
    assert await day_totals(session, None, LATE) == today
    tomorrow = await day_totals(session, operator, LATE + timedelta(hours=1))
    assert (tomorrow.charged, tomorrow.paid, tomorrow.refunded) == (0, 0, 0)
    assert (tomorrow.due, tomorrow.refunds_waiting) == (500, 1)
    others = await day_totals(session, uuid4(), LATE)
    assert (others.charged, others.paid, others.due, others.refunds_waiting) == (0, 0, 0, 0)


async def test_the_lists_say_each_state_in_words(settings: Settings, client: Client, operator: UUID) -> None:
    own = signed_in(settings, Role.OPERATOR_STAFF, operator)
    charges = (await client.get("/console/payments", headers=own)).text
    for words in ("已结清", "待支付", "待核实，不收费", "爱山广场停车库", "首小时", "¥12.00", "23:00"):
        assert words in charges
    due = (await client.get("/console/payments?state=due&lang=en", headers=own)).text
    assert "¥5.00" in due
    assert "first hour" not in due
    payments = (await client.get("/console/payments?list=payments", headers=own)).text
    assert "Card · by scan" in payments
    refunds = (await client.get("/console/payments?list=refunds", headers=own)).text
    assert "failed: pay it back by hand" in refunds
    strangers = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    for which in ("charges", "payments", "refunds"):
        assert (
            "There is nothing."
            in (await client.get(f"/console/payments?list={which}", headers=strangers)).text
        )


async def test_a_plate_is_looked_up_only_with_a_reason(
    settings: Settings, session: AsyncSession, client: Client, operator: UUID
) -> None:
    auditor = signed_in(settings, Role.AUDITOR)
    search = "/console/payments/search"
    refused = await client.post(search, data={"plate": PLATE, "reason": " "}, headers=auditor)
    assert "请填写理由" in refused.text
    assert "首小时" not in refused.text
    found = await client.post(search, data={"plate": "浙e·12345", "reason": "投诉 17"}, headers=auditor)
    assert "首小时" in found.text
    other = await client.post(search, data={"plate": "浙E99999", "reason": "投诉 18"}, headers=auditor)
    assert "首小时" not in other.text
    entries = (
        await session.execute(text("select reason, subject_id, detail from audit_entry order by at"))
    ).all()
    assert [entry.reason for entry in entries] == ["投诉 17", "投诉 18"]
    assert all(PLATE not in entry.subject_id and entry.detail == {} for entry in entries)


async def test_drivers_are_led_away(settings: Settings, client: Client) -> None:
    answer = await client.get(
        "/console/payments", headers=signed_in(settings, Role.DRIVER), follow_redirects=False
    )
    assert answer.status_code == 303

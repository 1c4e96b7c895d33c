"""Staff waive and pay back with a reason, their own operator's only; a second click decides nothing."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import charging, service, staff
from parking_cloud.payments.pricing import quote
from parking_cloud.payments.staff import ChargeChanged
from parking_cloud.stays.service import stay_facts
from tests.payments.parts import HOUR, KEY, left, minute, parked, priced_garage
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = minute(200)


def somebody(operator: UUID | None, role: Role = Role.OPERATOR_STAFF) -> Identity:
    return Identity(user_id=uuid4(), username="sun", role=role, operator_id=operator)


async def charged(session: AsyncSession, *, paid: bool) -> tuple[UUID, UUID]:
    """(charge, operator) of a stay of two hours that ended; paid wholly in cash, or due. Committed."""
    stay = await parked(session, await priced_garage(session))
    await left(session, stay, 110)
    await charging.assess_stay(session, stay, NOW)
    charge, operator = (await session.execute(text("select id, operator_id from charge"))).one()
    if paid:
        await service.record_cash(session, {charge: 2 * HOUR}, 2 * HOUR, uuid4(), NOW)
    await session.commit()
    return charge, operator


async def standing(session: AsyncSession) -> tuple[str, int, int]:
    row = (await session.execute(text("select state, amount, paid from charge"))).one()
    return (row.state, row.amount, row.paid)


async def test_nothing_is_waived_while_the_vehicle_is_there(session: AsyncSession) -> None:
    """It would cap the stay for good, however long it becomes."""
    stay_id = await parked(session, await priced_garage(session))
    stay = (await stay_facts(session, [stay_id]))[stay_id]
    charge = await charging.new_charge(session, stay, minute(30))
    quoted = await quote(session, stay, charge, minute(30))
    await charging.assess_before_leaving(session, stay, charge, quoted, minute(30))
    await service.record_cash(session, {charge.id: HOUR}, HOUR, uuid4(), minute(30))
    who = somebody(charge.operator_id)
    await session.commit()
    with pytest.raises(charging.StayNotOver):
        await staff.waive(session, who, charge.id, 0, "设备故障", minute(31))
    with pytest.raises(charging.StayNotOver):
        await staff.pay_back(session, who, charge.id, HOUR, "多收", minute(31), paid_as_seen=HOUR)
    await left(session, stay_id, 20 * 60)
    await charging.assess_stay(session, stay_id, minute(20 * 60))
    assert await standing(session) == ("due", 20 * HOUR, HOUR)


async def test_less_is_asked_and_again_changes_nothing(session: AsyncSession) -> None:
    charge, operator = await charged(session, paid=False)
    who = somebody(operator)
    for _ in range(2):
        await staff.waive(session, who, charge, HOUR, "设备故障", NOW)
    assert await standing(session) == ("due", HOUR, 0)
    await staff.waive(session, who, charge, 0, "设备故障", NOW)
    assert await standing(session) == ("settled", 0, 0)
    entries = (
        await session.execute(
            text("select reason, detail from audit_entry where action = 'charge waived' order by id")
        )
    ).all()
    assert [tuple(entry) for entry in entries] == [
        ("设备故障", {"from": 2 * HOUR, "to": HOUR}),
        ("设备故障", {"from": HOUR, "to": 0}),
    ]


async def test_paying_back_twice_by_a_second_click_pays_back_once(session: AsyncSession) -> None:
    charge, operator = await charged(session, paid=True)
    who = somebody(operator)
    await staff.pay_back(session, who, charge, 500, "多收", NOW, paid_as_seen=2 * HOUR)
    with pytest.raises(ChargeChanged):
        await staff.pay_back(session, who, charge, 500, "多收", NOW, paid_as_seen=2 * HOUR)
    assert await standing(session) == ("settled", 2 * HOUR - 500, 2 * HOUR - 500)
    refund, by = (await session.execute(text("select id, amount from refund"))).one()
    assert by == 500
    for _ in range(2):
        await staff.paid_by_hand(session, who, refund, "现金退还", NOW)
    assert await session.scalar(text("select state from refund")) == "done"


async def test_no_reason_no_others_and_no_more_than_was_paid(session: AsyncSession) -> None:
    charge, operator = await charged(session, paid=True)
    who = somebody(operator)
    with pytest.raises(InvalidInput):
        await staff.waive(session, who, charge, 0, "  ", NOW)
    with pytest.raises(InvalidInput):
        await staff.waive(session, who, charge, 2 * HOUR + 1, "加价", NOW)
    with pytest.raises(InvalidInput):
        await staff.pay_back(session, who, charge, 2 * HOUR + 1, "多收", NOW, paid_as_seen=2 * HOUR)
    with pytest.raises(NotAllowed):
        await staff.waive(session, somebody(uuid4()), charge, 0, "好心", NOW)
    assert await standing(session) == ("settled", 2 * HOUR, 2 * HOUR)


async def test_the_pages_forms_say_what_came_of_it(settings: Settings, session: AsyncSession) -> None:
    charge, operator = await charged(session, paid=True)
    token = issue(somebody(operator), settings.secret_key, NOW)
    own = {"Authorization": f"Bearer {token}"}
    known = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(known, FixedClock(NOW)) as client:
        refund = f"/console/payments/charges/{charge}/refund"
        asked = {"amount": "5.00", "reason": "多收", "paid": str(2 * HOUR)}
        first = await client.post(refund, data=asked, headers=own)
        assert "已决定退款" in first.text
        second = await client.post(refund, data=asked, headers=own)
        assert "账单已有变化" in second.text
        wrong = await client.post(refund, data=asked | {"amount": "五元"}, headers=own)
        assert "金额有误，没有变动" in wrong.text
        none = await client.post(refund, data=asked | {"reason": " "}, headers=own)
        assert "请填写理由" in none.text
        auditor = {"Authorization": f"Bearer {issue(somebody(None, Role.AUDITOR), settings.secret_key, NOW)}"}
        refused = await client.post(refund, data=asked, headers=auditor)
        assert "您不能处理这一项" in refused.text
        assert '<form method="post" action="/console/payments/charges' not in refused.text
    assert await session.scalar(text("select sum(amount) from refund")) == 500

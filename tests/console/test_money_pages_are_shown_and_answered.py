"""The pages of arrears and settlement: shown in both languages, answered by forms, each to who may see it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.arrears import objections
from parking_cloud.arrears.schemas import ObjectionIn
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.provider import Method
from parking_cloud.settlement.items import gather
from parking_cloud.settlement.reconciling import Reconciler
from tests.arrears.parts import CHIEF, now_of, policy, unpaid
from tests.payments.parts import KEY, minute, priced_garage
from tests.serving import client_of
from tests.settlement.parts import DAY, TREASURER, Town

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY)) as client:
        yield client


def cookie(settings: Settings, who: Identity, language: str = "en") -> dict[str, str]:
    token = issue(who, settings.secret_key, datetime.now(UTC))
    return {"Cookie": f"{COOKIE}={token}; parking_language={language}"}


def staff(operator: UUID) -> Identity:
    return Identity(user_id=uuid4(), username="wu", role=Role.OPERATOR_STAFF, operator_id=operator)


async def test_an_objection_is_answered_on_the_page(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    charge = await unpaid(session, garage)
    said = ObjectionIn(grounds="<b>出场未识别</b>")
    await objections.object_to(session, charge.id, said, CHIEF, "x", minute(200))
    await session.commit()
    own = cookie(settings, staff(charge.operator_id))
    page = await client.get("/console/arrears", headers=own)
    assert page.status_code == 200
    assert "Payment period" in page.text
    assert "&lt;b&gt;出场未识别" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "缴费期" in (await client.get("/console/arrears?lang=zh-CN", headers=own)).text
    (address,) = re.findall(r'action="(/console/arrears/objections/[^"]+)"', page.text)
    for wrong in ({"lowered_to": "12.00"}, {"lowered_to": "x"}, {"lowered_to": "2.00", "reason": "no"}):
        form = {"outcome": "upheld", "reason": "按实际时长更正"} | wrong
        answer = await client.post(address, data=form, headers=own | FORM, follow_redirects=False)
        assert answer.headers["location"] == "/console/arrears?said=fault_input#objections"
    form = {"outcome": "upheld", "lowered_to": "2.00", "reason": "按实际时长更正"}
    answer = await client.post(address, data=form, headers=own | FORM, follow_redirects=False)
    assert answer.headers["location"] == "/console/arrears?said=done_answered#objections"
    assert (await now_of(session, charge)).amount == 200
    again = await client.post(address, data=form, headers=own | FORM, follow_redirects=False)
    assert again.headers["location"] == "/console/arrears?said=fault_changed#objections"


async def test_a_reminder_by_hand_is_recorded_on_the_page(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    garage = await priced_garage(session)
    await policy(session)
    charge = await unpaid(session, garage)
    own, others = cookie(settings, staff(charge.operator_id)), cookie(settings, staff(uuid4()))
    assert str(charge.id) not in (await client.get("/console/arrears", headers=others)).text
    address = f"/console/arrears/cases/{charge.id}/by-hand"
    form = {"note": "电话告知车主本人"}
    for who, said in ((others, "fault_changed#objections"), (own, "done_by_hand#cases")):
        answer = await client.post(address, data=form, headers=who | FORM, follow_redirects=False)
        assert answer.headers["location"] == f"/console/arrears?said={said}"
    assert await session.scalar(text("select how from arrears_reminder")) == "by_hand"


async def test_a_statement_is_closed_and_transferred_on_the_page(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    client: Client,
) -> None:
    town = Town(sessions, await priced_garage(session))
    await town.pay(await town.stay(2), Method.CARD, minute(0))
    town.provider.keep_books(minute(1))
    line = town.provider.lines.pop("txn_pi_0")
    town.provider.lines["txn_pi_0"] = msgspec.structs.replace(line, amount=line.amount + 1)
    await Reconciler(sessions, {"stripe": town.provider}).compare(town.provider, DAY, minute(1440))
    async with sessions() as gathering:
        await gather(gathering, minute(1441))
        await gathering.commit()
    operator = await session.scalar(text("select id from operator"))
    chief, treasurer = cookie(settings, CHIEF), cookie(settings, TREASURER)
    page = (await client.get(f"/console/settlement?operator={operator}", headers=chief)).text
    assert "A payment differs: ¥12.00 here, ¥12.01 there." in page
    assert "¥11.76" in page
    (difference,) = re.findall(r'action="(/console/settlement/differences/[^"]+)"', page)
    noted = await client.post(
        difference, data={"note": "渠道更正"}, headers=chief | FORM, follow_redirects=False
    )
    assert "done_explained" in noted.headers["location"]
    form = {"operator": str(operator), "until": datetime.now(UTC).date().isoformat()}
    for said in ("done_closed", "fault_input"):
        closing = await client.post(
            "/console/settlement/close", data=form, headers=chief | FORM, follow_redirects=False
        )
        assert said in closing.headers["location"]
    page = (await client.get("/console/settlement", headers=treasurer)).text
    (address,) = re.findall(r'action="(/console/settlement/[^"/]+/transfer)"', page)
    for who, said in ((chief, "fault_another"), (treasurer, "done_transferred")):
        answer = await client.post(
            address, data={"reference": "ICBC-1"}, headers=who | FORM, follow_redirects=False
        )
        assert said in answer.headers["location"]
    assert "Items CSV" in (await client.get("/console/settlement", headers=chief)).text
    own = cookie(settings, staff(UUID(str(operator))), "zh-CN")
    page = (await client.get("/console/settlement", headers=own)).text
    assert "结算单" in page
    assert "渠道对账" not in page


@pytest.mark.parametrize("path", ["/console/arrears", "/console/settlement"])
async def test_who_may_not_see_them_is_led_to_the_door(settings: Settings, client: Client, path: str) -> None:
    officer = Identity(user_id=uuid4(), username="o", role=Role.ENFORCEMENT_OFFICER)
    for headers in ({}, cookie(settings, officer)):
        answer = await client.get(path, headers=headers, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")

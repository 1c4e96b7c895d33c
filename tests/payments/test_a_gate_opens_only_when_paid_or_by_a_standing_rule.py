"""At the exit: a gate opens on confirmed payment or a standing rule, and knows what to do without us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import exits
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.desk import Desk
from parking_cloud.tariffs.permits import grant_permit
from parking_cloud.tariffs.schemas import PermitKind
from sensor_gateway.plates import parse_plate
from tests.payments.parts import (
    HOUR,
    KEY,
    NEIGHBOURS,
    OWN,
    VAULT,
    ScriptedProvider,
    hashed,
    left,
    minute,
    parked,
    priced_garage,
)
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


class Gate(NamedTuple):
    client: AsyncTestClient[Any]
    provider: ScriptedProvider
    clock: FixedClock
    desk: Desk
    garage: UUID
    settings: Settings
    operator: UUID

    def signed(self, role: Role, operator: UUID | None = None, user: UUID | None = None) -> dict[str, str]:
        who = Identity(user_id=user or uuid4(), username="gate", role=role, operator_id=operator)
        return {"Authorization": f"Bearer {issue(who, self.settings.secret_key, self.clock.now())}"}

    async def asks(self, at: float, plate: str = OWN, **more: Any) -> dict[str, Any]:
        """The answer to a vehicle that stands at the barrier so many minutes from noon."""
        self.clock.moment = minute(at)
        asked = {"facility": "garage", "lane": "1", "plate": plate} | more
        machine = self.signed(Role.INTEGRATION, self.operator)
        answer = await self.client.post("/v1/exits", json=asked, headers=machine)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def policy(self, **values: Any) -> None:
        chief = self.signed(Role.CITY_ADMINISTRATOR)
        answer = await self.client.put("/v1/facilities/garage/payment-policy", json=values, headers=chief)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def gate(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Gate]:
    provider, clock = ScriptedProvider(), FixedClock(minute(0))
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": provider})
    garage = await priced_garage(session)
    operator = await session.scalar(text("select id from operator"))
    assert isinstance(operator, UUID)
    settings = msgspec.structs.replace(settings, plate_key=KEY)
    async with client_of(settings, clock) as client:
        desk = Desk(sessions, {"stripe": provider}, clock)
        yield Gate(client, provider, clock, desk, garage, settings, operator)


async def test_it_stays_shut_until_the_payment_is_confirmed(gate: Gate, session: AsyncSession) -> None:
    stay = await parked(session, gate.garage)
    due = await gate.asks(30)
    assert (due["open"], due["why"], due["amount"]) == (False, "due", HOUR)
    assert due["pay_url"].endswith(f"/pay#offer={due['pay_token']}")
    asked = {"token": due["pay_token"], "method": "wechat_pay"}
    assert (await gate.client.post("/v1/pay/payments", json=asked)).json()["state"] == "pending"
    assert (await gate.asks(31))["open"] is False
    gate.provider.payer_pays("pi_0")
    assert (await gate.asks(31.5))["open"] is False
    await gate.desk.turn()
    opened = await gate.asks(32)
    assert (opened["open"], opened["why"], opened["amount"]) == (True, "paid", 0)
    await left(session, stay, 33)
    await assess_stay(session, stay, minute(33))
    charge = (await session.execute(text("select state, amount, paid from charge"))).one()
    assert tuple(charge) == ("settled", HOUR, HOUR)


async def test_who_has_paid_may_leave_within_the_grace_but_not_much_later(
    gate: Gate, session: AsyncSession
) -> None:
    stay = await parked(session, gate.garage)
    due = await gate.asks(58)
    await gate.client.post("/v1/pay/payments", json={"token": due["pay_token"], "method": "alipay"})
    gate.provider.payer_pays("pi_0")
    gate.clock.moment = minute(59)
    await gate.desk.turn()
    late = await gate.asks(80)
    assert (late["open"], late["why"], late["amount"]) == (False, "due", HOUR)
    await left(session, stay, 81)
    await assess_stay(session, stay, minute(81))
    charge = (await session.execute(text("select state, amount, paid from charge"))).one()
    assert tuple(charge) == ("due", 2 * HOUR, HOUR)


async def test_what_the_gate_told_as_it_opened_is_what_is_owed(gate: Gate, session: AsyncSession) -> None:
    stay = await parked(session, gate.garage)
    await gate.policy(pay_later=True, pay_later_limit=HOUR)
    opened = await gate.asks(59.9)
    assert (opened["open"], opened["why"], opened["amount"]) == (True, "pay_later", HOUR)
    assert (await gate.asks(60.2))["amount"] == HOUR  # the camera saw it again, a moment later
    await left(session, stay, 62)
    await assess_stay(session, stay, minute(62))
    charge = (await session.execute(text("select state, amount, paid from charge"))).one()
    assert tuple(charge) == ("due", HOUR, 0)


async def test_a_gate_that_opened_is_not_an_endless_stay(gate: Gate, session: AsyncSession) -> None:
    stay = await parked(session, gate.garage)
    due = await gate.asks(58)
    await gate.client.post("/v1/pay/payments", json={"token": due["pay_token"], "method": "alipay"})
    gate.provider.payer_pays("pi_0")
    gate.clock.moment = minute(59)
    await gate.desk.turn()
    assert [(await gate.asks(at))["why"] for at in (70, 80, 85, 86)] == ["paid", "paid", "paid", "due"]
    await left(session, stay, 87)
    await assess_stay(session, stay, minute(87))
    charge = (await session.execute(text("select state, amount, paid from charge"))).one()
    assert tuple(charge) == ("due", 2 * HOUR, HOUR)


async def test_who_was_let_out_for_nothing_owes_nothing(gate: Gate, session: AsyncSession) -> None:
    stay = await parked(session, gate.garage)
    assert await gate.asks(0) == {
        "open": True,
        "why": "free",
        "amount": 0,
        "pay_token": None,
        "pay_url": None,
    }
    for _ in range(3):
        await gate.asks(0.2)
    assert await session.scalar(text("select count(*) from charge_assessment")) == 1
    await left(session, stay, 2)
    await assess_stay(session, stay, minute(2))
    charge = (await session.execute(text("select state, amount from charge"))).one()
    assert tuple(charge) == ("settled", 0)


async def test_a_permit_opens(gate: Gate, session: AsyncSession) -> None:
    await parked(session, gate.garage)
    await grant_permit(
        session,
        plate_hash=hashed(OWN),
        plate_sealed=VAULT.seal(parse_plate(OWN)),
        kind=PermitKind.FREE_LIST,
        valid_from=minute(-60),
        valid_until=None,
        source="test",
    )
    await session.commit()
    opened = await gate.asks(300)
    assert (opened["open"], opened["why"]) == (True, "permit")


async def test_good_standing_leaves_first_and_pays_later(gate: Gate, session: AsyncSession) -> None:
    await parked(session, gate.garage)
    assert (await gate.asks(30))["open"] is False
    await gate.policy(pay_later=True, pay_later_limit=HOUR)
    opened = await gate.asks(31)
    assert (opened["open"], opened["why"], opened["amount"]) == (True, "pay_later", HOUR)
    assert (await gate.asks(90))["open"] is False  # two hours are above the limit


async def test_who_owes_from_before_is_not_in_good_standing(gate: Gate, session: AsyncSession) -> None:
    before = await parked(session, gate.garage, at=-600)
    await left(session, before, -590)
    await assess_stay(session, before, minute(-590))
    await parked(session, gate.garage)
    await gate.policy(pay_later=True, pay_later_limit=2 * HOUR)
    assert (await gate.asks(30))["why"] == "pay_later"
    await session.execute(
        text("update charge set final_at = final_at - interval '31 days' where state = 'due'")
    )
    await session.commit()
    assert (await gate.asks(30))["why"] == "due"


async def test_what_is_not_known_goes_to_the_attendant(gate: Gate, session: AsyncSession) -> None:
    await parked(session, gate.garage)
    for plate in (NEIGHBOURS, "", "无牌车"):
        assert (await gate.asks(30, plate))["why"] == "ask_attendant"


async def test_a_gate_asks_for_its_own_facility_only(gate: Gate, session: AsyncSession) -> None:
    await parked(session, gate.garage)
    asked = {"facility": "garage", "plate": OWN, "reason": "车主在出口询问"}
    answers = [
        await gate.client.post("/v1/exits", json=asked | more, headers=who)
        for who, more in (
            (gate.signed(Role.OPERATOR_STAFF, gate.operator), {}),
            (gate.signed(Role.OPERATOR_STAFF, uuid4()), {}),
            (gate.signed(Role.DRIVER), {}),
            (gate.signed(Role.INTEGRATION, gate.operator), {"facility": "nowhere"}),
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 403, 404]
    asked_by_staff = text("select count(*) from audit_entry where action = 'payments.exit_asked'")
    assert await session.scalar(asked_by_staff) == 1


async def test_a_person_who_looks_a_plate_up_says_why_and_not_without_end(
    gate: Gate, session: AsyncSession
) -> None:
    who = gate.signed(Role.OPERATOR_STAFF, gate.operator)

    async def look_up(reason: str) -> int:
        asked = {"facility": "garage", "lane": "2", "plate": OWN, "reason": reason}
        return (await gate.client.post("/v1/exits", json=asked, headers=who)).status_code

    assert [await look_up(reason) for reason in ("", "  ", "车主在出口询问")] == [422, 422, 200]
    traces = await session.execute(
        text("select reason, detail from audit_entry where action = 'payments.exit_asked'")
    )
    assert [tuple(trace) for trace in traces] == [("车主在出口询问", {"lane": "2"})]
    assert [await look_up("车主在出口询问") for _ in range(20)] == [200] * 19 + [429]


@pytest.mark.parametrize("operator", [None, uuid4()])
async def test_a_system_of_no_operator_or_another_learns_of_no_plate(
    gate: Gate, session: AsyncSession, operator: UUID | None
) -> None:
    """Else one key would follow any vehicle through the city."""
    await parked(session, gate.garage)
    machine = gate.signed(Role.INTEGRATION, operator)
    answers = [
        await gate.client.post("/v1/exits", json={"facility": "garage", "plate": plate}, headers=machine)
        for plate in (OWN, NEIGHBOURS)
    ]
    rules = await gate.client.get("/v1/exits/rules?facility=garage", headers=machine)
    assert [answer.status_code for answer in (*answers, rules)] == [403, 403, 403]
    assert answers[0].json() == answers[1].json()


async def test_a_system_that_guesses_plates_is_noted_and_no_longer_answered(
    gate: Gate, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exits, "MOST_UNKNOWN", 3)
    await parked(session, gate.garage)
    machine = gate.signed(Role.INTEGRATION, gate.operator, uuid4())

    async def ask(plate: str) -> int:
        asked = {"facility": "garage", "plate": plate}
        return (await gate.client.post("/v1/exits", json=asked, headers=machine)).status_code

    guesses = [await ask(f"浙E7000{number}") for number in range(4)]
    assert guesses == [200, 200, 200, 429]
    assert await ask(OWN) == 429  # a known plate among them is not told by its answer
    noted = text("select count(*) from audit_entry where action = 'payments.exit_unknown'")
    assert await session.scalar(noted) == 3
    assert (await gate.asks(1))["open"] is False  # another system of the operator's is
    gate.clock.moment = minute(11)
    assert await ask(OWN) == 200


async def test_a_gate_is_told_beforehand_what_to_do_without_us(gate: Gate) -> None:
    machine, staff = gate.signed(Role.INTEGRATION, gate.operator), gate.signed(Role.CITY_ADMINISTRATOR)
    rules = (await gate.client.get("/v1/exits/rules?facility=garage", headers=machine)).json()
    assert (rules["when_away"], rules["free_minutes"]) == ("let_out", 0)
    assert rules["valid_until"] == (minute(0) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    held = {"facility": "garage", "lane": "1", "version": rules["version"]}
    assert (await gate.client.post("/v1/exits/rules/held", json=held, headers=machine)).status_code == 204
    (lane,) = (await gate.client.get("/v1/exits/rules/held?facility=garage", headers=staff)).json()
    assert (lane["lane"], lane["current"]) == ("1", True)
    await gate.policy(let_out_when_away=False)
    changed = (await gate.client.get("/v1/exits/rules?facility=garage", headers=machine)).json()
    assert (changed["when_away"], changed["version"] == rules["version"]) == ("ask_attendant", False)
    (lane,) = (await gate.client.get("/v1/exits/rules/held?facility=garage", headers=staff)).json()
    assert lane["current"] is False


async def test_only_the_city_sets_the_platforms_share(gate: Gate, session: AsyncSession) -> None:
    operator = await session.scalar(text("select id from operator"))
    own = gate.signed(Role.OPERATOR_STAFF, operator)
    address = "/v1/facilities/garage/payment-policy"
    await gate.policy(commission_bp=250)
    refused = await gate.client.put(address, json={"commission_bp": 0}, headers=own)
    allowed = await gate.client.put(address, json={"commission_bp": 250, "pay_later": True}, headers=own)
    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert (await gate.client.get(address, headers=own)).json()["pay_later"] is True

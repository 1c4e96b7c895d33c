"""Booked, with a permit, open to everybody, full, or not open now: what a gate is answered at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing.closing import close
from parking_cloud.sharing.entries import EntryAsk, ask_to_enter
from parking_cloud.sharing.entry_rules import AtEntry, EntryWhy, at_entry
from parking_cloud.sharing.schemas import ClosingIn
from parking_cloud.tariffs.permits import grant_permit
from parking_cloud.tariffs.schemas import PermitKind
from sensor_gateway.records import Direction
from tests.payments.parts import VAULT, hashed
from tests.serving import client_of
from tests.sharing.gate_parts import manager, passes, with_gate
from tests.sharing.parts import hall, hours, owner, pays
from tests.sharing.test_open_and_never_usable_is_found import spaces_seen
from tests.tariffs.parts import city

SEVEN = city("2026-11-20 19:00")
EIGHT = SEVEN + hours(1)
AT_WORK = city("2026-11-20 14:00")
STALE = timedelta(hours=2)


@given(
    st.builds(AtEntry, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.none() | st.integers())
)
def test_who_has_booked_always_comes_in_and_nobody_without_a_reason(facts: AtEntry) -> None:
    opens, why = at_entry(facts)
    assert opens == (why in (EntryWhy.BOOKED, EntryWhy.PERMIT, EntryWhy.WALK_IN))
    assert opens or not (facts.booked or facts.permit)
    assert not opens or facts.booked or facts.permit or facts.open_to_all
    assert why is not EntryWhy.WALK_IN or facts.room is None or facts.room > 0


async def asks(
    session: AsyncSession, plate: str, at: datetime, facility: str = "hall", operator: UUID | None = None
) -> tuple[bool, str]:
    whose = operator or await session.scalar(text("select id from operator"))
    gate = Identity(user_id=uuid4(), username="gates", role=Role.INTEGRATION, operator_id=whose)
    ask = EntryAsk(facility=facility, lane="1", plate=plate)
    answer = await ask_to_enter(session, VAULT, gate, ask, now=at, stale_after=STALE)
    return answer.open, str(answer.why)


@pytest.mark.stack
@pytest.mark.anyio
async def test_by_booking_permit_and_open_times(session: AsyncSession) -> None:
    facility = await hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2), now=SEVEN)
    assert await asks(session, "浙E12345", SEVEN) == (False, "full"), "held, and not paid"
    await pays(session, booked, SEVEN)
    assert await asks(session, "浙E12345", SEVEN) == (True, "booked")
    assert await asks(session, "浙E54321", SEVEN) == (False, "full"), "the one space is booked"
    assert await asks(session, "浙E54321", SEVEN + hours(2)) == (True, "walk_in")
    assert await asks(session, "", SEVEN + hours(2)) == (True, "walk_in")
    assert await asks(session, "浙E54321", AT_WORK) == (False, "not_open")
    assert await asks(session, "浙E12345", AT_WORK) == (False, "not_open")
    await grant_permit(
        session,
        plate_hash=hashed("浙E54321"),
        plate_sealed=b"x",
        kind=PermitKind.MONTHLY,
        valid_from=AT_WORK,
        valid_until=None,
        source="test",
        facility_id=facility,
    )
    assert await asks(session, "浙E54321", AT_WORK) == (True, "permit")
    with pytest.raises(NotAllowed):
        await asks(session, "浙E54321", AT_WORK, operator=uuid4())


@pytest.mark.stack
@pytest.mark.anyio
async def test_too_early_is_said_where_only_bookings_come_in(session: AsyncSession) -> None:
    await hall(session, walk_in=False)
    driver = await owner(session)
    await pays(session, await driver.books(session, SEVEN, SEVEN + hours(2)), SEVEN - hours(6))
    assert await asks(session, "浙E12345", SEVEN - hours(0.2)) == (False, "too_early")
    assert await asks(session, "浙E12345", SEVEN - hours(0.3)) == (False, "not_open")
    assert await asks(session, "浙E54321", SEVEN + hours(2)) == (False, "not_open")


@pytest.mark.stack
@pytest.mark.anyio
async def test_in_an_emergency_closing_no_booking_opens_the_gate(session: AsyncSession) -> None:
    facility = await hall(session)
    driver = await owner(session)
    await pays(session, await driver.books(session, SEVEN, SEVEN + hours(2)), SEVEN - hours(6))
    ten_past = SEVEN + timedelta(minutes=10)
    closed = ClosingIn(starts_at=ten_past, ends_at=SEVEN + hours(2), reason="燃气泄漏")
    await close(session, await manager(session), facility, closed, ten_past)
    await session.commit()
    assert await asks(session, "浙E12345", ten_past + timedelta(minutes=30)) == (False, "not_open")


@pytest.mark.stack
@pytest.mark.anyio
async def test_a_booked_space_is_nobody_elses_whether_its_driver_is_there_yet_or_not(
    session: AsyncSession, redis: Redis
) -> None:
    facility = await spaces_seen(session, SEVEN - hours(0.5), True, True, False, False)
    gate = await with_gate(session, facility)
    booked = [await owner(session, f"浙E1000{n}", f"driver-{n}") for n in range(2)]
    for driver in booked:
        await pays(session, await driver.books(session, EIGHT, EIGHT + hours(2)), EIGHT - hours(6))
    for minutes in (-50, -5, 5):
        at = EIGHT + timedelta(minutes=minutes)
        assert await asks(session, "浙E99999", at) == (False, "full"), "two are free, for the two who booked"
    assert await asks(session, "浙E10000", EIGHT - hours(0.1)) == (True, "walk_in"), "one of them is theirs"
    assert await asks(session, "浙E99999", EIGHT - hours(1.1)) == (True, "walk_in")
    await passes(session, redis, booked[0], facility, gate, Direction.ENTRY, EIGHT)
    assert await asks(session, "浙E99999", EIGHT + hours(0.1)) == (True, "walk_in"), "one stands on his own"


@pytest.mark.stack
@pytest.mark.anyio
async def test_nor_where_everybody_may_come(session: AsyncSession) -> None:
    facility = await spaces_seen(session, SEVEN - hours(0.5), True, False)
    await session.execute(
        text("update facility set kind = 'public_offstreet' where id = :f"), {"f": facility}
    )
    driver = await owner(session)
    await pays(session, await driver.books(session, SEVEN, SEVEN + hours(2)), SEVEN - hours(6))
    assert await asks(session, "浙E54321", SEVEN) == (False, "full")
    assert await asks(session, "浙E54321", SEVEN + hours(2)) == (True, "walk_in")


@pytest.mark.stack
@pytest.mark.anyio
async def test_where_nobody_knows_what_is_free_a_space_booked_soon_is_kept(session: AsyncSession) -> None:
    await hall(session, spaces=2)
    for number in range(2):
        driver = await owner(session, f"浙E1000{number}", f"driver-{number}")
        await pays(session, await driver.books(session, SEVEN, SEVEN + hours(2)), SEVEN - hours(6))
    assert await asks(session, "浙E99999", SEVEN - hours(0.1)) == (False, "full")
    assert await asks(session, "浙E99999", SEVEN + hours(2)) == (True, "walk_in")


@pytest.mark.stack
@pytest.mark.anyio
async def test_over_http_for_gates_alone(session: AsyncSession, settings: Settings) -> None:
    await hall(session)
    operator = await session.scalar(text("select id from operator"))

    def signed(role: Role, **whose: Any) -> dict[str, str]:
        who = Identity(user_id=uuid4(), username="gates", role=role, **whose)
        return {"Authorization": f"Bearer {issue(who, settings.secret_key, SEVEN)}"}

    asked = {"facility": "hall", "plate": "浙E12345", "lane": "2"}
    async with client_of(settings, FixedClock(SEVEN)) as client:
        gate = signed(Role.INTEGRATION, operator_id=operator)
        answer = await client.post("/v1/entries", json=asked, headers=gate)
        assert (answer.status_code, answer.json()) == (200, {"open": True, "why": "walk_in"})
        for who in (signed(Role.DRIVER), signed(Role.OPERATOR_STAFF, operator_id=operator)):
            assert (await client.post("/v1/entries", json=asked, headers=who)).status_code == 403

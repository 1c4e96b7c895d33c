"""A list reaches its gate and is answered in less than a second; what goes wrong is seen and made good."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.gates import allow_list
from parking_cloud.gates.allow_list_push import ListDesk
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.worker import Worker
from tests.factories import NOON, facility_id_of, load_small_city
from tests.gates.lists import HOUR, Gate, Said, given, local, local_gate, says_yes, state, told_by
from tests.stays.parts import VAULT

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return local(settings)


@pytest.fixture
def gate() -> Iterator[Gate]:
    with local_gate() as gate:
        yield gate


@pytest.fixture
async def garage(session: AsyncSession, settings: Settings, gate: Gate) -> UUID:
    """A garage whose gate is told by push."""
    devices: Any = await load_small_city(session)
    await told_by(session, settings, "garage", Way.PUSH, gate.url)
    return facility_id_of(devices, "garage-counter")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def desk(sessions: Sessions, settings: Settings, clock: FixedClock) -> AsyncIterator[ListDesk]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield ListDesk(sessions, client, settings, VAULT, clock)


async def test_from_booking_to_acknowledgement_is_less_than_a_second(
    session: AsyncSession, sessions: Sessions, settings: Settings, redis: Redis, garage: UUID, gate: Gate
) -> None:
    worker = asyncio.create_task(Worker(settings, sessions, redis)._push_allow_lists())
    took = []
    try:
        for number in range(5):
            now = datetime.now(UTC)
            begun = time.monotonic()
            pass_id = await given(
                session, garage, f"浙E1234{number}", start=_hours(now), end=_hours(now) + 2, now=now
            )
            await acknowledged(session, pass_id)
            took.append(time.monotonic() - begun)
    finally:
        worker.cancel()
    assert max(took) < 1, took


async def acknowledged(session: AsyncSession, pass_id: UUID) -> None:
    async with asyncio.timeout(10):
        for _ in range(1000):
            if await state(session, pass_id) == "acknowledged":
                return
            await asyncio.sleep(0.01)


def _hours(at: datetime) -> float:
    return (at - NOON) / HOUR


async def test_a_list_is_signed_and_told_in_steps(
    session: AsyncSession, settings: Settings, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    secret = await told_by(session, settings, "garage", Way.PUSH, gate.url)
    one = await given(session, garage)
    assert await state(session, one) == "waiting"
    await desk.turn()
    assert (await state(session, one), gate.signed_by(secret)) == ("acknowledged", True)
    two = await given(session, garage, "浙E54321")
    await allow_list.withdraw(session, one, NOON)
    await session.commit()
    await desk.turn()
    assert (await state(session, one), await state(session, two)) == ("withdrawn", "acknowledged")
    first, second = gate.lists
    assert (first["full"], second["full"], second["after"]) == (True, False, first["version"])
    told = {entry["id"]: (entry["withdrawn"], entry["plate"]) for entry in second["entries"]}
    assert told == {str(one): (True, None), str(two): (False, "浙E54321")}
    assert await desk.turn() == 0


async def test_the_same_pass_again_tells_nobody(
    session: AsyncSession, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    one = await given(session, garage)
    await desk.turn()
    await given(session, garage, pass_id=one)
    assert (await desk.turn(), await state(session, one)) == (0, "acknowledged")
    await given(session, garage, pass_id=one, end=3)
    assert await state(session, one) == "waiting"
    await desk.turn()
    assert (await state(session, one), len(gate.heard)) == ("acknowledged", 2)


async def test_a_gate_that_holds_another_version_hears_it_all(
    session: AsyncSession, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    one = await given(session, garage)
    await desk.turn()
    gate.answer = lambda data: says_yes(data) if data["full"] else (409, {})
    two = await given(session, garage, "浙E54321")
    await desk.turn()
    assert await state(session, two) == "told"
    await desk.turn()
    assert await state(session, two) == "acknowledged"
    assert {entry["id"] for entry in gate.lists[-1]["entries"]} == {str(one), str(two)}


async def test_what_a_gate_does_not_name_is_not_acknowledged(
    session: AsyncSession, garage: UUID, gate: Gate, desk: ListDesk, clock: FixedClock
) -> None:
    one, two = await given(session, garage), await given(session, garage, "浙E54321")
    gate.answer = lambda data: (200, {"version": data["version"], "accepted": [str(one)]})
    await desk.turn()
    assert (await state(session, one), await state(session, two)) == ("acknowledged", "told")
    for nonsense in ({}, {"version": 99}, {"ok": True}):
        clock.moment += timedelta(minutes=10)
        gate.answer = lambda _, said=nonsense: (200, said)  # type: ignore[misc]
        await desk.turn()
        assert await state(session, two) == "told"
    clock.moment += timedelta(minutes=10)
    gate.answer = _refuses(str(two))
    assert await desk.turn() == 1
    facts = (await allow_list.pass_facts(session, [two]))[two]
    assert (facts.state, facts.failure, facts.acknowledged_at) == ("refused", "list full", None)


def _refuses(id_: str) -> Any:
    def answer(data: Said) -> tuple[int, Said]:
        others = [entry["id"] for entry in data["entries"] if entry["id"] != id_]
        refused = [{"id": id_, "reason": "list full"}]
        return 200, {"version": data["version"], "accepted": others, "refused": refused}

    return answer


async def test_a_gate_that_is_away_is_told_when_it_is_back(
    session: AsyncSession, garage: UUID, gate: Gate, desk: ListDesk, clock: FixedClock
) -> None:
    gate.answer = lambda _: (503, {})
    one = await given(session, garage, end=20)
    for _ in range(15):
        await desk.turn()
        clock.moment += timedelta(minutes=6)
    assert (await state(session, one), len(gate.heard)) == ("told", 15)
    gate.answer = says_yes
    await desk.turn()
    assert await state(session, one) == "acknowledged"


async def test_what_changes_while_a_gate_is_told_is_told_afterwards(
    session: AsyncSession, sessions: Sessions, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slowly(data: Said) -> tuple[int, Said]:
        asked.set()
        may_answer.wait(4)
        return says_yes(data)

    gate.answer = slowly
    one = await given(session, garage)
    turn = asyncio.create_task(desk.turn())
    await asyncio.to_thread(asked.wait, 4)
    await given(session, garage, pass_id=one, end=4)
    await desk.start_due()
    assert len(gate.heard) == 1, "a second message would overtake the first"
    may_answer.set()
    await turn
    assert await state(session, one) == "waiting", "the answer was to what it was before"
    await desk.turn()
    assert await state(session, one) == "acknowledged"


async def test_what_the_gate_before_had_confirmed_the_new_one_has_still_to(
    session: AsyncSession, settings: Settings, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    one = await given(session, garage)
    await desk.turn()
    assert await state(session, one) == "acknowledged"
    await told_by(session, settings, "garage", Way.PULL)
    assert await state(session, one) == "waiting"
    facts = (await allow_list.pass_facts(session, [one]))[one]
    assert (facts.told_at, facts.acknowledged_at) == (None, None)
    await told_by(session, settings, "garage", Way.PUSH, gate.url)
    await desk.turn()
    assert (await state(session, one), gate.lists[-1]["full"]) == ("acknowledged", True)


async def test_a_gate_that_was_replaced_while_it_was_told_confirms_nothing(
    session: AsyncSession, settings: Settings, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slowly(data: Said) -> tuple[int, Said]:
        asked.set()
        may_answer.wait(4)
        return says_yes(data)

    gate.answer = slowly
    one = await given(session, garage)
    turn = asyncio.create_task(desk.turn())
    await asyncio.to_thread(asked.wait, 4)
    with local_gate() as new:
        await told_by(session, settings, "garage", Way.PUSH, new.url)
        may_answer.set()
        await turn
        assert await state(session, one) == "waiting"
        await desk.turn()
        assert (await state(session, one), new.lists[0]["full"]) == ("acknowledged", True)


async def test_a_slow_gate_holds_up_no_other(
    session: AsyncSession, settings: Settings, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    street = UUID(str(await session.scalar(text("select id from facility where code = 'street'"))))
    asked, may_answer = threading.Event(), threading.Event()

    def slowly(data: Said) -> tuple[int, Said]:
        asked.set()
        may_answer.wait(4)
        return says_yes(data)

    await desk.turn()
    with local_gate() as slow:
        slow.answer = slowly
        await told_by(session, settings, "street", Way.PUSH, slow.url)
        await given(session, street)
        await desk.start_due()
        await asyncio.to_thread(asked.wait, 4)
        quick = await given(session, garage)
        await desk.start_due()
        await acknowledged(session, quick)
        assert not may_answer.is_set()
        may_answer.set()
        await desk.turn()


async def test_a_facility_without_a_gate_needs_no_answer_and_one_that_reports_does(
    session: AsyncSession, settings: Settings, garage: UUID
) -> None:
    street = UUID(str(await session.scalar(text("select id from facility where code = 'street'"))))
    one = await given(session, street)
    assert await state(session, one) == "not_needed"
    await told_by(session, settings, "street", Way.PULL)
    assert await state(session, one) == "waiting"
    await told_by(session, settings, "street", Way.ASKS)
    assert await state(session, one) == "not_needed"


async def test_who_is_not_confirmed_shortly_before_is_found(
    session: AsyncSession, garage: UUID, gate: Gate, desk: ListDesk
) -> None:
    late = await given(session, garage, start=1)
    await given(session, garage, "浙E54321", start=5, end=6)
    minute_before = NOON + timedelta(minutes=59)

    async def found() -> list[tuple[UUID, datetime]]:
        await session.rollback()
        soon = minute_before + timedelta(minutes=1)
        rows = await allow_list.unconfirmed(session, before=soon, now=minute_before)
        return [(row.id, row.begins_at) for row in rows]

    assert await found() == [(late, NOON + HOUR)]
    await desk.turn()
    assert await found() == []


async def test_plates_of_passes_that_are_over_are_forgotten(session: AsyncSession, garage: UUID) -> None:
    one = await given(session, garage)
    assert await allow_list.forget_over(session, NOON + timedelta(days=7)) == 0
    assert await allow_list.forget_over(session, NOON + timedelta(days=8)) == 1
    assert await allow_list.pass_states(session, [one]) == {}

"""A count is moved on from checkpoints: what is older is not read again, unless some of it changes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.gates import events
from parking_cloud.gates.projector import project_records
from parking_cloud.gates.telling import told_by_gates
from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import make_sessions
from parking_cloud.occupancy import counting
from parking_cloud.occupancy.counting import FACILITY_COUNTED
from parking_cloud.occupancy.history import ensure_partitions
from parking_cloud.occupancy.projector import project
from sensor_gateway.observation import Kind, Observation
from sensor_gateway.records import Direction, GateEvent
from tests.factories import NOON, load_small_city, observed
from tests.gates.parts import with_lane_counters
from tests.gates.test_corrections_in_any_order_end_the_same import correction, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


async def counted(session: AsyncSession, redis: Redis, said: Sequence[Observation]) -> None:
    """Write a batch, and do what the worker does after it."""
    await project(session, said)
    await session.execute(text("delete from outbox_message"))
    await session.commit()
    await counting.announce_counts(session, said)
    await outbox.relay(session, redis, {FACILITY_COUNTED: events.recount})


async def net(session: AsyncSession) -> int | None:
    return await session.scalar(text("select net_since from facility_state where reported_at is not null"))


async def test_old_passages_are_read_again_only_when_one_of_their_time_changes(
    session: AsyncSession, redis: Redis
) -> None:
    counter = (await load_small_city(session))["garage-counter"]
    base = TODAY - 60 * DAY
    said = [observed(counter, at=base, free=50, frame=None)]
    for age in range(59, 0, -1):
        said.append(observed(counter, at=TODAY - age * DAY, frame=age, entered=1, left=0))
    await counted(session, redis, said)
    assert await net(session) == 59

    # Gone behind everybody's back: only who reads it can know.
    await session.execute(
        text("delete from observation where entered is not null and observed_at < :at"),
        {"at": TODAY - 3 * DAY},
    )
    await counted(session, redis, [observed(counter, at=TODAY + MINUTE, frame=100, entered=2, left=0)])
    assert await net(session) == 61
    await counted(session, redis, [observed(counter, at=TODAY - 2 * DAY, frame=101, entered=4, left=0)])
    assert (
        await net(session) == 65 - 3
    )  # of six to four days ago: that was read again, from the checkpoint on
    await counted(session, redis, [observed(counter, at=base + DAY / 2, frame=102, entered=8, left=0)])
    assert await net(session) == 3 + 4 + 2 + 8


async def test_a_message_without_a_time_has_everything_read_again(
    session: AsyncSession, redis: Redis
) -> None:
    counter = (await load_small_city(session))["garage-counter"]
    said = [observed(counter, at=TODAY - 40 * DAY, free=50, frame=None)]
    said.append(observed(counter, at=TODAY - 39 * DAY, frame=1, entered=5, left=0))
    await counted(session, redis, said)
    await project(session, [observed(counter, at=TODAY - 38 * DAY, frame=2, entered=2, left=0)])
    await session.execute(text("update outbox_message set payload = '{}'"))
    await outbox.relay(session, redis, {FACILITY_COUNTED: events.recount})
    assert await net(session) == 7


async def test_what_is_announced_has_the_earliest_time_of_which_it_tells(session: AsyncSession) -> None:
    devices = await with_lane_counters(session)
    counter, lane, sensor = devices["garage-counter"], devices["lane-entry"], devices["sensor-1"]

    async def announced(*said: Observation) -> list[tuple[str, dict[str, Any]]]:
        await session.execute(text("delete from outbox_message"))
        await counting.announce_counts(session, said)
        return [tuple(row) for row in await session.execute(text("select key, payload from outbox_message"))]

    def started(device: Any) -> Observation:
        return msgspec.structs.replace(observed(device), kind=Kind.STARTUP)

    told = [(str(counter.facility_id), {"since": NOON.isoformat()})]
    later = observed(counter, at=NOON + MINUTE, entered=1, left=0)
    full = observed(counter, at=NOON - MINUTE, free=3)
    assert await announced(later, observed(lane, running_count=9)) == told
    assert await announced(started(lane), started(sensor)) == told
    assert await announced(full, observed(sensor, occupied=True)) == []
    await project_records(session, [passed(devices, 1, Direction.ENTRY)])  # now passages are known
    assert await announced(full) == [(told[0][0], {"since": (NOON - MINUTE).isoformat()})]


async def test_gates_too_are_read_from_the_checkpoint_on(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    base = TODAY - 20 * DAY
    await project(session, [observed(devices["garage-counter"], at=base, free=50, frame=None)])

    def entered(number: int, at: datetime) -> GateEvent:
        return passed(devices, number, Direction.ENTRY, minute=(at - NOON) / MINUTE)

    await project_records(session, [entered(n, TODAY - n * DAY) for n in range(1, 20)])
    assert await net(session) == 19
    await session.execute(text("delete from gate_passage where occurred_at < :at"), {"at": TODAY - 9 * DAY})
    await project_records(session, [entered(20, TODAY + MINUTE)])
    assert await net(session) == 20
    await project_records(session, [correction(1, corrects=2, void=True)])
    assert await net(session) == 19  # two days ago: worked out from seven days ago
    await project_records(session, [correction(2, corrects=9, void=True)])
    assert await net(session) == 9 - 2 + 1
    before_the_count = (base - DAY - NOON) / MINUTE
    await project_records(session, [correction(3, corrects=1, occurred_at=NOON + before_the_count * MINUTE)])
    assert await net(session) == 9 - 3 + 1


async def test_gates_that_begin_to_report_take_the_place_of_counters_before_any_checkpoint(
    session: AsyncSession, redis: Redis
) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    said = [observed(counter, at=TODAY - 20 * DAY, free=50, frame=None)]
    said += [observed(counter, at=TODAY - age * DAY, frame=age, entered=2, left=0) for age in (15, 9, 3)]
    await counted(session, redis, said)
    assert await net(session) == 6
    first = passed(devices, 1, Direction.EXIT, minute=(TODAY - DAY / 2 - NOON) / MINUTE)
    await project_records(session, [first])
    assert await net(session) == -1
    await counted(session, redis, [observed(counter, at=TODAY + MINUTE, frame=99, entered=2, left=0)])
    assert await net(session) == -1


async def test_few_partitions_are_locked_however_old_the_full_count_is(
    sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    """Also once the driver prepares the statements, and PostgreSQL weighs a plan for all parameters."""
    async with sessions() as session, session.begin():
        await ensure_partitions(session, {(TODAY - age * DAY).date() for age in range(-1, 100)})
    async with sessions() as session:
        devices = await with_lane_counters(session)
        counter, lane = devices["garage-counter"], devices["lane-entry"]
        said = [observed(counter, at=TODAY - 99 * DAY, free=50, frame=None)]
        said += [observed(counter, at=TODAY - 50 * DAY, frame=2, entered=1, left=0)]
        said += [observed(lane, at=TODAY - n * MINUTE, frame=99 - n, running_count=9 - n) for n in (1, 2)]
        await counted(session, redis, said)
        await session.commit()
        for number in range(12):
            at = TODAY + number * MINUTE
            ran = observed(lane, at=at, frame=100 + number, running_count=9 + number)
            await counted(session, redis, [ran])
            await counting.counts_due(session, made_before=TODAY + DAY)
            locked = await session.scalar(
                text(
                    "select count(distinct c.relname) from pg_locks l join pg_class c on c.oid = l.relation"
                    " where l.pid = pg_backend_pid() and c.relname ~ '^observation_[0-9]+$'"
                )
            )
            assert 0 < (locked or 0) <= 6
            await session.commit()
    # The count before one that is newer than the bound: by the history, of the last days only.
    async with sessions() as session:
        await project(session, [observed(counter, at=TODAY - 30 * MINUTE, free=41, frame=None)])
        await project(session, [observed(counter, at=TODAY, free=40, frame=None)])
        due = await counting.counts_due(session, made_before=TODAY - 10 * MINUTE)
        assert due == {counter.facility_id: counting.FullCount(TODAY - 30 * MINUTE, 59)}


async def waiting_for_a_lock(session: AsyncSession) -> None:
    """Until some other process waits for a lock."""
    while not await session.scalar(text("select count(*) from pg_locks where not granted")):
        await session.commit()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("caller", ["a gate", "the outbox"])
async def test_the_first_full_count_and_a_passage_at_once_lose_nothing(
    sessions: async_sessionmaker[AsyncSession], redis: Redis, caller: str
) -> None:
    """The passage is recounted while the count is written: it waits, and only then looks for the count."""
    async with sessions() as session:
        devices = await load_small_city(session)
    counter = devices["garage-counter"]
    passage = passed(devices, 1, Direction.ENTRY)
    if caller == "the outbox":
        async with sessions() as session, session.begin():
            await project_records(session, [passage])
            await outbox.add_many(session, FACILITY_COUNTED, [(str(counter.facility_id), {})])

    async def recount() -> None:
        async with sessions() as session, session.begin():
            if caller == "a gate":
                await project_records(session, [passage])
            else:
                await outbox.relay(session, redis, {FACILITY_COUNTED: events.recount})

    async with sessions() as counting_, sessions() as watching, asyncio.TaskGroup() as group:
        await project(counting_, [observed(counter, free=50, frame=None)])
        group.create_task(recount())
        async with asyncio.timeout(20):
            await waiting_for_a_lock(watching)
        await counting_.commit()
    async with sessions() as session:
        assert await net(session) == 1


@pytest.fixture
async def devices(engine: AsyncEngine) -> dict[str, Any]:
    """The small city with lane counters, committed; the examples roll back what they do in it."""
    async with make_sessions(engine)() as session:
        return await with_lane_counters(session)


Item = Observation | GateEvent
hours = st.integers(-24 * 45, 20)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """Counts, deltas, running counts, start-ups and (sometimes) gate events of seven weeks."""
    kinds = ["full", "told", *["running"] * 4, "startup", *(["gate"] if draw(st.booleans()) else [])]
    said = [("full", -24 * 44, 3)] if draw(st.integers(0, 4)) else []
    for _ in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(kinds))
        near = draw(st.sampled_from([None, None, -24, 0, 0, 1]))  # often within one lane's memory, or tied
        said.append((kind, draw(hours) if near is None else near, draw(st.integers(0, 9))))
    return said


def items(devices: dict[str, Any], history: Sequence[tuple[str, int, int]]) -> list[Item]:
    made: list[Item] = []
    for number, (kind, hour, value) in enumerate(history):
        at = TODAY + timedelta(hours=hour)
        counter, lane = devices["garage-counter"], devices["lane-entry"]
        match kind:
            case "full":
                made.append(observed(counter, at=at, free=40 + value, frame=number))
            case "told":
                made.append(observed(counter, at=at, frame=number, entered=value, left=1))
            case "running":
                made.append(observed(lane, at=at, frame=number * value % 7, running_count=number + value))
            case "startup":
                o = observed(lane, at=at, frame=number)
                made.append(msgspec.structs.replace(o, kind=Kind.STARTUP))
            case _:
                made.append(passed(devices, number, Direction.ENTRY, minute=(at - NOON) / MINUTE))
    return made


async def whole(session: AsyncSession) -> tuple[int, datetime] | None:
    """What passed since the full count, and the newest of it, in one stretch: without any checkpoint."""
    row = (
        await session.execute(
            text("select facility_id, reported_at from facility_state where reported_at is not null")
        )
    ).one_or_none()
    if row is None:
        return None
    (net,) = await counting.passed_in(session, [counting.Span(*row)], told_by_gates)
    return net.vehicles, max(net.newest_at or row.reported_at, row.reported_at)


async def nets_after(
    sessions: async_sessionmaker[AsyncSession], devices: dict[str, Any], batches: Sequence[Sequence[Item]]
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[int, datetime] | None]:
    """What is shown after the batches, each recounted as it comes; the same worked out anew; and `whole`."""
    facility = devices["garage-counter"].facility_id
    shown = text("select net_since, counted_free, counted_at from facility_state")
    async with sessions() as session:
        for batch in batches:
            told = [item for item in batch if isinstance(item, Observation)]
            await project_records(session, [item for item in batch if isinstance(item, GateEvent)])
            if told:
                await project(session, told)
                since = min(item.observed_at for item in told)
                await counting.recount(session, {facility: since}, told_by_gates)
        followed = (await session.execute(shown)).one()
        await session.execute(text("delete from count_checkpoint"))
        await counting.recount(session, {facility: None}, told_by_gates)
        anew = (await session.execute(shown)).one()
        return tuple(followed), tuple(anew), await whole(session)


@given(history=histories(), seed=st.integers(0, 2**32), size=st.integers(1, 4))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_with_or_without_checkpoints_and_in_any_order_the_count_is_the_same(
    sessions: async_sessionmaker[AsyncSession],
    devices: dict[str, Any],
    history: list[tuple[str, int, int]],
    seed: int,
    size: int,
) -> None:
    once = items(devices, history)
    shuffled = list(once)
    random.Random(seed).shuffle(shuffled)
    batches = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    followed, anew, in_one = await nets_after(sessions, devices, batches)
    assert followed == anew
    if in_one is not None:
        assert (anew[0], anew[2]) == in_one
    assert (await nets_after(sessions, devices, [once]))[1] == anew

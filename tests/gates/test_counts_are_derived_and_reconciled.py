"""Between full counts, what passed moves the number on; at the next one, the drift is measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import tokens
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates import events
from parking_cloud.gates.projector import project_records
from parking_cloud.gates.reconciliation import reconcile_all, reconciliations
from parking_cloud.kernel import outbox
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service
from parking_cloud.occupancy.counting import FACILITY_COUNTED, announce_counts
from parking_cloud.occupancy.projector import project
from sensor_gateway.records import Direction
from tests.factories import NOON, load_small_city, observed
from tests.gates.parts import with_lane_counters
from tests.gates.test_corrections_in_any_order_end_the_same import correction, passed
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

HOUR = timedelta(hours=1)


async def relayed(session: AsyncSession, redis: Redis) -> None:
    """What the worker does after each batch."""
    await outbox.relay(session, redis, {FACILITY_COUNTED: events.recount})


async def free(session: AsyncSession) -> int | None:
    return (await service.get_facility(session, "garage", now=NOON + HOUR, stale_after=2 * HOUR)).free


async def test_entered_and_left_move_a_count_on(session: AsyncSession, redis: Redis) -> None:
    counter = (await load_small_city(session))["garage-counter"]
    await project(session, [observed(counter, free=50, frame=None)])
    later = observed(counter, at=NOON + timedelta(minutes=5), frame=2, entered=4, left=1)
    await project(session, [later, later])
    await relayed(session, redis)
    assert await free(session) == 47


async def test_running_counts_of_lanes_move_a_count_on(session: AsyncSession, redis: Redis) -> None:
    devices = await with_lane_counters(session)
    said = [observed(devices["garage-counter"], free=50, frame=None)]
    for minute, entry, exit_ in ((-5, 65_530, 100), (5, 65_535, 101), (10, 4, 101), (15, 6, 3)):
        at = NOON + timedelta(minutes=minute)
        said.append(observed(devices["lane-entry"], at=at, frame=minute + 10, running_count=entry))
        said.append(observed(devices["lane-exit"], at=at, frame=minute + 10, running_count=exit_))
    await project(session, said[::-1])
    await relayed(session, redis)
    # In: 65530 → 65535 → 4 (wrapped) → 6 is 12. Out: 100 → 101, then the counter started again: 3 is 4.
    assert await free(session) == 50 - 12 + 4


async def test_a_new_full_count_starts_over(session: AsyncSession, redis: Redis) -> None:
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=50, frame=None)])
    await project_records(session, [passed(devices, 1, Direction.ENTRY, minute=1)])
    await project_records(session, [passed(devices, 2, Direction.ENTRY, minute=30)])
    assert await free(session) == 48
    at = NOON + timedelta(minutes=20)
    await project(session, [observed(devices["garage-counter"], at=at, free=49, frame=None)])
    await relayed(session, redis)
    assert await free(session) == 48  # 49 at the count, one in since


async def test_drift_is_derived_less_counted(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    await project(session, [observed(counter, free=50, frame=None)])
    await project_records(session, [passed(devices, 1, Direction.ENTRY)])
    assert await reconcile_all(session, NOON + timedelta(minutes=5)) == 0  # not settled yet
    assert await reconcile_all(session, NOON + timedelta(minutes=11)) == 1
    await project_records(session, [passed(devices, n, Direction.ENTRY, minute=70) for n in (2, 3, 4)])
    await project(session, [observed(counter, at=NOON + 2 * HOUR, free=48, frame=None)])
    await reconcile_all(session, NOON + 3 * HOUR)
    found = await reconciliations(session, counter.facility_id, before=NOON + 9 * HOUR, limit=9)
    assert [(r.counted_occupied, r.derived_occupied, r.drift) for r in found] == [
        (52, 54, 2),  # four vehicles came in by the gates, two by the count
        (50, None, None),
    ]


async def test_a_vehicle_that_gate_and_counter_saw_counts_once(session: AsyncSession, redis: Redis) -> None:
    """In the number that is shown, and in the one that is derived for a full count."""
    devices = await with_lane_counters(session)
    counter, lane = devices["garage-counter"], devices["lane-entry"]
    await judged_hourly(session, devices, 0)
    for minute in (1, 2, 3):
        at = NOON + timedelta(minutes=minute)
        await project(session, [observed(lane, at=at, frame=minute, running_count=minute)])
    await relayed(session, redis)
    assert await free(session) == 48
    await project_records(session, [passed(devices, n, Direction.ENTRY, minute=n) for n in (1, 2, 3)])
    assert await free(session) == 47
    await project(session, [observed(lane, at=NOON + timedelta(minutes=4), frame=4, running_count=4)])
    await relayed(session, redis)
    assert await free(session) == 47  # by its gates, that one did not come in
    await project_records(session, [correction(n, corrects=n, void=True) for n in (1, 2, 3)])
    assert await free(session) == 50  # nor do void events make it a facility without gates
    await project(session, [observed(counter, at=NOON + 2 * HOUR, free=50, frame=None)])
    await reconcile_all(session, NOON + 3 * HOUR)
    assert await drifts(session, counter) == [0, None]


async def drifts(session: AsyncSession, counter: Any) -> list[int | None]:
    found = await reconciliations(session, counter.facility_id, before=NOON + 9 * HOUR, limit=9)
    return [r.drift for r in found]


async def judged_hourly(session: AsyncSession, devices: dict[str, Any], hours: int) -> None:
    """A full count each hour, all of 50 free, each judged; somebody passed a gate before."""
    counter = devices["garage-counter"]
    await project_records(session, [passed(devices, 99, Direction.ENTRY, minute=-9)])
    for hour in range(hours + 1):
        at = NOON + hour * HOUR
        await project(session, [observed(counter, at=at, free=50, frame=None)])
        await reconcile_all(session, at + timedelta(minutes=11))


async def test_voided_passages_are_taken_out_of_what_was_judged(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    ghosts = [passed(devices, n, Direction.ENTRY, minute=70) for n in range(8)]
    await project_records(session, ghosts)
    await judged_hourly(session, devices, 3)
    assert await drifts(session, counter) == [0, 8, 0, None]
    await project_records(session, [correction(n, corrects=n, minute=200, void=True) for n in range(8)])
    assert await reconcile_all(session, NOON + 4 * HOUR) > 0
    assert await drifts(session, counter) == [0, 0, 0, None]


@pytest.mark.parametrize(("said", "meant"), [(150, 30), (30, 150)], ids=["earlier", "later"])
async def test_a_passage_moved_to_another_hour_changes_both(
    session: AsyncSession, said: int, meant: int
) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    await project_records(session, [passed(devices, 1, Direction.ENTRY, minute=said)])
    await judged_hourly(session, devices, 3)
    first = [0, 0, 1, None]
    last = [1, 0, 0, None]
    assert await drifts(session, counter) == (last if said > meant else first)
    moved = correction(1, corrects=1, minute=200, occurred_at=NOON + timedelta(minutes=meant))
    await project_records(session, [moved])
    await reconcile_all(session, NOON + 4 * HOUR)
    assert await drifts(session, counter) == (first if said > meant else last)


async def test_what_a_counter_tells_late_is_judged_again(session: AsyncSession, redis: Redis) -> None:
    counter = (devices := await load_small_city(session))["garage-counter"]
    await judged_hourly(session, devices, 2)
    late = observed(counter, at=NOON + timedelta(minutes=30), frame=7, entered=3, left=1)
    await project(session, [late])
    await session.execute(text("delete from outbox_message"))
    await announce_counts(session, [late])
    await relayed(session, redis)
    await reconcile_all(session, NOON + 3 * HOUR)
    assert await drifts(session, counter) == [0, 2, None]


async def test_what_was_judged_over_a_month_ago_stands(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    await judged_hourly(session, devices, 1)
    await project_records(session, [passed(devices, 1, Direction.ENTRY, minute=5)])
    assert await reconcile_all(session, NOON + timedelta(days=31)) == 0
    assert await drifts(session, counter) == [0, None]


def staff(operator_id: UUID | None, role: Role = Role.OPERATOR_STAFF) -> Identity:
    return Identity(user_id=uuid4(), username="li", role=role, operator_id=operator_id)


async def test_an_operators_staff_see_the_drift_of_their_own_facilities(
    session: AsyncSession, settings: Settings
) -> None:
    await judged_hourly(session, await load_small_city(session), 1)
    await session.commit()
    own = await session.scalar(text("select operator_id from facility where code = 'garage'"))
    clock = FixedClock(NOON + 3 * HOUR)
    async with client_of(settings, clock) as client:

        async def answer(who: Identity) -> Any:
            token = tokens.issue(who, settings.secret_key, clock.now())
            return await client.get(
                "/v1/facilities/garage/reconciliation", headers={"Authorization": f"Bearer {token}"}
            )

        seen = await answer(staff(own))
        assert (seen.status_code, seen.json()["drift"], len(seen.json()["items"])) == (200, 0, 2)
        assert (await answer(staff(None, Role.AUDITOR))).status_code == 200
        for stranger in (staff(uuid4()), staff(None), staff(own, Role.DRIVER)):
            assert (await answer(stranger)).status_code == 403


async def test_a_counter_gone_mad_stops_nobody(session: AsyncSession, redis: Redis) -> None:
    devices = await load_small_city(session)
    counter = devices["garage-counter"]
    await judged_hourly(session, devices, 0)
    said = [
        observed(counter, at=NOON + timedelta(seconds=n), frame=n, entered=1_000_000, left=0)
        for n in range(1, 2_200)
    ]
    await project(session, [*said, observed(counter, at=NOON + 2 * HOUR, free=1, frame=9_999)])
    await relayed(session, redis)
    await session.execute(text("update facility_state set reported_at = :at"), {"at": NOON})
    await outbox.add(session, FACILITY_COUNTED, str(counter.facility_id), {})
    await relayed(session, redis)
    assert await session.scalar(text("select net_since from facility_state")) == 1_000_000_000
    await session.execute(text("update facility_state set reported_at = :at"), {"at": NOON + 2 * HOUR})
    await reconcile_all(session, NOON + 3 * HOUR)
    assert (await drifts(session, counter))[0] == 1_000_000_000 - 99

"""A lane's running count that starts again, is read backwards or was silent invents no vehicles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.telling import told_by_gates
from parking_cloud.occupancy.counting import Span, passed_in
from parking_cloud.occupancy.projector import project
from parking_cloud.occupancy.rules import passed
from sensor_gateway.observation import RUNNING_COUNT_WRAPS, Kind, Observation
from tests.factories import NOON, observed
from tests.gates.parts import with_lane_counters

HOUR = timedelta(hours=1)
counts = st.integers(0, RUNNING_COUNT_WRAPS - 1)


@pytest.mark.parametrize(
    ("before", "now", "seconds", "vehicles"),
    [
        (40_000, 12, 4 * 3600, 12),
        (40_000, 42_900, 4 * 3600, 2_900),
        (65_000, 100, 3600, 636),
        (100, 710, 600, 610),
        (100, 711, 600, 0),
        (100, 90, 3600, 90),
    ],
    ids=["began again", "a busy lane", "wrapped", "a platoon", "too many", "began again, and went on"],
)
def test_what_no_lane_carries_is_a_counter_that_began_again(
    before: int, now: int, seconds: int, vehicles: int
) -> None:
    assert passed(before, now, seconds) == vehicles


@given(before=counts, now=counts, seconds=st.floats(0, 2 * 86_400), restarted=st.booleans())
def test_never_more_than_a_lane_carries(before: int, now: int, seconds: float, restarted: bool) -> None:
    found = passed(before, now, seconds, restarted=restarted)
    assert 0 <= found <= 10 + min(seconds, 600) + seconds / 6
    assert found in (0, now, (now - before) % RUNNING_COUNT_WRAPS)
    if restarted:
        assert found in (0, now)


@given(before=counts, step=st.integers(0, 600), seconds=st.floats(600, 2 * 86_400))
def test_what_a_lane_carries_is_counted_across_the_wrap(before: int, step: int, seconds: float) -> None:
    assert passed(before, (before + step) % RUNNING_COUNT_WRAPS, seconds) == step


async def vehicles(session: AsyncSession, said: list[Observation], since: timedelta = -HOUR) -> int:
    """What the entry lane let in after a time, by these statements."""
    await project(session, said)
    (net,) = await passed_in(session, [Span(said[0].facility_id, NOON + since)], told_by_gates)
    return net.vehicles


def running(devices: dict[str, Any], hours: float, frame: int, count: int) -> Observation:
    return observed(devices["lane-entry"], at=NOON + hours * HOUR, frame=frame, running_count=count)


@pytest.mark.stack
@pytest.mark.anyio
class TestLanes:
    async def test_a_frame_counter_that_went_down_means_that_it_began_again(
        self, session: AsyncSession
    ) -> None:
        devices = await with_lane_counters(session)
        said = [running(devices, 0, 500, 40), running(devices, 1, 501, 45), running(devices, 2, 3, 60)]
        # 40 → 45, then from 0: 60. Not 15, though it would look so.
        assert await vehicles(session, said) == 5 + 60

    @pytest.mark.parametrize("since", [-HOUR, 1.25 * HOUR], ids=["within", "before the start"])
    async def test_a_start_up_in_between_means_that_it_began_again(
        self, session: AsyncSession, since: timedelta
    ) -> None:
        devices = await with_lane_counters(session)
        startup = msgspec.structs.replace(
            observed(devices["lane-entry"], at=NOON + HOUR, frame=501), kind=Kind.STARTUP
        )
        said = [running(devices, 0, 500, 40), startup, running(devices, 2, 502, 60)]
        assert await vehicles(session, said, since) == 60

    @pytest.mark.parametrize("frames", [(7, 8), (9, 20), (30, 31), (12, 40), (77, 80)])
    @pytest.mark.parametrize("since", [-HOUR, 0 * HOUR], ids=["within", "at the start"])
    async def test_two_values_of_one_moment_are_read_in_the_order_of_their_frames(
        self, session: AsyncSession, frames: tuple[int, int], since: timedelta
    ) -> None:
        devices = await with_lane_counters(session)
        first, second = frames  # by their ids, some pairs lie the other way round
        said = [
            running(devices, -0.5, 6, 100),
            running(devices, 0, first, 101),
            running(devices, 0, second, 103),
            running(devices, 1, 99, 104),
        ]
        assert await vehicles(session, said, since) == (4 if since < timedelta(0) else 1)

    async def test_nobody_knows_what_passed_while_it_was_silent_for_days(self, session: AsyncSession) -> None:
        devices = await with_lane_counters(session)
        said = [running(devices, 0, 1, 40), running(devices, 49, 2, 300), running(devices, 50, 3, 304)]
        assert await vehicles(session, said) == 4

    async def test_what_a_device_said_elsewhere_counts_for_no_other_facility(
        self, session: AsyncSession
    ) -> None:
        devices = await with_lane_counters(session)
        await project(session, [running(devices, 0, 1, 40), running(devices, 1, 2, 43)])
        street = devices["sensor-1"].facility_id
        await session.execute(
            text("update device set facility_id = :street where external_id = 'lane-entry'"),
            {"street": street},
        )
        moved = [running(devices, hour, hour, count) for hour, count in ((2, 50), (3, 55))]
        moved = [msgspec.structs.replace(o, facility_id=street) for o in moved]
        assert await vehicles(session, moved) == 5

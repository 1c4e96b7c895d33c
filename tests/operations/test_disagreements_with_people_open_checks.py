"""What a person finds is compared with the sensor; a disagreement opens a check, and accuracy is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.occupancy.projector import project
from parking_cloud.operations import service
from parking_cloud.operations.jobs import judge_devices
from parking_cloud.operations.rules import Outcome
from parking_cloud.operations.schemas import CheckClosing, FindingIn
from parking_cloud.operations.service import CheckClosed, DeviceNotFound, SpaceNotFound
from tests.factories import NOON, load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

OFFICER = Identity(user_id=uuid4(), username="wang", role=Role.ENFORCEMENT_OFFICER)
MINUTE = timedelta(minutes=1)


def staff_of(operator: UUID) -> Identity:
    return Identity(user_id=uuid4(), username="li", role=Role.OPERATOR_STAFF, operator_id=operator)


async def found(session: AsyncSession, device: Any, occupied: bool, minute: float = 10) -> Any:
    """What comes of an officer's finding, stated at once."""
    at = NOON + minute * MINUTE
    return await service.state_finding(session, OFFICER, FindingIn(device.space_id, occupied), at)


async def street(session: AsyncSession) -> dict[str, Any]:
    devices = await load_small_city(session)
    await project(session, [observed(devices["sensor-1"], occupied=True)])
    return devices


async def test_a_finding_that_agrees_opens_nothing(session: AsyncSession) -> None:
    devices = await street(session)
    stated = await found(session, devices["sensor-1"], True)
    assert (stated.sensor_said, stated.sensor_said_at, stated.agrees, stated.check_id) == (
        True,
        NOON,
        True,
        None,
    )
    unheard = await found(session, devices["sensor-2"], True)
    assert (unheard.sensor_said, unheard.agrees) == (None, None)


async def test_disagreements_share_one_open_check(session: AsyncSession) -> None:
    devices = await street(session)
    first = await found(session, devices["sensor-1"], False)
    second = await found(session, devices["sensor-1"], False, minute=20)
    assert first.check_id is not None
    assert second.check_id == first.check_id
    (check,) = (await service.list_checks(session, OFFICER, closed=False, before=None, limit=9)).items
    assert (check.device, check.facility_code, check.space_number) == ("sensor-1", "street", "S1")
    assert check.disagreements == 2


async def test_a_change_within_the_hold_off_is_no_disagreement(session: AsyncSession) -> None:
    devices = await street(session)
    left = NOON + 10 * MINUTE + timedelta(seconds=15)
    await project(session, [observed(devices["sensor-1"], at=left, occupied=False, frame=2)])
    stated = await found(session, devices["sensor-1"], False)
    assert stated.agrees is True


@pytest.mark.parametrize(
    ("outcome", "right", "wrong"),
    [
        (Outcome.SENSOR_WRONG, 1, 1),
        (Outcome.PERSON_WRONG, 2, 0),
        (Outcome.MOVED_MEANWHILE, 1, 0),
        (Outcome.REPLACED, 0, 0),
    ],
)
async def test_what_the_check_showed_decides_who_was_right(
    session: AsyncSession, outcome: Outcome, right: int, wrong: int
) -> None:
    devices = await street(session)
    await found(session, devices["sensor-1"], True)
    stated = await found(session, devices["sensor-1"], False, minute=12)
    assert stated.check_id is not None
    closing = CheckClosing(outcome, "看过现场")
    closed = await service.close_check(session, OFFICER, stated.check_id, closing, NOON + 30 * MINUTE)
    assert (closed.outcome, closed.note) == (outcome, "看过现场")
    accuracy = await service.device_accuracy(session, OFFICER, devices["sensor-1"].id)
    assert (accuracy.right, accuracy.wrong) == (right, wrong)
    kept = await session.execute(text("select agreed, disagreed from device_accuracy"))
    assert tuple(kept.one()) == (right, wrong)
    with pytest.raises(CheckClosed):
        await service.close_check(session, OFFICER, stated.check_id, closing, NOON + 31 * MINUTE)


async def test_a_sensor_found_wrong_too_often_has_drifted(session: AsyncSession) -> None:
    devices = await street(session)
    for minute in range(10, 13):
        await found(session, devices["sensor-1"], False, minute=minute)
    await judge_devices(session, NOON + 30 * MINUTE)
    page = await service.list_faults(
        session, OFFICER, condition=None, facility_id=None, closed=False, before=None, limit=9
    )
    (fault,) = page.items
    assert (fault.device, fault.condition) == ("sensor-1", "drifted")
    assert (fault.evidence["findings"], fault.evidence["disagreed"]) == (3, 3)


async def test_what_cannot_be_is_refused(session: AsyncSession) -> None:
    devices = await street(session)
    space = devices["sensor-1"].space_id
    with pytest.raises(SpaceNotFound):
        await service.state_finding(session, OFFICER, FindingIn(uuid4(), True), NOON)
    with pytest.raises(InvalidInput):
        await service.state_finding(session, OFFICER, FindingIn(space, True, NOON + MINUTE), NOON)
    stranger = staff_of(uuid4())
    with pytest.raises(NotAllowed):
        await service.state_finding(session, stranger, FindingIn(space, True), NOON)
    await found(session, devices["sensor-1"], False)
    theirs = await service.list_checks(session, stranger, closed=False, before=None, limit=9)
    assert theirs.items == []


async def test_a_devices_accuracy_is_for_its_operators_staff(session: AsyncSession) -> None:
    devices = await street(session)
    await found(session, devices["sensor-1"], True)
    operator = await session.scalar(text("select id from operator"))
    own = await service.device_accuracy(session, staff_of(operator), devices["sensor-1"].id)
    assert (own.right, own.wrong) == (1, 0)
    with pytest.raises(NotAllowed):
        await service.device_accuracy(session, staff_of(uuid4()), devices["sensor-1"].id)
    with pytest.raises(DeviceNotFound):
        await service.device_accuracy(session, OFFICER, uuid4())

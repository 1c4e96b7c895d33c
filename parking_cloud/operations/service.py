"""Operations' verbs: state a finding, list faults and checks, close a check, tell a device's accuracy."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound, Problem
from parking_cloud.occupancy.certainty import set_accuracy
from parking_cloud.occupancy.evidence import SaidOfSpace, said_of_space
from parking_cloud.occupancy.rules import accuracy
from parking_cloud.operations.judgements import by_month, counts_of
from parking_cloud.operations.models import DeviceFault, Finding, SensorCheck
from parking_cloud.operations.rules import Condition, Outcome, said_then
from parking_cloud.operations.schemas import (
    Accuracy,
    CheckClosing,
    CheckOut,
    CheckPage,
    DutyIn,
    FaultOut,
    FaultPage,
    FindingIn,
    FindingOut,
    MonthOfAccuracy,
)
from parking_cloud.operations.sources import set_duty
from parking_cloud.registry.service import SpacePlace, device_names, facilities_of, space_place

_OLDEST_FINDING = timedelta(days=7)


class SpaceNotFound(NotFound):
    slug = "space-not-found"
    title = {"zh-CN": "没有这个泊位", "en": "There is no such space"}


class DeviceNotFound(NotFound):
    slug = "device-not-found"
    title = {"zh-CN": "没有这个设备", "en": "There is no such device"}


class CheckNotFound(NotFound):
    slug = "check-not-found"
    title = {"zh-CN": "没有这项核查", "en": "There is no such check"}


class CheckClosed(Problem):
    slug = "check-closed"
    status = 409
    title = {"zh-CN": "该核查已经结束", "en": "This check is closed already"}
    detail = {"zh-CN": "如有新的发现，请重新登记。", "en": "State a new finding where there is one."}


async def state_finding(session: AsyncSession, who: Identity, stated: FindingIn, now: datetime) -> FindingOut:
    """Record what a person found, compared with what the sensor said then; a disagreement is checked.

    Raises SpaceNotFound, NotAllowed (staff of another operator), InvalidInput (a time that cannot be).
    """
    found_at = stated.found_at or now
    if found_at.tzinfo is None or not now - _OLDEST_FINDING <= found_at <= now:
        reason = {"field": "found_at", "message": "must have a zone, not be ahead, and not over 7 days ago"}
        raise InvalidInput(errors=[reason])
    place = await space_place(session, stated.space_id)
    if place is None:
        raise SpaceNotFound()
    _may_act(who, place.operator_id)
    said = await _said(session, place, stated, found_at)
    agrees = None if said is None else said.occupied == stated.occupied
    finding = Finding(
        space_id=stated.space_id,
        facility_id=place.facility_id,
        device_id=said.device_id if said else None,
        occupied=stated.occupied,
        found_at=found_at,
        stated_at=now,
        found_by=who.user_id,
        note=stated.note,
        sensor_said=said.occupied if said else None,
        sensor_said_at=said.at if said else None,
        agrees=agrees,
    )
    if said is not None and agrees is False:
        finding.check_id = await _open_check(session, said.device_id, place.facility_id, now)
    session.add(finding)
    await session.flush()
    if said is not None:
        await _take_over_accuracy(session, said.device_id)
    await _audit(session, who, "operations.finding", "space", stated.space_id)
    return FindingOut(
        id=finding.id,
        space_id=finding.space_id,
        device_id=finding.device_id,
        occupied=finding.occupied,
        found_at=finding.found_at,
        sensor_said=finding.sensor_said,
        sensor_said_at=finding.sensor_said_at,
        agrees=finding.agrees,
        check_id=finding.check_id,
    )


async def _said(
    session: AsyncSession, place: SpacePlace, stated: FindingIn, found_at: datetime
) -> SaidOfSpace | None:
    """What the space's sensor said then; older than three keep-alives it no longer held."""
    if not place.watchers:
        return None
    tolerance = max(w.hold_off for w in place.watchers)
    statements = await said_of_space(
        session,
        stated.space_id,
        [w.device_id for w in place.watchers],
        at=found_at,
        tolerance=tolerance,
        oldest=found_at - 3 * max(w.keep_alive for w in place.watchers),
    )
    return said_then(statements, found_at, stated.occupied, tolerance)


async def _open_check(session: AsyncSession, device_id: UUID, facility_id: UUID, now: datetime) -> UUID:
    """The device's open check, opened where there is none."""
    check = SensorCheck(device_id=device_id, facility_id=facility_id, opened_at=now)
    # One open check a device: who comes second waits for the first, and then finds it.
    await alone(session, f"check {device_id}")
    standing = await session.scalar(
        select(SensorCheck.id).where(SensorCheck.device_id == device_id, SensorCheck.closed_at.is_(None))
    )
    if standing is not None:
        return standing
    session.add(check)
    await session.flush()
    return check.id


async def close_check(
    session: AsyncSession, who: Identity, check_id: UUID, closing: CheckClosing, now: datetime
) -> CheckOut:
    """Say what a look at the device showed. Raises CheckNotFound, CheckClosed, NotAllowed."""
    check = await session.scalar(select(SensorCheck).where(SensorCheck.id == check_id).with_for_update())
    if check is None:
        raise CheckNotFound()
    names = await device_names(session, [check.device_id])
    _may_act(who, names[check.device_id].operator_id)
    if check.closed_at is not None:
        raise CheckClosed()
    check.closed_at, check.outcome, check.note = now, closing.outcome.value, closing.note
    await session.flush()
    await _take_over_accuracy(session, check.device_id)
    await _audit(session, who, "operations.check_closed", "sensor_check", check_id)
    return (await _checks(session, [check]))[0]


async def list_faults(
    session: AsyncSession,
    who: Identity,
    *,
    condition: Condition | None,
    facility_id: UUID | None,
    closed: bool,
    before: UUID | None,
    limit: int,
) -> FaultPage:
    """Faults, newest first; an operator's staff see those of its own facilities."""
    query = select(DeviceFault).order_by(DeviceFault.id.desc()).limit(limit + 1)
    query = query.where(DeviceFault.closed_at.is_not(None) if closed else DeviceFault.closed_at.is_(None))
    if condition is not None:
        query = query.where(DeviceFault.condition == condition.value)
    if facility_id is not None:
        query = query.where(DeviceFault.facility_id == facility_id)
    if before is not None:
        query = query.where(DeviceFault.id < before)
    if (own := await _own_facilities(session, who)) is not None:
        query = query.where(DeviceFault.facility_id.in_(own))
    faults = (await session.scalars(query)).all()
    names = await device_names(session, {f.device_id for f in faults})
    items = [
        FaultOut(
            id=f.id,
            device_id=f.device_id,
            device=names[f.device_id].external_id,
            facility_code=names[f.device_id].facility_code,
            space_number=names[f.device_id].space_number,
            condition=Condition(f.condition),
            opened_at=f.opened_at,
            closed_at=f.closed_at,
            evidence=f.evidence,
        )
        for f in faults[:limit]
    ]
    return FaultPage(items, items[-1].id if len(faults) > limit else None)


async def list_checks(
    session: AsyncSession, who: Identity, *, closed: bool, before: UUID | None, limit: int
) -> CheckPage:
    """Checks, newest first; an operator's staff see those of its own facilities."""
    query = select(SensorCheck).order_by(SensorCheck.id.desc()).limit(limit + 1)
    query = query.where(SensorCheck.closed_at.is_not(None) if closed else SensorCheck.closed_at.is_(None))
    if before is not None:
        query = query.where(SensorCheck.id < before)
    if (own := await _own_facilities(session, who)) is not None:
        query = query.where(SensorCheck.facility_id.in_(own))
    checks = list((await session.scalars(query)).all())
    items = await _checks(session, checks[:limit])
    return CheckPage(items, items[-1].id if len(checks) > limit else None)


async def device_accuracy(session: AsyncSession, who: Identity, device_id: UUID) -> Accuracy:
    """How often people found a device right, in all and by month. Raises DeviceNotFound, NotAllowed."""
    name = (await device_names(session, [device_id])).get(device_id)
    if name is None:
        raise DeviceNotFound()
    _may_act(who, name.operator_id)
    right, wrong = await counts_of(session, device_id)
    months = [MonthOfAccuracy(*row) for row in await by_month(session, device_id)]
    return Accuracy(right, wrong, round(accuracy(right, wrong), 4), months)


async def set_source_duty(
    session: AsyncSession, who: Identity, source: str, duty: DutyIn, now: datetime
) -> None:
    """Say how often a source has to send something."""
    await set_duty(session, source, duty.every_s, now)
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="operations.source_duty",
        subject_type="source",
        subject_id=source,
        detail={"every_s": duty.every_s},
    )


async def _checks(session: AsyncSession, checks: list[SensorCheck]) -> list[CheckOut]:
    names = await device_names(session, {c.device_id for c in checks})
    rows = await session.execute(
        select(Finding.check_id, func.count())
        .where(Finding.check_id.in_([c.id for c in checks]))
        .group_by(Finding.check_id)
    )
    counts = {row[0]: row[1] for row in rows}
    return [
        CheckOut(
            id=c.id,
            device_id=c.device_id,
            device=names[c.device_id].external_id,
            facility_code=names[c.device_id].facility_code,
            space_number=names[c.device_id].space_number,
            opened_at=c.opened_at,
            closed_at=c.closed_at,
            outcome=Outcome(c.outcome) if c.outcome else None,
            note=c.note,
            disagreements=counts.get(c.id, 0),
        )
        for c in checks
    ]


async def _own_facilities(session: AsyncSession, who: Identity) -> list[UUID] | None:
    """The facilities that an operator's staff may see; None: all."""
    if who.role is not Role.OPERATOR_STAFF:
        return None
    return await facilities_of(session, who.operator_id) if who.operator_id else []


def _may_act(who: Identity, operator_id: UUID) -> None:
    if who.role is Role.OPERATOR_STAFF and who.operator_id != operator_id:
        raise NotAllowed()


async def _take_over_accuracy(session: AsyncSession, device_id: UUID) -> None:
    right, wrong = await counts_of(session, device_id)
    await set_accuracy(session, device_id, agreed=right, disagreed=wrong)


async def _audit(session: AsyncSession, who: Identity, action: str, kind: str, subject: UUID) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type=kind,
        subject_id=str(subject),
    )

"""What people say beside the gates: a driver or an attendant starts or ends a stay, or it is towed.

Each word is a mark, and the stays follow from all marks and passages together (rules.visits). A driver speaks
for vehicles verified as theirs, and ends what they started; of any other stay they learn nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import holdings
from parking_cloud.kernel import audit
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound
from parking_cloud.registry.service import space_place
from parking_cloud.stays.decisions import may_act, stay_row
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.models import StayMark
from parking_cloud.stays.problems import AlreadyOver, AlreadyThere, NotYourVehicle, StayNotFound
from parking_cloud.stays.rules import stay_id as stay_of
from parking_cloud.stays.schemas import Ended, Opened, StayState
from parking_cloud.stays.service import open_stays
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

OLDEST = timedelta(hours=24)
"""An attendant may write down so late what he saw."""


class SpaceNotFound(NotFound):
    slug = "space-not-found"
    title = {"zh-CN": "没有这个泊位", "en": "There is no such space"}


async def start(
    session: AsyncSession,
    vault: PlateVault,
    who: Identity,
    *,
    space_id: UUID,
    plate: str,
    color: str | None,
    at: datetime,
    now: datetime,
) -> UUID:
    """A vehicle stands on a space from then on; its stay. Said again of an open stay, it is that one's.

    Raises SpaceNotFound, NotAllowed, NotYourVehicle, AlreadyThere, InvalidInput.
    """
    place = await space_place(session, space_id)
    if place is None:
        raise SpaceNotFound()
    by = Opened.DRIVER if who.role is Role.DRIVER else Opened.ATTENDANT
    if by is Opened.ATTENDANT:
        await may_act(session, who, place.facility_id)
    _check_time(at, now, OLDEST if by is Opened.ATTENDANT else timedelta(minutes=1))
    try:
        parsed = parse_plate(plate)
    except NoPlate as error:
        raise InvalidInput(errors=[{"field": "plate", "reason": str(error)}]) from error
    plate_hash = vault.lookup_hash(parsed)
    if by is Opened.DRIVER and plate_hash not in {h.plate_hash for h in await holdings(session, who.user_id)}:
        raise NotYourVehicle()
    here = await open_stays(session, plate_hash, place.facility_id)
    if here and here[0].space_id == space_id:
        return await _answered(session, who, here[0].id)
    mark = StayMark(
        id=new_id(),
        facility_id=place.facility_id,
        space_id=space_id,
        plate_hash=plate_hash,
        plate_sealed=vault.seal(parsed),
        plate_color=color,
        kind="start",
        by=by.value,
        at=at,
        said_by=who.user_id,
        evidence=[],
    )
    session.add(mark)
    await session.flush()
    await restate(session, vault, {plate_hash: at}, Why(now, by=who.user_id))
    found = await _answered(session, who, await _stay_with(session, mark))
    await _audit(session, who, "stays.started", found)
    return found


async def _stay_with(session: AsyncSession, mark: StayMark) -> UUID:
    """The stay that began with a mark, or else that it speaks for: whatever its state."""
    found: UUID | None = await session.scalar(
        text(
            "select id from stay where plate_hash = :plate and facility_id = :facility and facts_from <= :at"
            " and (facts_until is null or facts_until >= :at)"
            " order by id <> :own, state = 'void', entered_at desc, id desc limit 1"
        ),
        {"plate": mark.plate_hash, "facility": mark.facility_id, "at": mark.at, "own": stay_of(mark.id)},
    )
    if found is None:
        raise StayNotFound()
    return found


async def _answered(session: AsyncSession, who: Identity, stay: UUID) -> UUID:
    """The stay that a start is answered with; to a driver only one of their own. Raises AlreadyThere."""
    if who.role is Role.DRIVER and not await _started_by(session, who, await stay_row(session, stay)):
        raise AlreadyThere()
    return stay


async def end(
    session: AsyncSession,
    vault: PlateVault,
    who: Identity,
    stay_id: UUID,
    *,
    at: datetime,
    towed: bool = False,
    evidence: Sequence[str] = (),
    now: datetime,
) -> None:
    """A vehicle has left, or was towed. Raises StayNotFound, NotAllowed, AlreadyOver, InvalidInput."""
    stay = await stay_row(session, stay_id)
    by = Ended.TOW if towed else Ended.DRIVER if who.role is Role.DRIVER else Ended.ATTENDANT
    if who.role is Role.DRIVER:
        if not await _started_by(session, who, stay):
            raise NotAllowed()
    else:
        await may_act(session, who, stay["facility_id"])
    _check_time(at, now, OLDEST if by is not Ended.DRIVER else timedelta(minutes=1))
    if stay["exited_at"] is not None or stay["state"] == StayState.VOID or stay["plate_hash"] is None:
        raise AlreadyOver()
    if at < stay["entered_at"]:
        raise InvalidInput(errors=[{"field": "at", "reason": "before it began"}])
    # Of one moment, what ends comes before what begins; this end comes after its own beginning.
    at = max(at, stay["entered_at"] + timedelta(microseconds=1))
    session.add(
        StayMark(
            id=new_id(),
            facility_id=stay["facility_id"],
            space_id=stay["space_id"],
            plate_hash=stay["plate_hash"],
            plate_sealed=stay["plate_sealed"],
            plate_color=stay["plate_color"],
            kind="end",
            by=by.value,
            at=at,
            said_by=who.user_id,
            evidence=list(evidence),
        )
    )
    await session.flush()
    await restate(session, vault, {stay["plate_hash"]: at}, Why(now, by=who.user_id))
    await _audit(session, who, "stays.towed" if towed else "stays.ended", stay_id)


async def _started_by(session: AsyncSession, who: Identity, stay: Mapping[str, Any]) -> bool:
    """Whether a stay began with this driver's own word, and no gate knows of it."""
    if stay["entry_event_id"] is not None or stay["opened_by"] != Opened.DRIVER:
        return False
    marks = await session.scalars(
        text(
            "select id from stay_mark where plate_hash = :plate and facility_id = :facility"
            " and kind = 'start' and said_by = :who and at = :began"
        ),
        {
            "plate": stay["plate_hash"],
            "facility": stay["facility_id"],
            "who": who.user_id,
            "began": stay["derived_entered_at"],
        },
    )
    return any(stay_of(mark) == stay["id"] for mark in marks)


def _check_time(at: datetime, now: datetime, oldest: timedelta) -> None:
    if at.tzinfo is None or not now - oldest <= at <= now + timedelta(seconds=1):
        raise InvalidInput(errors=[{"field": "at", "reason": f"not ahead, and not over {oldest} ago"}])


async def _audit(session: AsyncSession, who: Identity, action: str, stay_id: UUID) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="stay",
        subject_id=str(stay_id),
    )

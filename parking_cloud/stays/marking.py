"""What people say beside the gates: a driver or an attendant starts or ends a stay, or it is towed.

Each word is a mark, and the stays follow from all marks and passages together (rules.visits).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
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
from parking_cloud.stays.problems import AlreadyOver
from parking_cloud.stays.schemas import Ended, Opened, StayState
from parking_cloud.stays.service import open_stays
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

TYPED = 0.5
"""How sure a plate is that a driver types who does not hold the vehicle."""
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

    Raises SpaceNotFound, NotAllowed, InvalidInput.
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
    here = await open_stays(session, plate_hash, place.facility_id)
    if here and here[0].space_id == space_id:
        return here[0].id
    sure = by is Opened.ATTENDANT or plate_hash in {
        h.plate_hash for h in await holdings(session, who.user_id)
    }
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
        # Anybody can type anybody's plate: until more is known, nobody is charged for it by himself.
        confidence=None if sure else TYPED,
        said_by=who.user_id,
        evidence=[],
    )
    session.add(mark)
    await session.flush()
    changed = await restate(session, vault, {plate_hash: at}, Why(now, by=who.user_id))
    await _audit(session, who, "stays.started", next(iter(changed), mark.id))
    found = await open_stays(session, plate_hash, place.facility_id)
    return found[0].id if found else next(iter(changed))


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
        await _own(session, who, stay_id)
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


async def _own(session: AsyncSession, who: Identity, stay_id: UUID) -> None:
    """A driver ends what he started, and nothing else."""
    started = await session.scalar(
        text(
            "select true from stay s join stay_mark m on m.plate_hash = s.plate_hash"
            " and m.facility_id = s.facility_id and m.kind = 'start' and m.at >= s.facts_from"
            " where s.id = :stay and m.said_by = :who limit 1"
        ),
        {"stay": stay_id, "who": who.user_id},
    )
    if not started:
        raise NotAllowed()


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

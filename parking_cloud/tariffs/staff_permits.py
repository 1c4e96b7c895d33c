"""Permits as staff keep them: each deed is on record with its reason, and never with a plate."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotAllowed
from parking_cloud.registry.service import facilities_of, facility_label
from parking_cloud.tariffs.permits import grant_permit, permit_facts, permits_of, revoke_permit
from parking_cloud.tariffs.problems import PlaceNotFound
from parking_cloud.tariffs.schemas import PermitFacts, PermitKind
from sensor_gateway.plates import NoPlate, Plate, parse_plate
from sensor_gateway.sealing import PlateVault


async def grant(
    session: AsyncSession,
    who: Identity,
    vault: PlateVault,
    *,
    plate: str,
    kind: PermitKind,
    facility: str | None,
    operator_id: UUID | None,
    valid_from: datetime,
    valid_until: datetime | None,
    reason: str,
) -> UUID:
    """Grant a permit where one may: staff at their own operator's. Raises InvalidInput, NotAllowed,
    PlaceNotFound."""
    read = _plate(plate)
    if kind is PermitKind.BOOKING:
        raise _wrong("kind", "comes with a booking alone")
    place = None
    if facility is not None:
        place = await facility_label(session, facility)
        if place is None:
            raise PlaceNotFound()
    whose = operator_id if place is None else place.operator_id
    if who.role is Role.OPERATOR_STAFF and whose != who.operator_id:
        raise NotAllowed()
    if (place is None) == (operator_id is None) and not (place is None and kind is PermitKind.FREE_LIST):
        raise _wrong("facility", "give either a facility or an operator")
    if valid_until is not None and valid_until <= valid_from:
        raise _wrong("valid_until", "has to be after valid_from")
    permit = await grant_permit(
        session,
        plate_hash=vault.lookup_hash(read),
        plate_sealed=vault.seal(read),
        kind=kind,
        valid_from=valid_from,
        valid_until=valid_until,
        source=f"staff {who.user_id}",
        facility_id=None if place is None else place.id,
        operator_id=operator_id,
    )
    await _audit(session, who, "tariffs.permit_granted", str(permit), reason, {"kind": kind.value})
    return permit


async def search(
    session: AsyncSession, who: Identity, vault: PlateVault, plate: str, reason: str
) -> list[PermitFacts]:
    """The permits of a plate, as far as they are one's own operator's. Raises InvalidInput."""
    found = await permits_of(session, vault.lookup_hash(_plate(plate)))
    if who.role is Role.OPERATOR_STAFF:
        own = set(await facilities_of(session, who.operator_id)) if who.operator_id else set()
        found = [p for p in found if p.operator_id == who.operator_id or p.facility_id in own]
    await _audit(session, who, "tariffs.permits_looked_up", "", reason, {"found": len(found)})
    return found


async def revoke(
    session: AsyncSession, who: Identity, permit_id: UUID, reason: str, now: datetime
) -> PermitFacts:
    """Raises PermitNotFound, NotAllowed."""
    facts = await permit_facts(session, permit_id)
    if who.role is Role.OPERATOR_STAFF:
        own = await facilities_of(session, who.operator_id) if who.operator_id else []
        if facts.operator_id != who.operator_id and facts.facility_id not in own:
            raise NotAllowed()
    facts = await revoke_permit(session, permit_id, now)
    await _audit(session, who, "tariffs.permit_revoked", str(permit_id), reason, {})
    return facts


def _plate(text: str) -> Plate:
    try:
        return parse_plate(text)
    except NoPlate as error:
        raise _wrong("plate", str(error)) from error


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": field, "message": message}])


async def _audit(
    session: AsyncSession, who: Identity, action: str, subject: str, reason: str, detail: dict[str, Any]
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="permit",
        subject_id=subject,
        reason=reason,
        detail=detail,
    )

"""Permits: granted, revoked, looked up; by the plate's hash."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.ids import new_id
from parking_cloud.tariffs.models import PermitRow
from parking_cloud.tariffs.problems import PermitNotFound
from parking_cloud.tariffs.rules import Permit
from parking_cloud.tariffs.schemas import PermitFacts, PermitKind


async def grant_permit(
    session: AsyncSession,
    *,
    plate_hash: bytes,
    plate_sealed: bytes,
    kind: PermitKind,
    valid_from: datetime,
    valid_until: datetime | None,
    source: str,
    facility_id: UUID | None = None,
    operator_id: UUID | None = None,
    permit_id: UUID | None = None,
) -> UUID:
    """Grant a permit at a facility or at all of an operator's; the same `permit_id` again does nothing.

    `source`: by what, such as `charge <id>`. Only a free list may hold in the whole city. Staff's grants are
    audited by who calls this. The stays' prices follow at once, those of stays under way too.
    """
    id_ = permit_id or new_id()
    await session.execute(
        insert(PermitRow)
        .values(
            id=id_,
            plate_hash=plate_hash,
            plate_sealed=plate_sealed,
            facility_id=facility_id,
            operator_id=operator_id,
            kind=kind.value,
            valid_from=valid_from,
            valid_until=valid_until,
            source=source,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )
    return id_


async def revoke_permit(session: AsyncSession, permit_id: UUID, at: datetime) -> PermitFacts:
    """It holds no longer from then on; a permit revoked before stays as it is. Raises PermitNotFound."""
    row = await session.get(PermitRow, permit_id, with_for_update=True)
    if row is None:
        raise PermitNotFound()
    if row.revoked_at is None:
        row.revoked_at = at
        await session.flush()
    return _facts(row)


async def permit_facts(session: AsyncSession, permit_id: UUID) -> PermitFacts:
    """One permit. Raises PermitNotFound."""
    row = await session.get(PermitRow, permit_id)
    if row is None:
        raise PermitNotFound()
    return _facts(row)


async def permits_of(session: AsyncSession, plate_hash: bytes) -> list[PermitFacts]:
    """All permits that a plate ever had, newest first."""
    rows = await session.scalars(
        select(PermitRow)
        .where(PermitRow.plate_hash == plate_hash)
        .order_by(PermitRow.valid_from.desc(), PermitRow.id)
    )
    return [_facts(row) for row in rows]


async def permit_at(
    session: AsyncSession,
    plate_hash: bytes,
    facility_id: UUID,
    operator_id: UUID,
    at: datetime,
    *,
    but: Collection[PermitKind] = (),
) -> PermitKind | None:
    """A permit by which a vehicle may stand at a facility at that moment, of any kind `but` these; the one
    that began first."""
    kind = await session.scalar(
        select(PermitRow.kind)
        .where(
            PermitRow.plate_hash == plate_hash,
            PermitRow.kind.not_in([kind.value for kind in but]),
            PermitRow.valid_from <= at,
            or_(PermitRow.valid_until.is_(None), PermitRow.valid_until > at),
            or_(PermitRow.revoked_at.is_(None), PermitRow.revoked_at > at),
            or_(
                PermitRow.facility_id == facility_id,
                PermitRow.operator_id == operator_id,
                PermitRow.facility_id.is_(None) & PermitRow.operator_id.is_(None),
            ),
        )
        .order_by(PermitRow.valid_from, PermitRow.id)
        .limit(1)
    )
    return None if kind is None else PermitKind(kind)


def joined(permits: Sequence[Permit]) -> list[Permit]:
    """Permits, ordered by kind and begin, with those of one kind that follow on each other as one."""
    merged: list[Permit] = []
    for permit in permits:
        last = merged[-1] if merged else None
        if last is None or last.kind is not permit.kind or _ends_before(last, permit.valid_from):
            merged.append(permit)
        elif last.valid_until is not None:
            until = None if permit.valid_until is None else max(last.valid_until, permit.valid_until)
            merged[-1] = last._replace(valid_until=until)
    return merged


def together(permits: Sequence[Permit]) -> list[list[Permit]]:
    """Joined permits that may count side by side, since they hold one after another: those of one kind, and
    a vehicle's bookings with each other permit that it has."""
    of_kind: dict[PermitKind, list[Permit]] = {}
    for permit in permits:
        of_kind.setdefault(permit.kind, []).append(permit)
    booked = of_kind.get(PermitKind.BOOKING, [])
    others = [kind for kind in of_kind if kind is not PermitKind.BOOKING] if booked else []
    sets = [several for several in of_kind.values() if len(several) > 1]
    return sets + [booked + _around(of_kind[kind], booked) for kind in others]


def _around(permits: Sequence[Permit], booked: Sequence[Permit]) -> list[Permit]:
    """What of these permits' times no booking covers. Bookings end."""
    left = list(permits)
    for booking in booked:
        left = [part for permit in left for part in _without(permit, booking)]
    return left


def _without(permit: Permit, hole: Permit) -> list[Permit]:
    if hole.valid_until is None:
        raise ValueError("a booking that never ends")
    parts: list[Permit] = []
    if permit.valid_from < hole.valid_from:
        until = hole.valid_from if permit.valid_until is None else min(permit.valid_until, hole.valid_from)
        parts.append(permit._replace(valid_until=until))
    if permit.valid_until is None or permit.valid_until > hole.valid_until:
        parts.append(permit._replace(valid_from=max(permit.valid_from, hole.valid_until)))
    return parts


def _ends_before(permit: Permit, moment: datetime) -> bool:
    return permit.valid_until is not None and permit.valid_until < moment


def _facts(row: PermitRow) -> PermitFacts:
    return PermitFacts(
        id=row.id,
        kind=PermitKind(row.kind),
        facility_id=row.facility_id,
        operator_id=row.operator_id,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        revoked_at=row.revoked_at,
        source=row.source,
    )

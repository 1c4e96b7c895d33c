"""Stays' verbs for other slices: what a stay is, which are open, which a vehicle had."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, false, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.service import facility_labels
from parking_cloud.stays.models import Stay
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayFacts, StayState
from parking_cloud.tariffs.schemas import VehicleClass
from sensor_gateway.sealing import PlateVault, VaultError

_SEEN_TO_END = (Ended.GATE, Ended.SPACE, Ended.ATTENDANT, Ended.TOW)
"""By somebody or something else than who is parked."""


async def stay_facts(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, StayFacts]:
    """Those of `ids` that exist, as they are now."""
    query = select(Stay).where(Stay.id.in_(ids)).execution_options(populate_existing=True)
    rows = (await session.scalars(query)).all()
    return {facts.id: facts for facts in await _facts(session, rows)}


async def open_stays(
    session: AsyncSession, plate_hash: bytes, facility_id: UUID | None = None
) -> list[StayFacts]:
    """Where this vehicle is, newest first; at one facility where it is given."""
    query = select(Stay).where(Stay.plate_hash == plate_hash, Stay.state == StayState.OPEN.value)
    if facility_id is not None:
        query = query.where(Stay.facility_id == facility_id)
    rows = (await session.scalars(query.order_by(Stay.entered_at.desc(), Stay.id.desc()))).all()
    return await _facts(session, rows)


async def open_stays_of(
    session: AsyncSession, plates: Collection[bytes]
) -> dict[tuple[bytes, UUID], StayFacts]:
    """Where these vehicles are: by plate and facility, the newest of each."""
    query = select(Stay).where(Stay.plate_hash.in_(plates), Stay.state == StayState.OPEN.value)
    rows = (await session.scalars(query.order_by(Stay.entered_at, Stay.id))).all()
    return {(facts.plate_hash or b"", facts.facility_id): facts for facts in await _facts(session, rows)}


async def stays_of_plates(
    session: AsyncSession, since: Mapping[bytes, datetime], before: datetime | None, limit: int
) -> list[StayFacts]:
    """Stays of vehicles, each from its time in `since` on, that began before `before`; newest first, without
    void ones."""
    in_time = [(Stay.plate_hash == plate) & (Stay.entered_at >= begun) for plate, begun in since.items()]
    query = select(Stay).where(or_(false(), *in_time), Stay.state != StayState.VOID.value)
    if before is not None:
        query = query.where(Stay.entered_at < before)
    newest = query.order_by(Stay.entered_at.desc(), Stay.id.desc()).limit(limit)
    return await _facts(session, (await session.scalars(newest)).all())


async def _facts(session: AsyncSession, rows: Sequence[Stay]) -> list[StayFacts]:
    places = await facility_labels(session, {row.facility_id for row in rows}) if rows else {}
    return [
        StayFacts(
            id=row.id,
            facility_id=row.facility_id,
            operator_id=places[row.facility_id].operator_id,
            space_id=row.space_id,
            plate_hash=row.plate_hash,
            vehicle_class=VehicleClass(row.vehicle_class),
            state=StayState(row.state),
            entered_at=row.entered_at,
            exited_at=row.exited_at,
            charging_minutes=row.charging_minutes,
            situations=[Situation(s) for s in row.situations],
            version=row.version,
            told_only=row.opened_by == Opened.DRIVER and row.ended_by not in _SEEN_TO_END,
        )
        for row in rows
    ]


async def masked_plates(session: AsyncSession, ids: Collection[UUID], vault: PlateVault) -> dict[UUID, str]:
    """The plates of these stays, masked, for those who were in them; what cannot be read is left out."""
    query = select(Stay.id, Stay.plate_sealed).where(Stay.id.in_(ids), Stay.plate_sealed.is_not(None))
    found = {}
    for id_, sealed in await session.execute(query):
        with suppress(VaultError):
            found[id_] = vault.open(sealed or b"").masked()
    return found


async def closed_counts(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, int]:
    """How many stays ended in a time and may be charged, by facility; without those of which only their
    driver told, or a facility's weight could be told into being."""
    told_only = and_(Stay.opened_by == Opened.DRIVER.value, Stay.ended_by.not_in(_SEEN_TO_END))
    query = (
        select(Stay.facility_id, func.count())
        .where(Stay.state == StayState.CLOSED.value, Stay.exited_at >= since, Stay.exited_at < until)
        .where(not_(told_only))
        .group_by(Stay.facility_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}

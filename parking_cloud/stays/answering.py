"""Second readings: what is asked, and what a person answers after a look at the picture.

An answer becomes a correction of the lot's record, like one that the lot had sent, so all that follows from a
correction follows from it. The lot's own system is told of it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.passages import passages, readings
from parking_cloud.gates.projector import project_records
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.registry.service import facilities_of
from parking_cloud.stays import corrections
from parking_cloud.stays.decisions import may_act
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.models import SecondReading, Stay
from parking_cloud.stays.plausible import Cause
from parking_cloud.stays.problems import AlreadyAnswered, ReadingNotFound
from parking_cloud.stays.wire import ReadingAnswer, ReadingOut, ReadingPage
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.records import Correction, SealedPlate, record_shard
from sensor_gateway.sealing import PlateVault


async def list_readings(
    session: AsyncSession, who: Identity, *, after: UUID | None, limit: int
) -> ReadingPage:
    """What is to be read again; an operator's staff see their own facilities'."""
    query = select(SecondReading).where(SecondReading.answered_at.is_(None)).order_by(SecondReading.id)
    if who.role is Role.OPERATOR_STAFF:
        own = await facilities_of(session, who.operator_id) if who.operator_id else []
        query = query.where(SecondReading.facility_id.in_(own))
    if after is not None:
        query = query.where(SecondReading.id > after)
    rows = list(await session.scalars(query.limit(limit + 1)))
    said = await readings(session, {row.event_id for row in rows}) if rows else {}
    items = [
        ReadingOut(
            id=row.id,
            facility_id=row.facility_id,
            why=row.why,
            confidence=row.confidence,
            asked_at=row.asked_at,
            event=said[row.event_id],
        )
        for row in rows[:limit]
    ]
    return ReadingPage(items, items[-1].id if len(rows) > limit else None)


async def answer(
    session: AsyncSession,
    vault: PlateVault,
    who: Identity,
    reading_id: UUID,
    said: ReadingAnswer,
    now: datetime,
    shards: int,
) -> None:
    """Say what the plate is. Raises ReadingNotFound, AlreadyAnswered, NotAllowed, InvalidInput."""
    asked = await session.scalar(
        select(SecondReading).where(SecondReading.id == reading_id).with_for_update()
    )
    if asked is None:
        raise ReadingNotFound()
    await may_act(session, who, asked.facility_id)
    if asked.answered_at is not None:
        raise AlreadyAnswered()
    before = (await passages(session, [asked.event_id]))[asked.event_id]
    record = (await readings(session, [asked.event_id]))[asked.event_id]
    correction = _correction(vault, reading_id, record.source, record.record_id, said, now)
    await project_records(session, [correction], record_shard(record.source, shards))
    asked.answered_by = who.user_id
    await session.flush()
    read = correction.plate.hash if correction.plate else None
    plates = {plate: before.at for plate in (before.plate_hash, read) if plate}
    unread = [asked.event_id] if before.plate_hash is None else []
    await restate(session, vault, plates, Why(now, Cause.RECORDS, who.user_id), unread)
    await _tell(session, asked.event_id, before.plate_hash, now)
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="stays.plate_read_again",
        subject_type="second_reading",
        subject_id=str(reading_id),
    )


def _correction(
    vault: PlateVault, reading_id: UUID, source: str, record_id: str, said: ReadingAnswer, now: datetime
) -> Correction:
    try:
        plate = parse_plate(said.plate)
    except NoPlate as error:
        raise InvalidInput(errors=[{"field": "plate", "reason": str(error)}]) from error
    return Correction(
        source=source,
        record_id=f"second-reading-{reading_id}",
        corrects=record_id,
        stated_at=now,
        received_at=now,
        plate=SealedPlate(vault.seal(plate), vault.lookup_hash(plate)),
        plate_color=said.plate_color,
        reason="read again by a person",
    )


async def _tell(session: AsyncSession, event: UUID, before: bytes | None, now: datetime) -> None:
    """Tell the lot, where the plate is another than its camera read."""
    after = (await passages(session, [event]))[event]
    own = or_(Stay.entry_event_id == event, Stay.exit_event_id == event)
    row = (await session.execute(select(Stay.__table__).where(own))).first()
    if row is not None and after.plate_hash != before:
        await corrections.tell_plate(session, dict(row._mapping), "plate read again by a person", now)

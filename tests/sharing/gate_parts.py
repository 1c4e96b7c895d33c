"""What passes at the gate of the town hall's car park, and people to be told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of, upsert_user
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.projector import project_records
from parking_cloud.kernel import outbox
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, RegistryBatch
from parking_cloud.stays.listening import handlers
from sensor_gateway.records import Direction, GateEvent, SealedPlate
from tests.payments.parts import VAULT
from tests.sharing.parts import Driver


async def with_gate(session: AsyncSession, facility: UUID, code: str = "hall") -> UUID:
    """A gate at a facility; committed."""
    device = DeviceIn(
        external_id=f"{code}-gate", vendor="generic", model="gate", source="gates", facility_code=code
    )
    await import_batch(session, RegistryBatch(devices=[device]))
    await session.commit()
    found = await session.scalar(text("select id from device where facility_id = :id"), {"id": facility})
    assert isinstance(found, UUID)
    return found


async def passes(
    session: AsyncSession,
    redis: Redis,
    driver: Driver,
    facility: UUID,
    gate: UUID,
    direction: Direction,
    at: datetime,
) -> None:
    """A driver's vehicle passes the gate, and its stay follows; committed."""
    event = GateEvent(
        source="gates",
        record_id=str(uuid4()),
        device_id=gate,
        facility_id=facility,
        direction=direction,
        occurred_at=at,
        received_at=at,
        plate=SealedPlate(driver.held.plate_sealed, driver.held.plate_hash),
        confidence=0.99,
    )
    await project_records(session, [event])
    while await outbox.relay(session, redis, handlers(VAULT, FixedClock(at))):
        await session.commit()
    await session.commit()


async def manager(session: AsyncSession, name: str = "chen", code: str = "inst-hall") -> Identity:
    """An institution's manager; committed."""
    institution = await session.scalar(text("select id from institution where code = :code"), {"code": code})
    return await _user(session, name, Role.INSTITUTION_MANAGER, institution_id=institution)


async def attendant(session: AsyncSession, name: str = "wang") -> Identity:
    """Staff of the operator; committed."""
    operator = await session.scalar(text("select id from operator where code = 'op'"))
    return await _user(session, name, Role.OPERATOR_STAFF, operator_id=operator)


async def _user(session: AsyncSession, name: str, role: Role, **whose: UUID | None) -> Identity:
    user = await upsert_user(session, username=name, password="correct horse", role=role, **whose)
    await session.commit()
    return identity_of(user)


async def told(session: AsyncSession, user_id: UUID) -> list[str]:
    """The kinds of notices that somebody has, oldest first."""
    rows = await session.scalars(
        text("select kind from notice where user_id = :user and channel = 'in_app' order by id"),
        {"user": user_id},
    )
    return list(rows)

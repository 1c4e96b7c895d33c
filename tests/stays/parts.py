"""A vehicle's way through the small city's garage and street, for the tests of stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.projector import project_records
from parking_cloud.kernel import outbox
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.stays.jobs import look_at_long_stays
from parking_cloud.stays.listening import handlers
from sensor_gateway.plates import parse_plate
from sensor_gateway.records import Correction, Direction, GateEvent, PlateColor, Record, SealedPlate
from sensor_gateway.sealing import PlateVault
from tests.factories import NOON

KEY = "5c" * 32
"""As in the settings of the tests."""
VAULT = PlateVault(KEY)
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def plate(text_: str) -> SealedPlate:
    parsed = parse_plate(text_)
    return SealedPlate(VAULT.seal(parsed), VAULT.lookup_hash(parsed))


def passed(
    gate: Any,
    record: str,
    direction: Direction,
    minute: float,
    number: str | None = "浙E12345",
    *,
    color: PlateColor | None = PlateColor.BLUE,
    confidence: float | None = 0.99,
    picture: str = "",
) -> GateEvent:
    """A passage at a gate (a device's row), so many minutes from noon."""
    at = NOON + timedelta(minutes=minute)
    return GateEvent(
        source="gates",
        record_id=record,
        device_id=gate.id,
        facility_id=gate.facility_id,
        direction=direction,
        occurred_at=at,
        received_at=at,
        plate=plate(number) if number else None,
        plate_color=color,
        confidence=confidence,
        picture=picture,
    )


def corrected(record: str, corrects: str, minute: float = 5, **parts: Any) -> Correction:
    at = NOON + timedelta(minutes=minute)
    return Correction("gates", record, corrects, at, at, **parts)


async def arrive(session: AsyncSession, redis: Redis, records: Sequence[Record], at: float = 120) -> None:
    """The records come in, and all that follows from them is done; committed."""
    await project_records(session, records)
    await follow(session, redis, at)


async def follow(session: AsyncSession, redis: Redis, at: float = 120) -> None:
    """Relay what waits for stays until nothing does, so many minutes from noon; committed."""
    clock = FixedClock(NOON + timedelta(minutes=at))
    while await outbox.relay(session, redis, handlers(VAULT, clock)):
        await session.commit()
    await session.commit()


async def all_stays(session: AsyncSession, *, void: bool = False) -> list[Any]:
    """The stays' rows by the time they began."""
    rows = await session.execute(
        text("select * from stay where state <> 'void' or :void order by entered_at, id"), {"void": void}
    )
    return list(rows)


async def told(session: AsyncSession) -> list[str]:
    """The stays that others were told of, in order."""
    rows = await session.scalars(
        text("select key from outbox_message where topic = 'stays.changed' order by id")
    )
    return list(rows)


def minute(at: datetime | None) -> float | None:
    """Minutes from noon."""
    return None if at is None else (at - NOON).total_seconds() / 60


async def restate_long(session: AsyncSession, redis: Redis, at: float) -> None:
    """The regular look at open stays, so many minutes from noon, and what follows; committed."""
    await look_at_long_stays(session, NOON + timedelta(minutes=at))
    await follow(session, redis, at)

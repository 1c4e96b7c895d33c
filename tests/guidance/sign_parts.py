"""A board over the small city's garage and street, and the city's people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.guidance.signs import service
from parking_cloud.guidance.signs.rules import Arrow, Level, Shows
from parking_cloud.guidance.signs.schemas import NewSign, RowIn
from parking_cloud.kernel.settings import Settings

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
KEY = "a board's key, only for tests"


def new_sign(code: str = "B1", **more: Any) -> NewSign:
    rows = [
        RowIn(label="爱山广场", arrow=Arrow.LEFT, facilities=["garage"]),
        RowIn(label="红旗路", arrow=Arrow.STRAIGHT, shows=Shows.STATE, facilities=["street"]),
    ]
    fields: dict[str, Any] = {
        "code": code,
        "name": "红旗路口",
        "level": Level.ROAD,
        "lat": 30.869,
        "lon": 120.097,
        "rows": rows,
    }
    return NewSign(**(fields | more))


async def hang(session: AsyncSession, now: datetime, *, code: str = "B1", **more: Any) -> None:
    """Register a board, with KEY as its key."""
    await service.register(session, CHIEF, new_sign(code, **more), now, key=KEY)
    await session.commit()


async def count(session: AsyncSession, facility: str, free: int, at: datetime) -> None:
    """What the projector would write of a counter's word."""
    await session.execute(
        text(
            "insert into facility_state as s (facility_id, occupied_spaces, free_spaces, counted_free,"
            " counted_at, reported_free, reported_at) select id, 0, 0, :free, :at, :free, :at from facility"
            " where code = :code on conflict (facility_id) do update set counted_free = :free,"
            " counted_at = :at, reported_free = :free, reported_at = :at"
        ),
        {"code": facility, "free": free, "at": at},
    )
    await session.commit()


async def listened(session: AsyncSession, until: datetime, since: datetime | None = None) -> None:
    """Processes of ours could hear all boards, for an hour or since a moment."""
    await session.execute(
        text(
            "insert into sign_listening (way, since, until) select way, :since, :until"
            " from unnest(array['poll', 'mqtt']) way"
            " on conflict (way) do update set since = :since, until = :until"
        ),
        {"since": since or until - timedelta(hours=1), "until": until},
    )
    await session.commit()


def signed_in(settings: Settings, role: Role, now: datetime) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, now)}"}

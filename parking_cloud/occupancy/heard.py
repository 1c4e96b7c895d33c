"""Devices that speak otherwise than by observations: barriers by passages, cameras by sightings too.

Gates tell when they were heard; so a barrier that works is not taken for a silent device.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base

Word = tuple[UUID, datetime]
"""A device, and the time of something it said."""


class DeviceHeard(Base):
    """When a device last told of anything but an observation, and when of a passage."""

    __tablename__ = "device_heard"
    __table_args__ = (CheckConstraint("passage_at <= heard_at", name="passage"),)

    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), primary_key=True)
    heard_at: Mapped[datetime]
    passage_at: Mapped[datetime | None]


async def heard(session: AsyncSession, *, passages: Iterable[Word], sightings: Iterable[Word] = ()) -> None:
    """Take in what registered devices told; the tables end the same for every order and repetition."""
    passed = _newest(passages)
    newest = _newest([*passed.items(), *sightings])
    if not newest:
        return
    # Several sources may speak for one camera, on different shards: by id, so that none waits in a circle.
    devices = sorted(newest)
    await session.execute(
        text(
            "insert into device_heard as h (device_id, heard_at, passage_at)"
            " select * from unnest(cast(:devices as uuid[]), cast(:times as timestamptz[]),"
            " cast(:passages as timestamptz[]))"
            " on conflict (device_id) do update set heard_at = greatest(h.heard_at, excluded.heard_at),"
            " passage_at = greatest(h.passage_at, excluded.passage_at)"
            " where excluded.heard_at > h.heard_at"
            " or excluded.passage_at > coalesce(h.passage_at, '-infinity')"
        ),
        {
            "devices": devices,
            "times": [newest[device] for device in devices],
            "passages": [passed.get(device) for device in devices],
        },
    )


def _newest(words: Iterable[Word]) -> dict[UUID, datetime]:
    newest: dict[UUID, datetime] = {}
    for device, at in words:
        newest[device] = max(newest.get(device, at), at)
    return newest

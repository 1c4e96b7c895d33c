"""What devices themselves say of their batteries: the newest word of each.

Some models report only that the battery is low, and no voltage (or a voltage and their own judgement of it).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from sensor_gateway.observation import Observation


class BatteryFlag(Base):
    """A device's newest word of its battery, by (at, low): of two at one moment the bad one counts."""

    __tablename__ = "battery_flag"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("device.id"), primary_key=True)
    at: Mapped[datetime]
    low: Mapped[bool]


async def note_batteries(session: AsyncSession, observations: Iterable[Observation]) -> None:
    """Take in what devices said of their batteries; nothing is asked where none of them did.

    It is told all observations, also those heard before: so every order and repetition ends the same, with
    the latest time at which a frame was heard. The history does not keep the flag, and needs not.
    """
    newest: dict[UUID, tuple[datetime, bool]] = {}
    for o in observations:
        if o.battery_low is not None:
            word = (o.observed_at, o.battery_low)
            newest[o.device_id] = max(newest.get(o.device_id, word), word)
    if not newest:
        return
    await session.execute(
        text(
            "insert into battery_flag as f (device_id, at, low)"
            " select * from unnest(cast(:devices as uuid[]), cast(:times as timestamptz[]),"
            " cast(:low as bool[]))"
            " on conflict (device_id) do update set at = excluded.at, low = excluded.low"
            " where (excluded.at, excluded.low) > (f.at, f.low)"
        ),
        {
            "devices": list(newest),
            "times": [at for at, _ in newest.values()],
            "low": [low for _, low in newest.values()],
        },
    )

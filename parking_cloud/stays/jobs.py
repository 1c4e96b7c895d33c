"""What time does to stays: those that last too long are looked at, and what nobody proves in time is void."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.stays.decisions import lapse, waiting_too_long
from parking_cloud.stays.events import PLATES_TOUCHED
from sensor_gateway.sealing import PlateVault

_AT_ONCE = 500
_LAPSING_AT_ONCE = 50
_BUILT_IN_HOURS = 72


async def look_at_long_stays(session: AsyncSession, now: datetime) -> None:
    """Have open stays worked out again that last longer than their place takes for plausible."""
    rows = await session.execute(
        text(
            "select s.plate_hash, s.facts_from from stay s"
            " left join stay_policy p on p.facility_id = s.facility_id"
            " left join stay_policy c on c.facility_id is null where s.state = 'open'"
            " and s.plate_hash is not null and s.entered_at <"
            " :now - coalesce(p.max_hours, c.max_hours, :hours) * interval '1 hour'"
            " order by s.entered_at limit :most"
        ),
        {"now": now, "hours": _BUILT_IN_HOURS, "most": _AT_ONCE},
    )
    plates = [(bytes(plate).hex(), since.isoformat()) for plate, since in rows]
    if plates:
        await outbox.add(session, PLATES_TOUCHED, "", {"plates": plates})


async def lapse_unproved(session: AsyncSession, now: datetime, *, vault: PlateVault | None) -> None:
    """Void what was under review for longer than its place has to prove it."""
    for stay in await waiting_too_long(session, now, _LAPSING_AT_ONCE):
        await lapse(session, vault, stay, now)

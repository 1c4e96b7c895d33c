"""How long an electric car was charging during its stay, by the charger's own records.

Each record counts once, however often it is sent; sent with other minutes it is that record corrected.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.stays.decisions import may_act, stay_row
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.models import StayCharging
from parking_cloud.stays.rules import SKEW
from parking_cloud.stays.wire import Charged, ChargingIn
from sensor_gateway.sealing import PlateVault


async def note_charging(
    session: AsyncSession,
    vault: PlateVault | None,
    who: Identity,
    stay_id: UUID,
    said: ChargingIn,
    now: datetime,
) -> Charged:
    """Take a charger's record; all minutes of the stay. Raises StayNotFound, NotAllowed, InvalidInput."""
    stay = await stay_row(session, stay_id)
    await may_act(session, who, stay["facility_id"])
    statement = insert(StayCharging).values(
        stay_id=stay_id, record_id=said.record_id, minutes=said.minutes, said_by=who.user_id, said_at=now
    )
    new = {"minutes": said.minutes, "said_by": who.user_id, "said_at": now}
    await session.execute(statement.on_conflict_do_update(index_elements=["stay_id", "record_id"], set_=new))
    why = Why(now, by=who.user_id)
    if stay["plate_hash"] is None:
        await restate(session, vault, {}, why, [stay["entry_event_id"]])
    else:
        await restate(session, vault, {stay["plate_hash"]: stay["facts_from"]}, why)
    # Only now is it known what others have sent meanwhile.
    after = await stay_row(session, stay_id)
    lasted = (after["exited_at"] or now) - after["entered_at"] + SKEW
    if said.minutes and after["charging_minutes"] * 60 > lasted.total_seconds():
        raise InvalidInput(errors=[{"field": "minutes", "reason": "longer than the stay"}])
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="stays.charging_noted",
        subject_type="stay",
        subject_id=str(stay_id),
        detail={"record": said.record_id, "minutes": said.minutes},
    )
    return Charged(after["charging_minutes"])

"""What is plausible: set by the city, since it is what protects drivers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import NotFound
from parking_cloud.registry.service import facility_labels
from parking_cloud.stays.models import StayPolicy
from parking_cloud.stays.wire import PolicyIn


class FacilityNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


async def set_policy(
    session: AsyncSession, who: Identity, facility_id: UUID | None, policy: PolicyIn, now: datetime
) -> None:
    """Say what is plausible from now on, in the city or at one facility; what was judged stays so."""
    if facility_id is not None and not await facility_labels(session, [facility_id]):
        raise FacilityNotFound()
    numbers = {
        "max_hours": policy.max_hours,
        "max_amount": policy.max_amount,
        "min_confidence": policy.min_confidence,
        "review_days": policy.review_days,
    }
    changed = {**numbers, "changed_by": who.user_id, "changed_at": now}
    statement = insert(StayPolicy).values(id=new_id(), facility_id=facility_id, **changed)
    await session.execute(statement.on_conflict_do_update(index_elements=["facility_id"], set_=changed))
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="stays.policy_set",
        subject_type="facility" if facility_id else "city",
        subject_id=str(facility_id or ""),
        detail=numbers,
    )

"""The city's own settings of sharing: how bookings go, and what is asked of institutions.

Both are rows in force from a moment on; what was in force before stays. A change is audited with its reason.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.sharing.models import SharingPolicy, SharingRule
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.rule import Exemption
from parking_cloud.sharing.rules import Policy
from parking_cloud.sharing.schemas import Moment, RuleStatus

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=720)]
Reason = Annotated[str, msgspec.Meta(min_length=2, max_length=500)]
_AHEAD = timedelta(days=366)


class PolicyIn(msgspec.Struct, frozen=True, kw_only=True):
    """How bookings go from a moment on; at once, where none is given."""

    effective_from: Moment | None = None
    hold_minutes: Annotated[int, msgspec.Meta(ge=1, le=60)]
    cancel_free_minutes: Annotated[int, msgspec.Meta(ge=0, le=2880)]
    unused_percent: Percent
    most_open: Annotated[int, msgspec.Meta(ge=1, le=100)]
    days_ahead: Annotated[int, msgspec.Meta(ge=1, le=120)]
    near_metres: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    reason: Reason


class RuleIn(msgspec.Struct, frozen=True, kw_only=True):
    """What institutions are asked from a day on, today at the earliest; set again, that of the day is
    replaced. Only what has a basis in law is `confirmed`."""

    effective_from: date
    after_work: Minutes
    before_work: Minutes
    least_spaces_percent: Percent
    least_chargers_percent: Percent
    exemptions: Annotated[list[Exemption], msgspec.Meta(max_length=50)]
    status: RuleStatus
    legal_basis: Annotated[str, msgspec.Meta(max_length=500)] = ""
    source: Annotated[str, msgspec.Meta(min_length=2, max_length=500)]
    reason: Reason


async def set_policy(session: AsyncSession, who: Identity, said: PolicyIn, now: datetime) -> Policy:
    """Set how bookings go; the policy in force now. Raises InvalidInput."""
    since = now if said.effective_from is None else said.effective_from
    if not now <= since <= now + _AHEAD:
        raise InvalidInput(errors=[{"field": "effective_from", "message": "is past, or too far ahead"}])
    values = {name: getattr(said, name) for name in Policy.__struct_fields__} | {"set_by": who.user_id}
    row = insert(SharingPolicy).values(effective_from=since, **values)
    await session.execute(row.on_conflict_do_update(index_elements=["effective_from"], set_=values))
    await _audit(session, who, "sharing.policy_set", since.isoformat(), said.reason)
    return await policy_at(session, now)


async def set_rule(session: AsyncSession, who: Identity, said: RuleIn, now: datetime) -> None:
    """Set what is asked of institutions. Raises InvalidInput."""
    today = city_time(now).date()
    if not today <= said.effective_from <= today + _AHEAD:
        raise InvalidInput(errors=[{"field": "effective_from", "message": "is past, or too far ahead"}])
    if said.status is RuleStatus.CONFIRMED and not said.legal_basis.strip():
        raise InvalidInput(errors=[{"field": "legal_basis", "message": "is needed where it is confirmed"}])
    if len({each.code for each in said.exemptions}) != len(said.exemptions):
        raise InvalidInput(errors=[{"field": "exemptions", "message": "two have the same code"}])
    values = msgspec.to_builtins(said, builtin_types=(date,))
    reason = values.pop("reason")
    row = insert(SharingRule).values(id=new_id(), **values)
    await session.execute(row.on_conflict_do_update(index_elements=["effective_from"], set_=values))
    await _audit(session, who, "sharing.rule_set", said.effective_from.isoformat(), reason)


async def _audit(session: AsyncSession, who: Identity, action: str, subject: str, reason: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="sharing_settings",
        subject_id=subject,
        reason=reason,
    )

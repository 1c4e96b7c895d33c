"""How a facility lets vehicles out: its policy, and the rules its gates are told beforehand.

What a gate may do by itself while it cannot ask us is what it was told before, and said that it holds.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotAllowed, NotFound
from parking_cloud.payments.models import ExitRulesTold, FacilityCommission, FacilityPaymentPolicy
from parking_cloud.registry.service import FacilityLabel, facility_label
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.service import plan_of, price_stay

RULES_HOLD_FOR = timedelta(days=1)
_OF_AN_OPERATOR = (Role.OPERATOR_STAFF, Role.INTEGRATION)


class FacilityNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a facility lets vehicles out. Amounts in fen, `commission_bp` in hundredths of a percent."""

    pay_later: bool = False
    pay_later_limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 5000
    let_out_when_away: bool = True
    commission_bp: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


DEFAULT = Policy()
"""The city's: who cannot be asked lets out, since a vehicle is not held because of our fault."""


class ExitRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate does while the platform does not answer; it keeps the newest that it has been given."""

    facility: str
    version: str
    when_away: str
    """`let_out`: open, report the exit afterwards, and it is billed later; or `ask_attendant`."""
    free_minutes: int
    """A stay of at most so many minutes is let out in any case."""
    valid_until: datetime


class RulesHeld(msgspec.Struct, frozen=True, kw_only=True):
    """A lane says which rules it holds."""

    facility: str
    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""
    version: Annotated[str, msgspec.Meta(max_length=80)]


class LaneTold(msgspec.Struct, frozen=True, kw_only=True):
    lane: str
    version: str
    acknowledged_at: datetime
    current: bool


async def policy_of(session: AsyncSession, facility_id: UUID) -> Policy:
    """A facility's policy; the city's where it has none of its own."""
    row = await session.get(FacilityPaymentPolicy, facility_id)
    return DEFAULT if row is None else _as_policy(row)


async def commissions(
    session: AsyncSession, wanted: Collection[tuple[UUID, datetime]]
) -> dict[tuple[UUID, datetime], int]:
    """The platform's share at these facilities and moments, in hundredths of a percent; none is left out."""
    rows = await session.execute(
        text(
            "select w.facility_id, w.at, coalesce((select c.bp from facility_commission c"
            "  where c.facility_id = w.facility_id and c.since <= w.at order by c.since desc limit 1), 0)"
            " from unnest(cast(:facilities as uuid[]), cast(:moments as timestamptz[])) as w(facility_id, at)"
        ),
        {"facilities": [facility for facility, _ in wanted], "moments": [at for _, at in wanted]},
    )
    return {(facility, at): bp for facility, at, bp in rows}


async def set_policy(
    session: AsyncSession, who: Identity, facility: str, policy: Policy, now: datetime
) -> Policy:
    """Give a facility its policy; the platform's share is set by the city. Raises NotAllowed."""
    place = await place_for(session, who, facility)
    before = await policy_of(session, place.id)
    if who.role is not Role.CITY_ADMINISTRATOR and policy.commission_bp != before.commission_bp:
        raise NotAllowed()
    if policy.commission_bp != before.commission_bp:
        share = insert(FacilityCommission).values(facility_id=place.id, since=now, bp=policy.commission_bp)
        await session.execute(
            share.on_conflict_do_update(
                index_elements=["facility_id", "since"], set_={"bp": policy.commission_bp}
            )
        )
    values = msgspec.structs.asdict(policy) | {"changed_at": now}
    row = insert(FacilityPaymentPolicy).values(facility_id=place.id, version=1, **values)
    await session.execute(
        row.on_conflict_do_update(
            index_elements=["facility_id"], set_=values | {"version": FacilityPaymentPolicy.version + 1}
        )
    )
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="payments.policy_set",
        subject_type="facility",
        subject_id=str(place.id),
        detail=msgspec.to_builtins(policy),
    )
    return policy


async def exit_rules(session: AsyncSession, who: Identity, facility: str, now: datetime) -> ExitRules:
    """What a facility's gates are told beforehand."""
    place = await place_for(session, who, facility)
    row = await session.get(FacilityPaymentPolicy, place.id)
    policy = DEFAULT if row is None else _as_policy(row)
    tariff, free = await _free_minutes(session, place.id, now)
    return ExitRules(
        facility=place.code,
        version=f"{0 if row is None else row.version}-{tariff}",
        when_away="let_out" if policy.let_out_when_away else "ask_attendant",
        free_minutes=free,
        valid_until=now + RULES_HOLD_FOR,
    )


async def rules_held(session: AsyncSession, who: Identity, held: RulesHeld, now: datetime) -> None:
    """A lane has said which rules it holds."""
    place = await place_for(session, who, held.facility)
    told = {"version": held.version, "acknowledged_at": now}
    row = insert(ExitRulesTold).values(facility_id=place.id, lane=held.lane, **told)
    await session.execute(row.on_conflict_do_update(index_elements=["facility_id", "lane"], set_=told))


async def lanes_told(session: AsyncSession, who: Identity, facility: str, now: datetime) -> list[LaneTold]:
    """Which rules each lane of a facility says that it holds, and whether they are the present ones."""
    present = (await exit_rules(session, who, facility, now)).version
    place = await place_for(session, who, facility)
    rows = await session.scalars(
        select(ExitRulesTold).where(ExitRulesTold.facility_id == place.id).order_by(ExitRulesTold.lane)
    )
    return [
        LaneTold(
            lane=row.lane,
            version=row.version,
            acknowledged_at=row.acknowledged_at,
            current=row.version == present,
        )
        for row in rows
    ]


async def place_for(session: AsyncSession, who: Identity, facility: str) -> FacilityLabel:
    """A facility by id or code. Raises FacilityNotFound, NotAllowed (of another operator).

    A gate's system asks for its own operator's: whom it may ask about any plate anywhere would be followed.
    """
    place = await facility_label(session, facility)
    if place is None:
        raise FacilityNotFound()
    if who.role in _OF_AN_OPERATOR and who.operator_id != place.operator_id:
        raise NotAllowed()
    return place


async def _free_minutes(session: AsyncSession, facility_id: UUID, now: datetime) -> tuple[str, int]:
    """The tariff's version in force, and its free minutes."""
    try:
        price = await price_stay(
            session,
            facility_id=facility_id,
            vehicle=VehicleClass.SMALL,
            entered_at=now,
            left_at=now,
            plate_hash=None,
        )
    except NoTariff:
        return "none", 0
    if price.tariff_version_id is None:
        return "free", 0
    tariff = (await plan_of(session, price.tariff_version_id)).tariff
    return str(price.tariff_version_id), tariff.free.minutes


def _as_policy(row: FacilityPaymentPolicy) -> Policy:
    return Policy(
        pay_later=row.pay_later,
        pay_later_limit=row.pay_later_limit,
        let_out_when_away=row.let_out_when_away,
        commission_bp=row.commission_bp,
    )

"""Unpaid charges, policies and drivers for the tests of arrears."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.arrears.cases import follow_charges
from parking_cloud.arrears.models import ArrearsPolicy
from parking_cloud.arrears.rules import PolicyStatus
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import ChargeFacts, charge_facts, charges_of_stays
from tests.notices.parts import driver
from tests.payments.parts import NOON, OWN, VAULT, left, minute, parked

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)


async def policy(session: AsyncSession, status: PolicyStatus = PolicyStatus.CONFIRMED) -> None:
    """The stages of another city, in force; committed."""
    session.add(
        ArrearsPolicy(
            effective_from=date(2024, 1, 1),
            make_up_from_day=30,
            nearly_overdue_from_day=60,
            overdue_from_day=75,
            reminders_needed=2,
            answer_working_days=5,
            status=status.value,
            legal_basis="某条例第某条" if status is PolicyStatus.CONFIRMED else "",
            source="another city's practice",
        )
    )
    await session.commit()


async def unpaid(session: AsyncSession, facility: UUID, at: float = 0) -> ChargeFacts:
    """A stay of two hours that has ended and was not paid, with its case; committed."""
    stay = await parked(session, facility, at=at)
    await left(session, stay, at=at + 120)
    await assess_stay(session, stay, minute(at + 120))
    charge = (await charges_of_stays(session, [stay]))[stay]
    await follow_charges(session, [charge.id], minute(at + 120))
    await session.commit()
    return charge


async def now_of(session: AsyncSession, charge: ChargeFacts) -> ChargeFacts:
    """The charge as it has become."""
    return (await charge_facts(session, [charge.id]))[charge.id]


async def holder(session: AsyncSession, name: str = "li", since: datetime | None = None) -> Identity:
    """A driver to whom the vehicle is verified; committed."""
    who = await driver(session, name)
    claim = await vehicles.claim(session, who, vehicles.VehicleIn(OWN), VAULT, NOON)
    seen = vehicles.ClaimDecision(verified=True, reason="行驶证原件", plate=OWN, since=since)
    await vehicles.decide(session, CHIEF, claim.id, seen, VAULT, since or NOON)
    await session.commit()
    return who

"""A charge that is settled while its case is opened, or whose news has not come yet, is not dunned for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.arrears import cases
from parking_cloud.arrears.models import ArrearsCase
from parking_cloud.kernel.db import transaction
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.payments.service import record_cash
from parking_cloud.stays.schemas import StayFacts
from tests.arrears.parts import holder, policy, unpaid
from tests.arrears.test_overdue_only_after_two_reminders_that_were_really_given import told
from tests.payments.parts import left, minute, parked, priced_garage

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]


async def pays_cash(sessions: Sessions, charge: UUID, amount: int) -> None:
    async with transaction(sessions) as session:
        await record_cash(session, {charge: amount}, amount, uuid4(), minute(200))


async def follow(sessions: Sessions, charge: UUID) -> None:
    async with transaction(sessions) as session:
        await cases.follow_charges(session, [charge], minute(200))


async def test_paid_while_its_case_is_opened_the_case_ends(
    session: AsyncSession, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await policy(session)
    stay = await parked(session, await priced_garage(session))
    await left(session, stay, at=120)
    await assess_stay(session, stay, minute(120))
    await session.commit()
    charge = (await charges_of_stays(session, [stay]))[stay]
    await session.rollback()
    stay_facts, has_read, may_go_on = cases.stay_facts, asyncio.Event(), asyncio.Event()

    async def slowly(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, StayFacts]:
        """The first has read the charge by now, and goes on once it is being paid."""
        if asyncio.current_task() is opening:
            has_read.set()
            await may_go_on.wait()
        return await stay_facts(session, ids)

    monkeypatch.setattr(cases, "stay_facts", slowly)
    opening = asyncio.create_task(follow(sessions, charge.id))
    await has_read.wait()

    async def pay() -> None:
        await pays_cash(sessions, charge.id, charge.owed)
        await follow(sessions, charge.id)

    paying = asyncio.create_task(pay())
    while not paying.done() and not await session.scalar(text("select 1 from pg_locks where not granted")):
        await session.rollback()
    may_go_on.set()
    await asyncio.gather(opening, paying)
    assert await session.scalar(select(ArrearsCase.closed_why)) == "settled"


async def test_what_is_paid_is_not_reminded_of_though_the_news_is_late(
    session: AsyncSession, sessions: Sessions
) -> None:
    await policy(session)
    charge = await unpaid(session, await priced_garage(session))
    who = await holder(session)
    assert charge.final_at is not None
    await pays_cash(sessions, charge.id, charge.owed)
    async with transaction(sessions) as advancing:
        await cases.advance(advancing, charge.final_at + timedelta(days=40))
    assert [kind for kind in await told(session, who) if kind == "arrears_reminder"] == []
    assert await session.scalar(select(ArrearsCase.closed_why)) == "settled"

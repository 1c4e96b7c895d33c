"""The ledger's promises, held by the database: balanced, booked once, only added to."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.db import transaction
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.ledger.service import LedgerConflict, balance, balances, post
from tests.factories import NOON, load_small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
STRIPE = Account(AccountKind.PROVIDER, name="stripe")
FEES = Account(AccountKind.FEES, name="stripe")


async def operator(session: AsyncSession) -> UUID:
    await load_small_city(session)
    found = await session.scalar(text("select id from operator"))
    assert isinstance(found, UUID)
    return found


async def insert_movement(session: AsyncSession, reference: str, *amounts: int) -> None:
    await session.execute(
        text(
            "insert into ledger_account (kind, name) values ('fees', 'a'), ('fees', 'b')"
            " on conflict do nothing"
        )
    )
    movement = uuid4()
    await session.execute(
        text("insert into ledger_movement (id, kind, reference, at) values (:id, 'raw', :reference, now())"),
        {"id": movement, "reference": reference},
    )
    for name, amount in zip("ab", amounts, strict=False):
        await session.execute(
            text("insert into ledger_entry select :id, id, :amount from ledger_account where name = :name"),
            {"id": movement, "amount": amount, "name": name},
        )


async def test_what_is_booked_is_on_the_accounts(session: AsyncSession) -> None:
    op = await operator(session)
    drivers, earned = Account(AccountKind.DRIVER, op), Account(AccountKind.OPERATOR, op)
    assert await post(session, kind="charge", reference="1", at=NOON, entries={drivers: 500, earned: -500})
    assert await post(session, kind="payment", reference="1", at=NOON, entries={STRIPE: 500, drivers: -500})
    await session.commit()
    assert [await balance(session, a) for a in (drivers, earned, STRIPE)] == [0, -500, 500]
    assert await balances(session, AccountKind.OPERATOR) == {earned: -500}
    assert await balance(session, FEES) == 0


async def test_a_cause_is_booked_once(session: AsyncSession) -> None:
    entries = {STRIPE: -3, FEES: 3}
    assert await post(session, kind="fee", reference="1", at=NOON, entries=entries)
    assert not await post(session, kind="fee", reference="1", at=NOON, entries=entries)
    with pytest.raises(LedgerConflict):
        await post(session, kind="fee", reference="1", at=NOON, entries={STRIPE: -4, FEES: 4})
    assert await post(session, kind="fee", reference="2", at=NOON, entries={STRIPE: -4, FEES: 4})
    await session.commit()
    assert await balance(session, FEES) == 7


async def test_many_at_once_book_a_cause_once(sessions: Sessions) -> None:
    async def book(at: datetime) -> bool:
        async with transaction(sessions) as own:
            return await post(own, kind="fee", reference="1", at=at, entries={STRIPE: -3, FEES: 3})

    assert sorted(await asyncio.gather(*(book(NOON) for _ in range(8)))) == [False] * 7 + [True]
    async with sessions() as own:
        assert await balance(own, FEES) == 3


@pytest.mark.parametrize("entries", [{STRIPE: 5, FEES: -4}, {STRIPE: 0, FEES: 0}, {}])
async def test_the_unbalanced_is_refused(session: AsyncSession, entries: dict[Account, int]) -> None:
    with pytest.raises(ValueError, match="balance"):
        await post(session, kind="fee", reference="1", at=NOON, entries=entries)


@pytest.mark.parametrize("amounts", [(5, -4), (5,), ()])
async def test_the_database_refuses_the_unbalanced(session: AsyncSession, amounts: tuple[int, ...]) -> None:
    await insert_movement(session, "1", *amounts)
    with pytest.raises(DBAPIError, match="does not balance"):
        await session.commit()


async def test_nothing_is_added_to_a_movement_later(session: AsyncSession) -> None:
    await insert_movement(session, "1", 5, -5)
    await session.commit()
    await session.execute(text("insert into ledger_account (kind, name) values ('fees', 'c'), ('fees', 'd')"))
    await session.execute(
        text(
            "insert into ledger_entry select m.id, a.id, case a.name when 'c' then 1 else -1 end"
            " from ledger_movement m, ledger_account a where a.name in ('c', 'd')"
        )
    )
    with pytest.raises(DBAPIError, match="booked before"):
        await session.commit()


@pytest.mark.parametrize("table", ["ledger_account", "ledger_movement", "ledger_entry"])
@pytest.mark.parametrize("verb", ["delete from {}", "update {} set {} = {}"])
async def test_it_is_only_added_to(session: AsyncSession, table: str, verb: str) -> None:
    await insert_movement(session, "1", 5, -5)
    await session.commit()
    column = {"ledger_account": "name", "ledger_movement": "kind", "ledger_entry": "amount"}[table]
    with pytest.raises(DBAPIError, match="only added to"):
        await session.execute(text(verb.format(table, column, column)))

"""The ledger's verbs: book a movement once, and tell what is on the accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.ledger.schemas import Account, AccountKind

_WANTED = (
    "unnest(cast(:kinds as text[]), cast(:operators as uuid[]), cast(:names as text[]),"
    " cast(:amounts as bigint[])) as w(kind, operator_id, name, amount)"
)
_SAME_ACCOUNT = "a.kind = w.kind and a.name = w.name and a.operator_id is not distinct from w.operator_id"
_BOOK = text(
    "with movement as (insert into ledger_movement (id, kind, reference, at)"
    "  values (:id, :kind, :reference, :at) on conflict (kind, reference) do nothing returning id),"
    " entry as (insert into ledger_entry (movement_id, account_id, amount)"
    f"  select m.id, a.id, w.amount from movement m, {_WANTED} join ledger_account a on {_SAME_ACCOUNT}"
    "  returning account_id)"
    " select (select count(*) from movement), (select count(*) from entry)"
)
_OPEN_ACCOUNTS = text(
    "insert into ledger_account (kind, operator_id, name)"
    f" select w.kind, w.operator_id, w.name from {_WANTED}"
    " on conflict do nothing"
)
_BOOK_THE_REST = text(
    "insert into ledger_entry (movement_id, account_id, amount)"
    f" select :id, a.id, w.amount from {_WANTED} join ledger_account a on {_SAME_ACCOUNT}"
    " on conflict do nothing"
)
_BOOKED = text(
    "select a.kind, a.operator_id, a.name, e.amount from ledger_movement m"
    " join ledger_entry e on e.movement_id = m.id join ledger_account a on a.id = e.account_id"
    " where m.kind = :kind and m.reference = :reference"
)


class LedgerConflict(Exception):
    """The same cause was booked before, with other entries."""


async def post(
    session: AsyncSession, *, kind: str, reference: str, at: datetime, entries: Mapping[Account, int]
) -> bool:
    """Book a movement in the caller's transaction; True: now, False: the same was booked before.

    `kind` and `reference` name the cause; entries are fen, debit above zero, and zeros are left out.
    Raises ValueError where they do not balance, LedgerConflict where the cause was booked otherwise.
    """
    booked = {account: amount for account, amount in sorted(entries.items(), key=_order) if amount}
    if sum(booked.values()) or len(booked) < 2:
        raise ValueError(f"a movement of kind {kind} does not balance")
    values: dict[str, Any] = {"id": new_id(), "kind": kind, "reference": reference, "at": at}
    accounts = {
        "kinds": [account.kind.value for account in booked],
        "operators": [account.operator_id for account in booked],
        "names": [account.name for account in booked],
        "amounts": list(booked.values()),
    }
    movements, found = (await session.execute(_BOOK, values | accounts)).one()
    if not movements:
        if await _already_booked(session, kind, reference) != booked:
            raise LedgerConflict(f"{kind} {reference} was booked before, with other entries")
        return False
    if found < len(booked):
        await session.execute(_OPEN_ACCOUNTS, accounts)
        await session.execute(_BOOK_THE_REST, {"id": values["id"], **accounts})
    return True


async def balance(session: AsyncSession, account: Account) -> Fen:
    """What is on an account; nothing on one that does not exist yet."""
    total = await session.scalar(
        text(
            "select coalesce(sum(e.amount), 0)::bigint from ledger_entry e"
            " join ledger_account a on a.id = e.account_id where a.kind = :kind and a.name = :name"
            " and a.operator_id is not distinct from cast(:operator as uuid)"
        ),
        _named(account),
    )
    return Fen(total or 0)


async def balances(session: AsyncSession, kind: AccountKind) -> dict[Account, Fen]:
    """What is on each account of a kind."""
    rows = await session.execute(
        text(
            "select a.operator_id, a.name, coalesce(sum(e.amount), 0)::bigint from ledger_account a"
            " left join ledger_entry e on e.account_id = a.id where a.kind = :kind group by a.id"
        ),
        {"kind": kind.value},
    )
    return {Account(kind, operator, name): Fen(amount) for operator, name, amount in rows}


class Movement(NamedTuple):
    """A movement, as those who follow the ledger read it."""

    id: UUID
    kind: str
    reference: str
    at: datetime
    booked_at: datetime


async def movements(
    session: AsyncSession, kinds: Collection[str], *, booked_since: datetime, after: UUID | None, limit: int
) -> list[Movement]:
    """Movements of some kinds that were booked since then, by id: those after `after`."""
    rows = await session.execute(
        text(
            "select id, kind, reference, at, booked_at from ledger_movement where kind = any(:kinds)"
            " and booked_at >= :since and (cast(:after as uuid) is null or id > :after)"
            " order by id limit :limit"
        ),
        {"kinds": list(kinds), "since": booked_since, "after": after, "limit": limit},
    )
    return [Movement(*row) for row in rows]


async def of_references(session: AsyncSession, kind: str, references: Collection[str]) -> list[Movement]:
    """Those of these movements of a kind that are booked, by id."""
    rows = await session.execute(
        text(
            "select id, kind, reference, at, booked_at from ledger_movement"
            " where kind = :kind and reference = any(:references) order by id"
        ),
        {"kind": kind, "references": list(references)},
    )
    return [Movement(*row) for row in rows]


class OnAccount(NamedTuple):
    """What a movement did to one account, in fen."""

    kind: str
    reference: str
    at: datetime
    amount: Fen


async def on_account(
    session: AsyncSession, account: Account, since: datetime, until: datetime
) -> list[OnAccount]:
    """All that happened on an account with since <= at < until, oldest first."""
    rows = await session.execute(
        text(
            "select m.kind, m.reference, m.at, e.amount from ledger_movement m"
            " join ledger_entry e on e.movement_id = m.id join ledger_account a on a.id = e.account_id"
            " where a.kind = :kind and a.name = :name"
            " and a.operator_id is not distinct from cast(:operator as uuid)"
            " and m.at >= :since and m.at < :until order by m.at, m.id"
        ),
        _named(account) | {"since": since, "until": until},
    )
    return [OnAccount(kind, reference, at, Fen(amount)) for kind, reference, at, amount in rows]


async def first_at(session: AsyncSession, account: Account) -> datetime | None:
    """When the first thing happened on an account."""
    found: datetime | None = await session.scalar(
        text(
            "select min(m.at) from ledger_movement m join ledger_entry e on e.movement_id = m.id"
            " join ledger_account a on a.id = e.account_id where a.kind = :kind and a.name = :name"
            " and a.operator_id is not distinct from cast(:operator as uuid)"
        ),
        _named(account),
    )
    return found


async def of_causes(
    session: AsyncSession, account: Account, causes: Collection[tuple[str, str]]
) -> list[OnAccount]:
    """What these causes (kind, reference) did to an account, whenever that was."""
    rows = await session.execute(
        text(
            "select m.kind, m.reference, m.at, e.amount from"
            " unnest(cast(:kinds as text[]), cast(:references as text[])) as w(kind, reference)"
            " join ledger_movement m on m.kind = w.kind and m.reference = w.reference"
            " join ledger_entry e on e.movement_id = m.id join ledger_account a on a.id = e.account_id"
            " where a.kind = :kind and a.name = :name"
            " and a.operator_id is not distinct from cast(:operator as uuid)"
        ),
        _named(account)
        | {"kinds": [kind for kind, _ in causes], "references": [reference for _, reference in causes]},
    )
    return [OnAccount(kind, reference, at, Fen(amount)) for kind, reference, at, amount in rows]


def _named(account: Account) -> dict[str, Any]:
    return {"kind": account.kind.value, "name": account.name, "operator": account.operator_id}


async def _already_booked(session: AsyncSession, kind: str, reference: str) -> dict[Account, int]:
    rows = await session.execute(_BOOKED, {"kind": kind, "reference": reference})
    return {Account(AccountKind(k), operator, name): amount for k, operator, name, amount in rows}


def _order(entry: tuple[Account, int]) -> tuple[str, str, str]:
    """Accounts are opened in one order: two transactions that open the same do not block in a circle."""
    account = entry[0]
    return account.kind.value, str(account.operator_id or ""), account.name

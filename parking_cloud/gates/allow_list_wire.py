"""What a gate is told of its list, and what it answers. The same message pushed and pulled."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from sensor_gateway.sealing import PlateVault, VaultError

UNREADABLE = "the plate cannot be opened"


class Stretch(msgspec.Struct, frozen=True, rename={"start": "from", "end": "until"}):
    """From then on, until before then."""

    start: datetime
    end: datetime


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One vehicle. The highest `version` of an `id` holds; one that is withdrawn names no plate."""

    id: UUID
    version: int
    withdrawn: bool
    plate: str | None
    during: list[Stretch]


class AllowList(msgspec.Struct, frozen=True, kw_only=True):
    """A facility's list at `version`: all of it where `full`, else what has changed after `after`."""

    facility: str
    version: int
    after: int
    full: bool
    entries: list[Entry]


class Refused(msgspec.Struct, frozen=True):
    id: UUID
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's answer to a list at `version`: each entry accepted or refused, by its id."""

    version: Annotated[int, msgspec.Meta(ge=0)]
    accepted: Annotated[list[UUID], msgspec.Meta(max_length=20_000)] = []
    refused: Annotated[list[Refused], msgspec.Meta(max_length=20_000)] = []


class Told(msgspec.Struct, frozen=True):
    """What a gate is told, and the passes that no key opens: they are in no message."""

    message: AllowList
    unreadable: list[UUID]


async def told_after(
    session: AsyncSession,
    vault: PlateVault | None,
    facility_id: UUID,
    code: str,
    *,
    version: int,
    after: int,
    now: datetime,
) -> Told:
    """A list at `version` for a gate that holds `after`. All of it, if that is nothing or never was."""
    full = not 0 < after <= version
    rows = (
        await session.execute(
            text(
                "select id, version, withdrawn_at, plate_sealed, during from gate_pass"
                " where facility_id = :facility and ends_at > :now and version <= :version"
                " and (:full and withdrawn_at is null or not :full and version > :after) order by version"
            ),
            {"facility": facility_id, "now": now, "version": version, "full": full, "after": after},
        )
    ).all()
    entries = {row.id: _entry(row, vault, now) for row in rows}
    message = AllowList(
        facility=code,
        version=version,
        after=0 if full else after,
        full=full,
        entries=[entry for entry in entries.values() if entry],
    )
    return Told(message, [id_ for id_, entry in entries.items() if entry is None])


def _entry(row: Row[Any], vault: PlateVault | None, now: datetime) -> Entry | None:
    withdrawn = row.withdrawn_at is not None
    plate = None
    if not withdrawn:
        # One that was sealed under a lost key keeps nobody from the others.
        with suppress(VaultError):
            plate = vault.open(bytes(row.plate_sealed)).reveal() if vault else None
        if plate is None:
            return None
    during = [] if withdrawn else [Stretch(r.lower, r.upper) for r in row.during if r.upper > now]
    return Entry(id=row.id, version=row.version, withdrawn=withdrawn, plate=plate, during=during)


async def note_told(session: AsyncSession, told: Told, now: datetime) -> None:
    """These entries are on their way to the gate."""
    entries = told.message.entries
    await session.execute(
        text(
            "update gate_pass p set told_version = n.version, told_at = :now"
            " from unnest(cast(:ids as uuid[]), cast(:versions as bigint[])) as n(id, version)"
            " where p.id = n.id and p.version = n.version and p.told_version is distinct from n.version"
        ),
        {"ids": [e.id for e in entries], "versions": [e.version for e in entries], "now": now},
    )
    if told.unreadable:
        await session.execute(
            text("update gate_pass set failure = :why where id = any(:ids)"),
            {"ids": told.unreadable, "why": UNREADABLE},
        )


async def note_answer(session: AsyncSession, facility_id: UUID, answer: ListAnswer, now: datetime) -> int:
    """Keep what a gate said of its entries; how many of them are of its list. Again is no harm.

    What has changed since that version is not answered by it.
    """
    said: Sequence[tuple[UUID, bool, str]] = [
        *((id_, True, "") for id_ in answer.accepted),
        *((refused.id, False, refused.reason or "refused") for refused in answer.refused),
    ]
    rows = await session.execute(
        text(
            "update gate_pass p set answered_version = p.version, accepted = n.accepted, failure = n.reason,"
            " answered_at = case when p.answered_version = p.version and p.accepted = n.accepted"
            " then p.answered_at else :now end, told_version = p.version, told_at = coalesce("
            " case when p.told_version = p.version then p.told_at end, :now)"
            " from unnest(cast(:ids as uuid[]), cast(:accepted as boolean[]), cast(:reasons as text[]))"
            " as n(id, accepted, reason)"
            " where p.id = n.id and p.facility_id = :facility and p.version <= :version returning p.id"
        ),
        {
            "facility": facility_id,
            "version": answer.version,
            "ids": [id_ for id_, _, _ in said],
            "accepted": [accepted for _, accepted, _ in said],
            "reasons": [reason for _, _, reason in said],
            "now": now,
        },
    )
    return len(list(rows))

"""What the cloud corrected of a stay, for the lot's own system: a feed in order, also pushed (push.py).

Records are named by the lot's own names. A bill that was deleted here must not live on there: what nobody
there has acknowledged stays visible here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.passages import Reading, readings
from parking_cloud.kernel.db import alone
from parking_cloud.registry.service import facility_labels
from parking_cloud.stays.models import OperatorHook, StayCorrection
from parking_cloud.stays.schemas import StayState
from sensor_gateway.sealing import PlateVault, VaultError

PLATED = ("plate", "all")
"""The kinds of corrections that tell a plate."""


class RecordName(msgspec.Struct, frozen=True):
    """A record of the lot's own, as it sent it."""

    source: str
    record_id: str


class CorrectionOut(msgspec.Struct, frozen=True, kw_only=True):
    """What was corrected. `kind`: `plate`, `times` (and so the fee), `all`, or `void`: nothing is to be paid.

    The same `id` is the same correction, however often it comes; of one stay the highest `version` holds.
    """

    id: str
    seq: int
    facility: str
    stay_id: UUID
    version: int
    kind: str
    entry: RecordName | None
    exit: RecordName | None
    entered_at: datetime | None
    exited_at: datetime | None
    plate: str | None
    """As it was read again, where the plate was corrected; null where it cannot be opened."""
    reason: str
    made_at: datetime
    acknowledged_at: datetime | None
    attempts: int


class CorrectionPage(msgspec.Struct, frozen=True):
    """In order; `after` of the next page is the last item's `seq`."""

    items: list[CorrectionOut]
    unacknowledged: int


async def tell(
    session: AsyncSession, before: Mapping[str, Any], after: Mapping[str, Any], reason: str, now: datetime
) -> None:
    """Leave word of a correction, if the lot's own records say otherwise; in the order of the commits."""
    kind = _kind(before, after)
    if kind is None:
        return
    operator = (await facility_labels(session, [after["facility_id"]]))[after["facility_id"]].operator_id
    await alone(session, f"corrections of {operator}")
    hooked = await session.scalar(
        text("select true from operator_hook where operator_id = :id"), {"id": operator}
    )
    void = kind == "void"
    await session.execute(
        insert(StayCorrection)
        .values(
            operator_id=operator,
            facility_id=after["facility_id"],
            stay_id=after["id"],
            stay_version=after["version"],
            kind=kind,
            entry_event_id=after["entry_event_id"],
            exit_event_id=after["exit_event_id"],
            entered_at=None if void else after["entered_at"],
            exited_at=None if void else after["exited_at"],
            reason=reason,
            made_at=now,
            push_at=now if hooked else None,
        )
        .on_conflict_do_nothing()
    )


def _kind(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    if after["state"] == StayState.VOID:
        return "void"
    plate = before["plate_hash"] != after["plate_hash"]
    derived = (after["derived_entered_at"], after["derived_exited_at"])
    times = derived != (after["entered_at"], after["exited_at"]) or before["state"] == StayState.VOID
    if plate and times:
        return "all"
    return "plate" if plate else "times" if times else None


async def tell_plate(session: AsyncSession, stay: Mapping[str, Any], reason: str, now: datetime) -> None:
    """Leave word that a person here read another plate than the lot's camera."""
    await tell(session, {**stay, "plate_hash": b""}, stay, reason, now)


_COLUMNS = (
    "c.seq, c.facility_id, c.stay_id, c.stay_version, c.kind, c.entry_event_id, c.exit_event_id,"
    " c.entered_at, c.exited_at, c.reason, c.made_at, c.acknowledged_at, c.attempts"
)


async def feed(
    session: AsyncSession,
    vault: PlateVault | None,
    operator_id: UUID,
    *,
    after: int,
    limit: int,
    unacknowledged: bool = False,
) -> CorrectionPage:
    """An operator's corrections after one, in order."""
    rows = await session.execute(
        text(
            f"select {_COLUMNS} from stay_correction c where c.operator_id = :operator and c.seq > :after"
            " and (not :open or c.acknowledged_at is null) order by c.seq limit :limit"
        ),
        {"operator": operator_id, "after": after, "limit": limit, "open": unacknowledged},
    )
    waiting = await session.scalar(
        text(
            "select count(*) from stay_correction where operator_id = :operator and acknowledged_at is null"
        ),
        {"operator": operator_id},
    )
    return CorrectionPage(await written_out(session, vault, list(rows)), waiting or 0)


async def written_out(
    session: AsyncSession, vault: PlateVault | None, rows: Sequence[Any]
) -> list[CorrectionOut]:
    """Corrections with the lot's own names of its records."""
    events = {event for row in rows for event in (row.entry_event_id, row.exit_event_id) if event}
    named = await readings(session, events) if events else {}
    places = await facility_labels(session, {row.facility_id for row in rows}) if rows else {}
    plates = await _plates(session, vault, [row.stay_id for row in rows if row.kind in PLATED])
    return [
        CorrectionOut(
            id=f"correction-{row.seq}",
            seq=row.seq,
            facility=places[row.facility_id].code,
            stay_id=row.stay_id,
            version=row.stay_version,
            kind=row.kind,
            entry=_name(named.get(row.entry_event_id)),
            exit=_name(named.get(row.exit_event_id)),
            entered_at=row.entered_at,
            exited_at=row.exited_at,
            plate=plates.get(row.stay_id) if row.kind in PLATED else None,
            reason=row.reason,
            made_at=row.made_at,
            acknowledged_at=row.acknowledged_at,
            attempts=row.attempts,
        )
        for row in rows
    ]


async def _plates(session: AsyncSession, vault: PlateVault | None, stays: Sequence[UUID]) -> dict[UUID, str]:
    if vault is None or not stays:
        return {}
    rows = await session.execute(
        text("select id, plate_sealed from stay where id = any(:ids) and plate_sealed is not null"),
        {"ids": list(stays)},
    )
    found = {}
    for row in rows:
        # One that was sealed under a lost key keeps nobody from the others.
        with suppress(VaultError):
            found[row.id] = vault.open(bytes(row.plate_sealed)).reveal()
    return found


def _name(reading: Reading | None) -> RecordName | None:
    return RecordName(reading.source, reading.record_id) if reading else None


async def acknowledge(session: AsyncSession, operator_id: UUID, seqs: Sequence[int], now: datetime) -> int:
    """The operator's system has taken these over; how many there are of them. Again is no harm."""
    rows = await session.execute(
        text(
            "update stay_correction set acknowledged_at = coalesce(acknowledged_at, :now), push_at = null"
            " where operator_id = :operator and seq = any(:seqs) returning seq"
        ),
        {"operator": operator_id, "seqs": list(seqs), "now": now},
    )
    return len(list(rows))


async def set_hook(session: AsyncSession, operator_id: UUID, url: str, now: datetime) -> int:
    """Where an operator's corrections are pushed from now on, under a new secret; the secret's generation."""
    statement = insert(OperatorHook).values(operator_id=operator_id, url=url, changed_at=now)
    generation = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["operator_id"],
            set_={"url": url, "generation": OperatorHook.generation + 1, "changed_at": now},
        ).returning(OperatorHook.generation)
    )
    await session.execute(
        text(
            "update stay_correction set push_at = :now, attempts = 0, failure = ''"
            " where operator_id = :operator and acknowledged_at is null"
        ),
        {"now": now, "operator": operator_id},
    )
    return generation or 1

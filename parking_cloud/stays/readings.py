"""Plates to be read again: where a camera was unsure, and where a plate is very like one that is missing.

An exit without an entry, while a vehicle of a very like plate is there: one of the two readings is probably
wrong. Until somebody has looked at both pictures, neither stay is charged. Sealed plates are opened for that
comparison only, and only those of the same place and time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.passages import Passage, passages
from parking_cloud.kernel import outbox
from parking_cloud.kernel.ids import stable_id
from parking_cloud.stays.events import PLATES_TOUCHED, SECOND_READING
from parking_cloud.stays.likeness import alike, same_color
from parking_cloud.stays.plausible import Policy
from sensor_gateway.sealing import PlateVault, VaultError

_LONGEST_H = Policy().longest / timedelta(hours=1)


class Doubt(NamedTuple):
    """An event whose plate is to be read again; `suspect`: the stay that it may really belong to."""

    event: UUID
    suspect: UUID | None


class Asked(NamedTuple):
    """What waits for a second reading among some stays and events."""

    misread: set[UUID]
    """The stays and events of which a plate is suspected to have been misread."""
    all: set[UUID]
    """These, and the events whose camera was unsure."""


async def waiting(session: AsyncSession, stays: Collection[UUID], events: Collection[UUID]) -> Asked:
    """Those of these stays and events that wait for a second reading."""
    rows = await session.execute(
        text(
            "select suspect_id, event_id from second_reading where answered_at is null"
            " and (suspect_id = any(:stays) or event_id = any(:events))"
        ),
        {"stays": list(stays), "events": list(events)},
    )
    asked = Asked(set(), set())
    for row in rows:
        if row.suspect_id is not None:
            asked.misread.update(row)
        asked.all.update(row)
    return asked


# Exits without an entry, and what was there of the same place at that time, for no longer than is plausible.
# Asked from either side, whichever of the two has changed: both at once would read the whole table.
_MEETING = (
    "select e.exit_event_id, e.plate_sealed as exit_sealed, e.plate_color as exit_color, s.id,"
    " s.entry_event_id, s.plate_sealed, s.plate_color from stay e"
    " left join stay_policy p on p.facility_id = e.facility_id"
    " left join stay_policy c on c.facility_id is null"
    " join stay s on s.facility_id = e.facility_id and s.entered_at < e.exited_at and s.entered_at >="
    " e.exited_at - coalesce(p.max_hours, c.max_hours, :hours) * interval '1 hour'"
    " and coalesce(s.not_after, s.exited_at, 'infinity') >= e.exited_at"
    " and s.state <> 'void' and s.opened_by <> 'exit' and s.plate_hash <> e.plate_hash"
    " where e.opened_by = 'exit' and e.state = 'review' and e.plate_hash is not null and "
)
_MEET = text(f"{_MEETING} e.id = any(:ids) union {_MEETING} s.id = any(:ids)")


async def reconsider(
    session: AsyncSession,
    vault: PlateVault | None,
    changed: Mapping[UUID, Mapping[str, Any]],
    unsure: Iterable[UUID],
    now: Any,
) -> None:
    """Ask for what has to be read again now, and settle what was answered or needs no answer any more.

    `changed`: rows of stays, as they are now; `unsure`: events with too little confidence.
    """
    stays = set(changed) | await _suspects(session, changed)
    likely = await _likely(session, vault, stays) if vault is not None else set()
    wanted = likely | {Doubt(event, None) for event in unsure}
    asked = await _asked(session, stays, {doubt.event for doubt in wanted} | _events(changed))
    events = {doubt.event for doubt in wanted} | {event for event, _ in asked}
    seen = await passages(session, events) if events else {}
    wanted = {doubt for doubt in wanted if not seen[doubt.event].checked}
    await _settle(session, asked, wanted, seen, now)
    await _ask(session, wanted - asked.keys(), seen, now)


def _events(changed: Mapping[UUID, Mapping[str, Any]]) -> set[UUID]:
    """The gate events of these stays, as they are and as they were."""
    events = {row[name] for row in changed.values() for name in ("entry_event_id", "exit_event_id")}
    return (events | {event for row in changed.values() for event in row["events_before"]}) - {None}


async def _suspects(session: AsyncSession, changed: Mapping[UUID, Mapping[str, Any]]) -> set[UUID]:
    """The other stays that are in doubt for an event of these."""
    rows = await session.scalars(
        text(
            "select suspect_id from second_reading where answered_at is null and why = 'misread'"
            " and event_id = any(:events)"
        ),
        {"events": list(_events(changed))},
    )
    return set(rows)


async def _likely(session: AsyncSession, vault: PlateVault, stays: Collection[UUID]) -> set[Doubt]:
    found: set[Doubt] = set()
    for row in await session.execute(_MEET, {"ids": list(stays), "hours": _LONGEST_H}):
        one, other = _opened(vault, row.exit_sealed), _opened(vault, row.plate_sealed)
        if one and other and same_color(row.exit_color, row.plate_color) and alike(one, other):
            found |= {Doubt(event, row.id) for event in (row.exit_event_id, row.entry_event_id) if event}
    return found


def _opened(vault: PlateVault, sealed: bytes | None) -> str | None:
    try:
        return vault.open(bytes(sealed)).reveal() if sealed is not None else None
    except VaultError:
        return None


async def _asked(
    session: AsyncSession, stays: Collection[UUID], events: Collection[UUID]
) -> dict[Doubt, UUID]:
    """What was asked and not answered of these stays and events."""
    rows = await session.execute(
        text(
            "select id, event_id, suspect_id from second_reading where answered_at is null"
            " and (suspect_id = any(:stays) or event_id = any(:events))"
        ),
        {"stays": list(stays), "events": list(events)},
    )
    return {Doubt(row.event_id, row.suspect_id): row.id for row in rows}


async def _settle(
    session: AsyncSession,
    asked: Mapping[Doubt, UUID],
    wanted: set[Doubt],
    seen: Mapping[UUID, Passage],
    now: Any,
) -> None:
    settled = {doubt: _answer(seen[doubt.event]) for doubt in asked if doubt not in wanted}
    if not settled:
        return
    await session.execute(
        text(
            "update second_reading r set answer = n.answer, answered_at = :now"
            " from unnest(cast(:ids as uuid[]), cast(:answers as text[])) as n(id, answer) where r.id = n.id"
        ),
        {"now": now, "ids": [asked[doubt] for doubt in settled], "answers": list(settled.values())},
    )
    await _touch(session, settled)


def _answer(passage: Passage) -> str:
    if not passage.checked:
        return "withdrawn"
    return "other" if passage.reread else "as_read"


async def _ask(
    session: AsyncSession, doubts: Iterable[Doubt], seen: Mapping[UUID, Passage], now: Any
) -> None:
    new = sorted(doubts, key=lambda d: (d.event, str(d.suspect)))
    if not new:
        return
    rows = await session.execute(
        text(
            "insert into second_reading as r"
            " (id, event_id, facility_id, suspect_id, why, confidence, asked_at)"
            " select n.id, n.event_id, n.facility_id, n.suspect_id,"
            " case when n.suspect_id is null then 'unsure' else 'misread' end, n.confidence, :now"
            " from unnest(cast(:ids as uuid[]), cast(:events as uuid[]), cast(:facilities as uuid[]),"
            " cast(:suspects as uuid[]), cast(:confidences as float8[]))"
            " as n(id, event_id, facility_id, suspect_id, confidence)"
            " on conflict (event_id, suspect_id) do update set answer = null, answered_at = null,"
            " asked_at = excluded.asked_at where r.answer = 'withdrawn'"
            " returning r.id, r.event_id, r.facility_id, r.suspect_id"
        ),
        {
            "now": now,
            "ids": [stable_id("second_reading", str(d.event), str(d.suspect)) for d in new],
            "events": [d.event for d in new],
            "facilities": [seen[d.event].facility_id for d in new],
            "suspects": [d.suspect for d in new],
            "confidences": [seen[d.event].confidence for d in new],
        },
    )
    told = list(rows)
    await outbox.add_many(
        session, SECOND_READING, [(str(row.id), {"facility": str(row.facility_id)}) for row in told]
    )
    await _touch(session, [Doubt(row.event_id, row.suspect_id) for row in told])


async def _touch(session: AsyncSession, doubts: Iterable[Doubt]) -> None:
    """Have both stays worked out again: the suspects, and the exits without an entry."""
    pairs = [doubt for doubt in doubts if doubt.suspect]
    if not pairs:
        return
    rows = await session.execute(
        text(
            "select plate_hash, facts_from from stay where plate_hash is not null"
            " and (id = any(:ids) or exit_event_id = any(:events))"
        ),
        {"ids": [doubt.suspect for doubt in pairs], "events": [doubt.event for doubt in pairs]},
    )
    plates = [(bytes(plate).hex(), since.isoformat()) for plate, since in rows]
    if plates:
        await outbox.add(session, PLATES_TOUCHED, "", {"plates": plates})


def too_unsure(confidence: float | None, policy: Policy) -> bool:
    """Whether a reading has to be made again for its camera's own doubt."""
    return confidence is not None and confidence < policy.least_confidence

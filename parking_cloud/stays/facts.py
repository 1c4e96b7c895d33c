"""What is known of vehicles, gathered: passages, marks, decisions, and what is plausible where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.gates.passages import Passage, passages, passages_of_plates
from parking_cloud.kernel.money import Fen
from parking_cloud.stays.models import StayPolicy
from parking_cloud.stays.plausible import Policy
from parking_cloud.stays.rules import SUPERSEDED
from parking_cloud.stays.visit import Action, Decision, Fact, FactKind

CITY_REVIEW_DAYS = 30


class Plate(NamedTuple):
    """As one fact gave it."""

    hash: bytes
    sealed: bytes
    color: str | None


class Known(NamedTuple):
    """The facts of each plate; those of entries without one stand alone. `plates`: by fact."""

    by_plate: dict[bytes, list[Fact]]
    unread: list[Fact]
    plates: dict[UUID, Plate]
    events: set[UUID]
    """Those of the facts that are gate events."""
    colors: dict[UUID, str | None]
    charging: dict[UUID, int]
    """Minutes of the stays that were charging, by stay."""


async def gather(session: AsyncSession, since: Mapping[bytes, datetime], unread: Collection[UUID]) -> Known:
    """All that is known of these plates from their times on, and of these events if they have no plate."""
    known = Known({plate: [] for plate in since}, [], {}, set(), {}, {})
    for plate, passed in (await passages_of_plates(session, since)).items() if since else ():
        for passage in passed:
            known.by_plate[plate].append(_of_passage(passage))
            known.events.add(passage.event_id)
            if passage.plate_sealed:
                known.plates[passage.event_id] = Plate(plate, passage.plate_sealed, passage.plate_color)
    for passage in (await passages(session, unread)).values() if unread else ():
        if passage.plate_hash is None and not passage.voided and passage.direction == FactKind.ENTRY:
            known.unread.append(_of_passage(passage))
            known.colors[passage.event_id] = passage.plate_color
    if since:
        await _gather_marks(session, since, known)
    return known


def _of_passage(passage: Passage) -> Fact:
    return Fact(
        id=passage.event_id,
        facility_id=passage.facility_id,
        kind=FactKind(passage.direction),
        at=passage.at,
        confidence=passage.confidence,
    )


_MARKS = text(
    "select m.* from unnest(cast(:plates as bytea[]), cast(:times as timestamptz[])) as n(plate_hash, since)"
    " join stay_mark m on m.plate_hash = n.plate_hash and m.at >= n.since and not m.voided"
)
# Who stands next on a space where this vehicle was said to stand; another driver's word moves nobody away.
_SWAPS = text(
    "select distinct m.plate_hash as whose, s.id, s.at, s.facility_id, s.space_id from"
    " unnest(cast(:plates as bytea[]), cast(:times as timestamptz[])) as n(plate_hash, since)"
    " join stay_mark m on m.plate_hash = n.plate_hash and m.at >= n.since and not m.voided"
    " and m.kind = 'start' and m.space_id is not null"
    " cross join lateral (select o.id, o.at, o.facility_id, o.space_id from stay_mark o"
    " where o.space_id = m.space_id and o.kind = 'start' and o.by <> 'driver' and not o.voided"
    " and o.plate_hash <> m.plate_hash"
    " and o.at > m.at order by o.at, o.id limit 1) s"
)


async def _gather_marks(session: AsyncSession, since: Mapping[bytes, datetime], known: Known) -> None:
    asked = {"plates": list(since), "times": list(since.values())}
    for row in await session.execute(_MARKS, asked):
        plate = bytes(row.plate_hash)
        known.by_plate[plate].append(
            Fact(
                id=row.id,
                facility_id=row.facility_id,
                kind=FactKind(row.kind),
                at=row.at,
                by=row.by,
                space_id=row.space_id,
                confidence=row.confidence,
            )
        )
        known.plates[row.id] = Plate(plate, bytes(row.plate_sealed), row.plate_color)
    for row in await session.execute(_SWAPS, asked):
        known.by_plate[bytes(row.whose)].append(
            Fact(
                id=row.id,
                facility_id=row.facility_id,
                kind=FactKind.SWAP,
                at=row.at,
                space_id=row.space_id,
            )
        )


async def windows(session: AsyncSession, touched: Mapping[bytes, datetime]) -> dict[bytes, datetime]:
    """From when on each plate has to be looked at again, so that the result is that of its whole history.

    That is when the first of the stays began that reach into the time concerned, or into that of another one
    that does. A plate with years of history costs what its last days cost.
    """
    # What had ended may be ended otherwise by a gate that tells it later.
    since = {plate: at - SUPERSEDED for plate, at in touched.items()}
    reaching = since
    while reaching:
        rows = await session.execute(
            text(
                "select n.plate_hash, min(s.facts_from) from"
                " unnest(cast(:plates as bytea[]), cast(:times as timestamptz[])) as n(plate_hash, since)"
                " join stay s on s.plate_hash = n.plate_hash and s.facts_from < n.since"
                " and (s.facts_until >= n.since or s.facts_until is null) group by 1"
            ),
            {"plates": list(reaching), "times": list(reaching.values())},
        )
        reaching = {bytes(plate): earliest for plate, earliest in rows}
        since |= reaching
    return since


async def decisions_on(session: AsyncSession, stays: Iterable[UUID]) -> dict[UUID, Decision]:
    """The last decision that holds of each of these stays."""
    rows = await session.execute(
        text(
            "select distinct on (stay_id) * from stay_decision where stay_id = any(:stays)"
            " and effective_at is not null order by stay_id, effective_at desc, id desc"
        ),
        {"stays": list(stays)},
    )
    return {
        row.stay_id: Decision(
            action=Action(row.action),
            decided_at=row.decided_at,
            entered_at=row.entered_at,
            exited_at=row.exited_at,
            basis_entered_at=row.basis_entered_at,
            basis_exited_at=row.basis_exited_at,
        )
        for row in rows
    }


async def charging_of(session: AsyncSession, stays: Iterable[UUID]) -> dict[UUID, int]:
    """How many minutes a car was charging, for those of these stays where one was."""
    rows = await session.execute(
        text("select stay_id, sum(minutes) from stay_charging where stay_id = any(:stays) group by 1"),
        {"stays": list(stays)},
    )
    return {stay: int(minutes) for stay, minutes in rows}


async def policies(session: AsyncSession, facilities: Collection[UUID]) -> dict[UUID, Policy]:
    """What each of these facilities takes for plausible: its own, the city's, or the built-in."""
    wanted = or_(StayPolicy.facility_id.in_(facilities), StayPolicy.facility_id.is_(None))
    rows = await session.scalars(select(StayPolicy).where(wanted))
    found = {row.facility_id: _policy(row) for row in rows}
    city = found.get(None, Policy())
    return {facility: found.get(facility, city) for facility in facilities}


def _policy(row: StayPolicy) -> Policy:
    return Policy(
        longest=timedelta(hours=row.max_hours),
        dearest=Fen(row.max_amount),
        least_confidence=row.min_confidence,
    )

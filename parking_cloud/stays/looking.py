"""Stays as staff see them: lists, what is under review, and one with all its evidence.

A plate is shown masked. Whoever needs the whole one, or looks a plate up, gives a reason, and that is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.passages import readings
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.registry.service import facilities_of, facility_labels, space_numbers
from parking_cloud.stays import facts
from parking_cloud.stays.costs import cost_of
from parking_cloud.stays.decisions import may_act, stay_row
from parking_cloud.stays.models import Stay, StayCharging, StayDecision, StayMark, StayVersion
from parking_cloud.stays.plausible import Cause
from parking_cloud.stays.schemas import Ended, Opened, Situation, StayState
from parking_cloud.stays.visit import Action
from parking_cloud.stays.wire import (
    ChargingIn,
    DecisionOut,
    Evidence,
    MarkOut,
    StayDetail,
    StayOut,
    StayPage,
    VersionOut,
)
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault, VaultError

_TOUCHING = timedelta(hours=1)


class Wanted(NamedTuple):
    """Which stays are asked for; None: all."""

    facility_id: UUID | None = None
    state: StayState | None = None
    before: datetime | None = None
    plate: str | None = None
    reason: str = ""


async def list_stays(
    session: AsyncSession, vault: PlateVault | None, who: Identity, wanted: Wanted, limit: int
) -> StayPage:
    """Stays, newest first; an operator's staff see those of its own facilities. Raises InvalidInput."""
    query = select(Stay.__table__).order_by(Stay.entered_at.desc(), Stay.id.desc()).limit(limit + 1)
    if who.role is Role.OPERATOR_STAFF:
        own = await facilities_of(session, who.operator_id) if who.operator_id else []
        query = query.where(Stay.facility_id.in_(own))
    if wanted.facility_id is not None:
        query = query.where(Stay.facility_id == wanted.facility_id)
    if wanted.state is not None:
        query = query.where(Stay.state == wanted.state.value)
    if wanted.before is not None:
        query = query.where(Stay.entered_at < wanted.before)
    if wanted.plate is not None:
        query = await _of_plate(session, vault, who, query, wanted)
    rows = [dict(row._mapping) for row in await session.execute(query)]
    items = await _shown(session, vault, rows[:limit])
    return StayPage(items, items[-1].entered_at if len(rows) > limit else None)


async def _of_plate(
    session: AsyncSession, vault: PlateVault | None, who: Identity, query: Select[Any], wanted: Wanted
) -> Select[Any]:
    if not wanted.reason.strip():
        raise InvalidInput(errors=[{"field": "reason", "reason": "needed to look up a plate"}])
    try:
        plate = parse_plate(wanted.plate or "")
    except NoPlate as error:
        raise InvalidInput(errors=[{"field": "plate", "reason": str(error)}]) from error
    if vault is None:
        raise InvalidInput(errors=[{"field": "plate", "reason": "no plate key is set"}])
    found = vault.lookup_hash(plate)
    await _audit(session, who, "stays.plate_looked_up", "plate", found.hex()[:16], wanted.reason)
    return query.where(Stay.plate_hash == found)


async def stay_detail(
    session: AsyncSession, vault: PlateVault | None, who: Identity, stay_id: UUID, reason: str
) -> StayDetail:
    """A stay with its evidence; with a reason, its whole plate. Raises StayNotFound, NotAllowed."""
    row = await stay_row(session, stay_id)
    await may_act(session, who, row["facility_id"])
    whole = bool(reason.strip())
    if whole:
        await _audit(session, who, "stays.plate_shown", "stay", str(stay_id), reason)
    (shown,) = await _shown(session, vault, [row], whole=whole)
    decisions = await session.scalars(
        select(StayDecision).where(StayDecision.stay_id == stay_id).order_by(StayDecision.id.desc())
    )
    versions = await session.scalars(
        select(StayVersion).where(StayVersion.stay_id == stay_id).order_by(StayVersion.version.desc())
    )
    return StayDetail(
        **{name: getattr(shown, name) for name in shown.__struct_fields__},
        evidence=await evidence_of(session, row),
        decisions=[_decision(d) for d in decisions],
        versions=[_version(v) for v in versions],
    )


async def evidence_of(session: AsyncSession, row: Mapping[str, Any]) -> Evidence:
    """What speaks for a stay: readings and words in its time, what is plausible, what it would cost."""
    policy = (await facts.policies(session, [row["facility_id"]]))[row["facility_id"]]
    marks = await _marks(session, row)
    events = await _events(session, row)
    at_most = row["not_after"] if row["exited_at"] else None
    known = None if row["exited_at"] is None else await cost_of(session, row)
    return Evidence(
        readings=sorted((await readings(session, events)).values(), key=lambda r: r.occurred_at),
        marks=marks,
        charging=await _charging(session, row["id"]),
        amount=known,
        amount_at_most=await cost_of(session, {**row, "exited_at": at_most}) if at_most else known,
        max_hours=policy.longest.total_seconds() / 3600,
        max_amount=policy.dearest,
        min_confidence=policy.least_confidence,
    )


async def _events(session: AsyncSession, row: Mapping[str, Any]) -> set[UUID]:
    """The events of a stay, and those that a second reading was asked for because of it."""
    own = {event for event in (row["entry_event_id"], row["exit_event_id"]) if event}
    rows = await session.scalars(
        text("select event_id from second_reading where suspect_id = :id"), {"id": row["id"]}
    )
    return own | set(rows)


async def _marks(session: AsyncSession, row: Mapping[str, Any]) -> list[MarkOut]:
    if row["plate_hash"] is None:
        return []
    query = select(StayMark).where(
        StayMark.plate_hash == row["plate_hash"],
        StayMark.facility_id == row["facility_id"],
        StayMark.at >= row["facts_from"] - _TOUCHING,
        StayMark.voided.is_(False),
    )
    if row["facts_until"] is not None:
        query = query.where(StayMark.at <= row["facts_until"] + _TOUCHING)
    marks = (await session.scalars(query.order_by(StayMark.at))).all()
    numbers = await space_numbers(session, {m.space_id for m in marks if m.space_id}) if marks else {}
    return [
        MarkOut(
            kind=m.kind,
            by=m.by,
            at=m.at,
            space=numbers.get(m.space_id) if m.space_id else None,
            evidence=[str(e) for e in m.evidence],
        )
        for m in marks
    ]


async def _charging(session: AsyncSession, stay_id: UUID) -> list[ChargingIn]:
    query = select(StayCharging).where(StayCharging.stay_id == stay_id).order_by(StayCharging.record_id)
    return [ChargingIn(record_id=r.record_id, minutes=r.minutes) for r in await session.scalars(query)]


async def _shown(
    session: AsyncSession, vault: PlateVault | None, rows: Sequence[Mapping[str, Any]], *, whole: bool = False
) -> list[StayOut]:
    places = await facility_labels(session, {row["facility_id"] for row in rows}) if rows else {}
    spaces = {row["space_id"] for row in rows if row["space_id"]}
    numbers = await space_numbers(session, spaces) if spaces else {}
    return [
        StayOut(
            id=row["id"],
            facility_id=row["facility_id"],
            facility=places[row["facility_id"]].name,
            space=numbers.get(row["space_id"]),
            plate=_plate(vault, row["plate_sealed"], whole=whole),
            plate_color=row["plate_color"],
            vehicle_class=row["vehicle_class"],
            state=StayState(row["state"]),
            entered_at=row["entered_at"],
            opened_by=Opened(row["opened_by"]),
            exited_at=row["exited_at"],
            ended_by=Ended(row["ended_by"]) if row["ended_by"] else None,
            not_after=row["not_after"],
            charging_minutes=row["charging_minutes"],
            situations=[Situation(s) for s in row["situations"]],
            version=row["version"],
            changed_at=row["changed_at"],
        )
        for row in rows
    ]


def _plate(vault: PlateVault | None, sealed: bytes | None, *, whole: bool) -> str:
    if vault is None or sealed is None:
        return ""
    try:
        plate = vault.open(bytes(sealed))
    except VaultError:
        return ""
    return plate.reveal() if whole else plate.masked()


def _decision(d: StayDecision) -> DecisionOut:
    return DecisionOut(
        id=d.id,
        action=Action(d.action),
        entered_at=d.entered_at,
        exited_at=d.exited_at,
        evidence=[str(e) for e in d.evidence],
        reason=d.reason,
        decided_by=d.decided_by,
        decided_at=d.decided_at,
        seconded_by=d.seconded_by,
        waits=d.effective_at is None,
    )


def _version(v: StayVersion) -> VersionOut:
    return VersionOut(
        version=v.version,
        at=v.at,
        cause=Cause(v.cause),
        by=v.by,
        state=StayState(v.state),
        entered_at=v.entered_at,
        exited_at=v.exited_at,
        charging_minutes=v.charging_minutes,
        situations=[Situation(s) for s in v.situations],
    )


async def _audit(
    session: AsyncSession, who: Identity, action: str, kind: str, subject: str, reason: str
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type=kind,
        subject_id=subject,
        reason=reason,
    )

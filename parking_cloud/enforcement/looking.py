"""Clues as reviewers see them. Who reported is never shown; plates and photos only with a reason, which is
kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.enforcement.models import Clue, ClueEvidence, ClueKind
from parking_cloud.enforcement.schemas import ClueOut, CluePage, ClueSource, ClueState, EvidenceOut
from parking_cloud.kernel import audit
from parking_cloud.kernel.photos import redrawn
from parking_cloud.kernel.problems import NotFound
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.registry.service import facility_labels
from sensor_gateway.sealing import PlateVault


class ClueNotFound(NotFound):
    slug = "clue-not-found"
    title = {"zh-CN": "没有这条线索", "en": "There is no such clue"}


class Look(msgspec.Struct, frozen=True):
    """Why somebody needs to see it."""

    reason: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class PlateOut(msgspec.Struct, frozen=True):
    plate: str


async def clues(
    session: AsyncSession, vault: PlateVault, *, kind: str | None, before: UUID | None, limit: int
) -> CluePage:
    """What came in, the newest first; plates masked."""
    query = select(Clue, ClueKind.status).join(ClueKind, ClueKind.code == Clue.kind)
    if kind is not None:
        query = query.where(Clue.kind == kind)
    if before is not None:
        query = query.where(Clue.id < before)
    rows = (await session.execute(query.order_by(Clue.id.desc()).limit(limit + 1))).all()
    found: list[tuple[Clue, str]] = [(clue, status) for clue, status in rows]
    items = await _shown(session, vault, found[:limit])
    return CluePage(items, items[-1].id if len(found) > limit else None)


async def _shown(session: AsyncSession, vault: PlateVault, rows: Sequence[tuple[Clue, str]]) -> list[ClueOut]:
    places = await facility_labels(session, {clue.facility_id for clue, _ in rows if clue.facility_id})
    evidence: dict[UUID, list[EvidenceOut]] = {}
    columns = (ClueEvidence.clue_id, ClueEvidence.number, ClueEvidence.media_type, ClueEvidence.size)
    query = select(*columns, ClueEvidence.sha256).where(ClueEvidence.clue_id.in_([c.id for c, _ in rows]))
    for clue_id, number, media_type, size, sha256 in await session.execute(query.order_by(*columns[:2])):
        evidence.setdefault(clue_id, []).append(
            EvidenceOut(number=number, media_type=media_type, size=size, sha256=bytes(sha256).hex())
        )
    return [
        ClueOut(
            id=clue.id,
            number=clue.number,
            kind=clue.kind,
            confirmed=status == "confirmed",
            source=ClueSource(clue.source),
            state=ClueState(clue.state),
            facility_id=clue.facility_id,
            facility=places[clue.facility_id].name if clue.facility_id else None,
            lat=clue.lat,
            lon=clue.lon,
            at=clue.at,
            received_at=clue.received_at,
            text=clue.text,
            plate=vault.open(clue.plate_sealed).masked() if clue.plate_sealed else None,
            evidence=evidence.get(clue.id, []),
        )
        for clue, status in rows
    ]


async def look_at_photo(
    session: AsyncSession, who: Identity, clue_id: UUID, number: int, reason: str, vault: FileVault
) -> bytes:
    """A photo, drawn anew as a JPEG; what came in stays as it is. Raises ClueNotFound."""
    found = await session.get(ClueEvidence, (clue_id, number))
    if found is None:
        raise ClueNotFound()
    await _note(session, who, "enforcement.photo_looked_at", clue_id, reason, {"photo": number})
    return await redrawn(vault.open(found.sealed))


async def look_at_plate(
    session: AsyncSession, who: Identity, clue_id: UUID, reason: str, vault: PlateVault
) -> PlateOut:
    """The whole plate. Raises ClueNotFound."""
    clue = await session.get(Clue, clue_id)
    if clue is None or clue.plate_sealed is None:
        raise ClueNotFound()
    await _note(session, who, "enforcement.plate_shown", clue_id, reason, {})
    return PlateOut(vault.open(clue.plate_sealed).reveal())


async def _note(
    session: AsyncSession, who: Identity, action: str, clue_id: UUID, reason: str, detail: dict[str, int]
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="clue",
        subject_id=str(clue_id),
        reason=reason,
        detail=dict(detail),
    )

"""Enforcement's verbs: a clue comes in, and is found again. What becomes of it is decided by people."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.enforcement.models import Clue, ClueEvidence, ClueKind
from parking_cloud.enforcement.schemas import ClueSource, ClueState, KindOut, Photo, ReceiptOut
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.photos import media_type_of
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.kernel.sealed import FileVault

_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""None that is mistaken for another when it is read out."""
PURPOSE = "clue evidence"


class UnknownKind(InvalidInput):
    slug = "clue-kind-unknown"
    title = {"zh-CN": "没有这种举报类型", "en": "There is no such kind of report"}


async def seal_photo(body: bytes, vault: FileVault) -> Photo:
    """A photo as it came in, kept byte for byte. Raises PhotoRefused."""
    media_type = await media_type_of(body)
    return Photo(vault.seal(body), sha256(body).digest(), media_type, len(body))


async def add_clue(
    session: AsyncSession,
    *,
    cause: str,
    kind: str,
    source: ClueSource,
    at: datetime,
    text: str,
    now: datetime,
    facility_id: UUID | None = None,
    position: Position | None = None,
    plate_hash: bytes | None = None,
    plate_sealed: bytes | None = None,
    photos: Sequence[Photo] = (),
    reporter: UUID | None = None,
) -> UUID:
    """Take in a clue; of a cause that is known already, the clue there is. Raises UnknownKind."""
    if await session.get(ClueKind, kind) is None:
        raise UnknownKind(errors=[{"field": "kind", "message": "unknown"}])
    found: UUID | None = await session.scalar(
        insert(Clue)
        .values(
            id=new_id(),
            number=_number(now),
            cause=cause,
            kind=kind,
            source=source.value,
            facility_id=facility_id,
            lat=position.lat if position else None,
            lon=position.lon if position else None,
            at=at,
            text=text,
            plate_hash=plate_hash,
            plate_sealed=plate_sealed,
            reporter_id=reporter,
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=["cause"])
        .returning(Clue.id)
    )
    if found is None:
        return (await session.scalars(select(Clue.id).where(Clue.cause == cause))).one()
    session.add_all(
        ClueEvidence(
            clue_id=found,
            number=number,
            media_type=photo.media_type,
            size=photo.size,
            sha256=photo.sha256,
            sealed=photo.sealed,
            received_at=now,
        )
        for number, photo in enumerate(photos, 1)
    )
    await session.flush()
    return found


async def withdraw_clue(session: AsyncSession, cause: str) -> None:
    """It was wrong: nothing follows from it. It stays as it came in; where there is none, nothing changes."""
    await session.execute(update(Clue).where(Clue.cause == cause).values(state=ClueState.WITHDRAWN.value))


def _number(now: datetime) -> str:
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"XS{city_time(now):%y%m%d}-{drawn}"


async def _photos_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, int]:
    query = select(ClueEvidence.clue_id, func.count()).where(ClueEvidence.clue_id.in_(ids))
    rows = await session.execute(query.group_by(ClueEvidence.clue_id))
    return {row[0]: row[1] for row in rows}


async def kinds(session: AsyncSession, language: str) -> list[KindOut]:
    """What a driver may report, in the order in which it is offered."""
    rows = await session.scalars(select(ClueKind).where(ClueKind.reportable).order_by(ClueKind.place))
    return [
        KindOut(
            code=row.code,
            name=row.names[language],
            confirmed=row.status == "confirmed",
            legal_basis=row.legal_basis,
        )
        for row in rows
    ]


async def receipts_of(
    session: AsyncSession, reporter: UUID, language: str, *, only: UUID | None = None, limit: int = 100
) -> list[ReceiptOut]:
    """A driver's own reports, the newest first; or one of them."""
    query = select(Clue, ClueKind.names).join(ClueKind, ClueKind.code == Clue.kind)
    query = query.where(Clue.reporter_id == reporter)
    if only is not None:
        query = query.where(Clue.id == only)
    rows = await session.execute(query.order_by(Clue.id.desc()).limit(limit))
    found = [(clue, names) for clue, names in rows]
    photos = await _photos_of(session, [clue.id for clue, _ in found])
    return [
        ReceiptOut(
            id=clue.id,
            number=clue.number,
            kind=clue.kind,
            name=names[language],
            state=ClueState(clue.state),
            text=clue.text,
            at=clue.at,
            received_at=clue.received_at,
            photos=photos.get(clue.id, 0),
        )
        for clue, names in found
    ]


async def forget_reporter(session: AsyncSession, reporter: UUID) -> None:
    """The clues stay as they came in; who sent them is no longer known."""
    await session.execute(
        text("update clue set reporter_id = null where reporter_id = :reporter"), {"reporter": reporter}
    )

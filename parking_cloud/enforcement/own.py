"""What a driver reported themselves, as they sent it: for the document of all that is kept about them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.enforcement.models import Clue, ClueEvidence
from parking_cloud.kernel.sealed import FileVault
from sensor_gateway.sealing import PlateVault


async def reports_of(session: AsyncSession, reporter: UUID, vault: PlateVault) -> list[dict[str, Any]]:
    """Every report with its plate and place."""
    rows = await session.scalars(select(Clue).where(Clue.reporter_id == reporter).order_by(Clue.id))
    return [
        {
            "id": row.id,
            "number": row.number,
            "kind": row.kind,
            "state": row.state,
            "text": row.text,
            "at": row.at,
            "received_at": row.received_at,
            "facility_id": row.facility_id,
            "lat": row.lat,
            "lon": row.lon,
            "plate": vault.open(row.plate_sealed).reveal() if row.plate_sealed else None,
        }
        for row in rows
    ]


async def photos_of(session: AsyncSession, reporter: UUID, vault: FileVault) -> AsyncIterator[dict[str, Any]]:
    """Every photo as it came in (base64), one at a time: each is large."""
    mine = select(ClueEvidence.clue_id, ClueEvidence.number).join(Clue, Clue.id == ClueEvidence.clue_id)
    keys = await session.execute(mine.where(Clue.reporter_id == reporter).order_by(Clue.id))
    for clue, number in keys.all():
        row = (
            await session.execute(
                select(ClueEvidence.media_type, ClueEvidence.sealed).where(
                    ClueEvidence.clue_id == clue, ClueEvidence.number == number
                )
            )
        ).one()
        photo = b64encode(vault.open(row.sealed)).decode()
        yield {"report": clue, "number": number, "media_type": row.media_type, "base64": photo}

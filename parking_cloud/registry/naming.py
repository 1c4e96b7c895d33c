"""Facilities by what people call them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Named(NamedTuple):
    """A facility that a search finds; WGS-84."""

    code: str
    name: str
    name_en: str
    address: str
    lat: float
    lon: float


async def facilities_named(session: AsyncSession, words: str, limit: int) -> list[Named]:
    """Those whose name or address has these words: beginnings of names first, then names, then addresses."""
    plain = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = await session.execute(
        text(
            "select code, name, name_en, address, st_y(cast(position as geometry)) as lat,"
            " st_x(cast(position as geometry)) as lon from facility"
            " where position is not null and (name ilike :within or name_en ilike :within"
            " or address ilike :within)"
            " order by case when name ilike :first or name_en ilike :first then 0"
            " when name ilike :within or name_en ilike :within then 1 else 2 end, code limit :limit"
        ),
        {"within": f"%{plain}%", "first": f"{plain}%", "limit": limit},
    )
    return [Named(*row) for row in rows]

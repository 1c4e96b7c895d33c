"""Boards read from the tables, with the numbers of their facilities: what each shows now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import msgspec
from geoalchemy2 import Geometry
from sqlalchemy import cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.signs import rules
from parking_cloud.guidance.signs.entry import Entry, entry_of
from parking_cloud.guidance.signs.models import Sign, SignRow, SignRowFacility
from parking_cloud.guidance.signs.rules import Arrow, Judged, Level, Seen, Shows, Thresholds
from parking_cloud.guidance.signs.schemas import RowContent, SignContent
from parking_cloud.occupancy.glance import Glance, glance
from parking_cloud.registry.service import facilities_in_districts


class Line(NamedTuple):
    """A row with all the facilities that it counts."""

    id: UUID
    label: str
    arrow: Arrow
    shows: Shows
    district: str | None
    named: tuple[UUID, ...]
    counted: tuple[UUID, ...]
    was_full: bool


class Board(NamedTuple):
    """A board with its rows, in order."""

    sign: Sign
    lat: float
    lon: float
    lines: tuple[Line, ...]

    @property
    def limits(self) -> Thresholds:
        sign = self.sign
        blank_after = timedelta(seconds=sign.blank_after_s)
        return Thresholds(sign.full_below, sign.open_again_at, blank_after, sign.digits)


class Shown(NamedTuple):
    """A board's content as it is sent. `version` names it: another version shows something else."""

    code: str
    version: str
    body: bytes


async def load_boards(session: AsyncSession, *, everything: bool = False) -> list[Board]:
    """The boards in use (or all), by code."""
    point = cast(Sign.position, Geometry)
    query = select(Sign, func.st_y(point), func.st_x(point)).order_by(Sign.code)
    signs = (await session.execute(query if everything else query.where(Sign.active))).all()
    rows = (await session.scalars(select(SignRow).order_by(SignRow.sign_id, SignRow.place))).all()
    named: dict[UUID, list[UUID]] = {}
    for entry in await session.scalars(select(SignRowFacility).order_by(SignRowFacility.facility_id)):
        named.setdefault(entry.row_id, []).append(entry.facility_id)
    districts = await facilities_in_districts(session, {row.district for row in rows if row.district})
    lines: dict[UUID, list[Line]] = {}
    for row in rows:
        own = named.get(row.id, [])
        counted = {*own, *districts.get(row.district or "", [])}
        arrow, shows = Arrow(row.arrow), Shows(row.shows)
        line = Line(
            row.id, row.label, arrow, shows, row.district, tuple(own), tuple(sorted(counted)), row.was_full
        )
        lines.setdefault(row.sign_id, []).append(line)
    return [Board(sign, lat, lon, tuple(lines.get(sign.id, []))) for sign, lat, lon in signs]


class Numbers(NamedTuple):
    """What is known of the facilities that boards count."""

    seen: Mapping[UUID, Glance]
    entry: Entry


async def numbers_of(session: AsyncSession, boards: Sequence[Board], now: datetime) -> Numbers:
    """The numbers of all facilities that these boards count, and who may enter them now."""
    ids = {f for board in boards for line in board.lines for f in line.counted}
    return Numbers(await glance(session, ids), await entry_of(session, ids, now))


def judge(board: Board, line: Line, numbers: Numbers, now: datetime) -> Judged:
    """What a row shows now.

    What is only for who has booked is counted where the board names it: it may stand at that very gate.
    """
    shut = numbers.entry.shut | (numbers.entry.by_booking - set(line.named))
    seen = [Seen(*numbers.seen[f], f in shut) for f in line.counted if f in numbers.seen]
    return rules.judge_row(seen, board.limits, line.was_full, now)


def show(board: Board, numbers: Numbers, now: datetime) -> Shown:
    """What a board shows now."""
    sign = board.sign
    content = SignContent(
        version="",
        code=sign.code,
        name=sign.name,
        level=Level(sign.level),
        brightness=sign.brightness,
        blank_after_s=round(rules.SILENT_AFTER.total_seconds()),
        rows=[_row(board, line, judge(board, line, numbers, now)) for line in board.lines],
    )
    version = sha256(msgspec.json.encode(content)).hexdigest()[:16]
    content = msgspec.structs.replace(content, version=version)
    return Shown(sign.code, version, msgspec.json.encode(content))


def _row(board: Board, line: Line, judged: Judged) -> RowContent:
    value = rules.value_text(judged, line.shows)
    return RowContent(
        line=rules.line_text(line.label, line.arrow, value, board.sign.columns),
        arrow=line.arrow,
        label=line.label,
        state=judged.state,
        number=judged.number if line.shows is Shows.NUMBER else None,
        value=value,
        plain=rules.plain_text(judged, line.shows, board.sign.digits),
        partial=judged.partial,
    )

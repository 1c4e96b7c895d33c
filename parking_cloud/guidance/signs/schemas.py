"""What boards are sent, and what staff say and see of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from parking_cloud.guidance.signs.rules import Arrow, Level, RowState, Shows, Way

Code = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,40}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
MOST_ROWS = 8


class RowContent(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `line` is made to the board's width; who composes lines by himself takes the rest.

    `value` is in Chinese, `plain` in ASCII. `number` is at least so many free; with `partial` there may be
    more. It is null when the line is full or blank.
    """

    line: str
    arrow: Arrow
    label: str
    state: RowState
    number: int | None
    value: str
    plain: str
    partial: bool


class SignContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a board shows. After `blank_after_s` seconds without an answer it has to go blank by itself.

    `version` names the content: it is the entity tag of a fetch, and what a pushed board acknowledges.
    """

    version: str
    code: str
    name: str
    level: Level
    brightness: int
    blank_after_s: int
    rows: list[RowContent]


class SignPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A board as people see it hanging there (WGS-84)."""

    code: str
    name: str
    level: Level
    lat: float
    lon: float
    facing: int | None
    columns: int
    synthetic: bool


class SignPlaces(msgspec.Struct, frozen=True):
    items: list[SignPlace]


class RowIn(msgspec.Struct, frozen=True, kw_only=True):
    """A line: the facilities of `facilities` (codes) and of `district`, counted together."""

    label: Name
    arrow: Arrow = Arrow.NONE
    shows: Shows = Shows.NUMBER
    facilities: list[str] = []
    district: str | None = None


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """A board as staff describe it (WGS-84)."""

    name: Name
    level: Level
    lat: float
    lon: float
    rows: Annotated[list[RowIn], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]
    facing: Annotated[int, msgspec.Meta(ge=0, le=359)] | None = None
    way: Way = Way.POLL
    full_below: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    open_again_at: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    blank_after_s: Annotated[int, msgspec.Meta(ge=60, le=7200)] = 1800
    digits: Annotated[int, msgspec.Meta(ge=1, le=5)] = 4
    columns: Annotated[int, msgspec.Meta(ge=10, le=64)] = 20
    brightness: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80


class NewSign(SignIn, frozen=True, kw_only=True):
    code: Code


class SignKey(msgspec.Struct, frozen=True):
    """A board's key: told once, kept only as a hash."""

    code: str
    key: str


class SignOut(SignIn, frozen=True, kw_only=True):
    """A board for staff. `heard_at`: when it last asked or acknowledged; `heard_version` what it then had."""

    id: UUID
    code: str
    active: bool
    synthetic: bool
    registered_at: datetime
    heard_at: datetime | None
    heard_version: str | None
    silent: bool


class SignList(msgspec.Struct, frozen=True):
    items: list[SignOut]

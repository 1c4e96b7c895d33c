"""The verbs of boards: register, change, give a key, retire; and hear that one still asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.guidance.signs.listening import listening
from parking_cloud.guidance.signs.models import Sign, SignRow, SignRowFacility, SignState
from parking_cloud.guidance.signs.reading import Board, load_boards
from parking_cloud.guidance.signs.rules import Level, Listening, Way, is_at_fault
from parking_cloud.guidance.signs.schemas import NewSign, RowIn, SignIn, SignKey, SignList, SignOut
from parking_cloud.kernel import audit
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem
from parking_cloud.operations.signs import close_sign_faults
from parking_cloud.registry.service import all_districts, facilities_by_code, facility_labels


class SignNotFound(NotFound):
    slug = "sign-not-found"
    title = {"zh-CN": "没有这块诱导屏", "en": "There is no such board"}


class SignExists(Problem):
    slug = "sign-exists"
    status = 409
    title = {"zh-CN": "该编号已被使用", "en": "This code is taken"}
    detail = {"zh-CN": "请换一个编号，或修改已有的诱导屏。", "en": "Choose another, or change that board."}


class Heard(NamedTuple):
    """That a board asked or acknowledged, and which version it then had (None: it did not say)."""

    at: datetime
    version: str | None


async def register(
    session: AsyncSession,
    who: Identity | None,
    new: NewSign,
    now: datetime,
    *,
    key: str = "",
    synthetic: bool = False,
) -> SignKey:
    """A new board; its key is told this once. Without `who` it is the platform's own deed.

    Raises SignExists, InvalidInput.
    """
    if await session.scalar(select(Sign.id).where(Sign.code == new.code)) is not None:
        raise SignExists()
    key = key or secrets.token_urlsafe(24)
    sign = Sign(code=new.code, registered_at=now, active=True, key_hash=hash_of(key), synthetic=synthetic)
    _describe(sign, new)
    session.add(sign)
    await session.flush()
    session.add(SignState(sign_id=sign.id))
    await _write_rows(session, sign.id, new.rows)
    await _audit(session, who, "signs.registered", new.code)
    return SignKey(new.code, key)


async def change(session: AsyncSession, who: Identity, code: str, changed: SignIn) -> None:
    """Describe a board anew. Raises SignNotFound, InvalidInput."""
    sign = await _sign(session, code)
    _describe(sign, changed)
    await session.execute(delete(SignRow).where(SignRow.sign_id == sign.id))
    await _write_rows(session, sign.id, changed.rows)
    await _audit(session, who, "signs.changed", code)


async def new_key(session: AsyncSession, who: Identity, code: str) -> SignKey:
    """Another key; the one before no longer holds. Raises SignNotFound."""
    sign = await _sign(session, code)
    key = secrets.token_urlsafe(24)
    sign.key_hash = hash_of(key)
    await _audit(session, who, "signs.new_key", code)
    return SignKey(code, key)


async def set_active(session: AsyncSession, who: Identity, code: str, active: bool, now: datetime) -> None:
    """Take a board out of use, or back into it: it is awaited from then on. Raises SignNotFound."""
    sign = await _sign(session, code)
    if active and not sign.active:
        sign.registered_at = now
    sign.active = active
    await _audit(session, who, "signs.activated" if active else "signs.retired", code)


async def list_signs(session: AsyncSession, now: datetime) -> SignList:
    """Every board, by code."""
    boards = await load_boards(session, everything=True)
    ways = await listening(session)
    states = {state.sign_id: state for state in await session.scalars(select(SignState))}
    labels = await facility_labels(session, {f for b in boards for line in b.lines for f in line.named})
    codes = {facility: label.code for facility, label in labels.items()}
    return SignList([_out(board, states[board.sign.id], codes, ways, now) for board in boards])


async def hear(session: AsyncSession, heard: Mapping[UUID, Heard]) -> None:
    """Note when boards were last heard; what was wrong with their silence is over."""
    # In one order, so that two processes that hear the same boards cannot block each other in a circle.
    signs = sorted(heard)
    await session.execute(
        text(
            "update sign_state s set heard_at = n.at, heard_version = coalesce(n.version, s.heard_version)"
            " from unnest(cast(:signs as uuid[]), cast(:times as timestamptz[]), cast(:versions as text[]))"
            " as n(sign_id, at, version)"
            " where s.sign_id = n.sign_id and (s.heard_at is null or s.heard_at < n.at)"
        ),
        {
            "signs": signs,
            "times": [heard[sign].at for sign in signs],
            "versions": [heard[sign].version for sign in signs],
        },
    )
    await close_sign_faults(session, {sign: heard[sign].at for sign in signs})


def hash_of(key: str) -> str:
    """A key is long and random: its SHA-256 tells nothing of it."""
    return sha256(key.encode()).hexdigest()


async def _sign(session: AsyncSession, code: str) -> Sign:
    sign = await session.scalar(select(Sign).where(Sign.code == code).with_for_update())
    if sign is None:
        raise SignNotFound()
    return sign


def _describe(sign: Sign, given: SignIn) -> None:
    if given.open_again_at < given.full_below:
        raise _refused("open_again_at", "must not be below full_below")
    place = Position(given.lat, given.lon)
    sign.position = f"SRID=4326;POINT({place.lon} {place.lat})"
    sign.name, sign.facing = given.name, given.facing
    sign.level, sign.way = given.level.value, given.way.value
    sign.full_below, sign.open_again_at = given.full_below, given.open_again_at
    sign.blank_after_s, sign.digits = given.blank_after_s, given.digits
    sign.columns, sign.brightness = given.columns, given.brightness


async def _write_rows(session: AsyncSession, sign_id: UUID, rows: list[RowIn]) -> None:
    known = await facilities_by_code(session, {code for row in rows for code in row.facilities})
    districts = set(await all_districts(session)) if any(row.district for row in rows) else set()
    for place, row in enumerate(rows):
        field = f"rows[{place}]"
        if not row.facilities and not row.district:
            raise _refused(field, "names neither a facility nor a district")
        if missing := set(row.facilities) - known.keys():
            raise _refused(f"{field}.facilities", f"there is no {', '.join(sorted(missing))}")
        if row.district and row.district not in districts:
            raise _refused(f"{field}.district", f"no facility is in {row.district}")
        made = SignRow(
            sign_id=sign_id,
            place=place,
            label=row.label,
            arrow=row.arrow.value,
            shows=row.shows.value,
            district=row.district or None,
        )
        session.add(made)
        await session.flush()
        session.add_all(
            SignRowFacility(row_id=made.id, facility_id=known[code]) for code in set(row.facilities)
        )
    await session.flush()


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": field, "message": message}])


def _out(
    board: Board,
    state: SignState,
    codes: Mapping[UUID, str],
    ways: Mapping[Way, Listening],
    now: datetime,
) -> SignOut:
    sign = board.sign
    way = Way(sign.way)
    return SignOut(
        id=sign.id,
        code=sign.code,
        name=sign.name,
        level=Level(sign.level),
        lat=board.lat,
        lon=board.lon,
        rows=[
            RowIn(
                label=line.label,
                arrow=line.arrow,
                shows=line.shows,
                facilities=sorted(codes[f] for f in line.named),
                district=line.district,
            )
            for line in board.lines
        ],
        facing=sign.facing,
        way=way,
        full_below=sign.full_below,
        open_again_at=sign.open_again_at,
        blank_after_s=sign.blank_after_s,
        digits=sign.digits,
        columns=sign.columns,
        brightness=sign.brightness,
        active=sign.active,
        synthetic=sign.synthetic,
        registered_at=sign.registered_at,
        heard_at=state.heard_at,
        heard_version=state.heard_version,
        silent=sign.active and is_at_fault(state.heard_at, sign.registered_at, ways.get(way), now) is True,
    )


async def _audit(session: AsyncSession, who: Identity | None, action: str, code: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id if who else None,
        actor_role=who.role if who else "system",
        action=action,
        subject_type="sign",
        subject_id=code,
    )

"""What the printed QR codes stand for: an opaque code names a facility, or one lane of it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotAllowed, NotFound, Problem
from parking_cloud.payments.models import PayPlace
from parking_cloud.registry.service import FacilityLabel, facility_labels

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are taken for one another: a code can be read out."""
_LENGTH = 12


class PlaceNotFound(NotFound):
    slug = "pay-place-not-found"
    title = {"zh-CN": "这个二维码不可用", "en": "This QR code is not in use"}
    detail = {
        "zh-CN": "它可能已更换。您仍可直接输入车牌支付。",
        "en": "It may have been replaced. You can still pay by your number plate.",
    }


class PlaceThere(Problem):
    slug = "pay-place-there"
    status = 409
    title = {"zh-CN": "该处已有二维码", "en": "There is a QR code for this already"}
    detail = {"zh-CN": "请使用现有的，或先停用它。", "en": "Use that one, or end it first."}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a code hangs."""

    code: str
    facility_id: UUID
    lane: str
    """Empty: the whole facility's."""


class PlaceIn(msgspec.Struct, frozen=True):
    facility_id: UUID
    lane: Annotated[str, msgspec.Meta(max_length=40)] = ""


async def place_of(session: AsyncSession, code: str) -> Place | None:
    """What a code in use stands for; None for any other text."""
    row = await session.scalar(select(PayPlace).where(PayPlace.code == code, PayPlace.ended_at.is_(None)))
    return None if row is None else _as_place(row)


async def places_in_use(session: AsyncSession, who: Identity) -> list[tuple[FacilityLabel, Place]]:
    """All codes in use that this person's work concerns, by facility and lane."""
    rows = (await session.scalars(select(PayPlace).where(PayPlace.ended_at.is_(None)))).all()
    labels = await facility_labels(session, {row.facility_id for row in rows})
    shown = [
        (labels[row.facility_id], _as_place(row))
        for row in rows
        if who.role is not Role.OPERATOR_STAFF or labels[row.facility_id].operator_id == who.operator_id
    ]
    return sorted(shown, key=lambda pair: (pair[0].code, pair[1].lane))


async def make_place(session: AsyncSession, who: Identity, new: PlaceIn) -> Place:
    """A code for a facility or lane. Raises NotFound, NotAllowed (another operator's), PlaceThere."""
    await _theirs(session, who, new.facility_id)
    code = _new_code()
    try:
        async with session.begin_nested():
            session.add(PayPlace(code=code, facility_id=new.facility_id, lane=new.lane.strip()))
    except IntegrityError as error:
        raise PlaceThere() from error
    await _note(session, who, "pay-place made", code)
    return Place(code=code, facility_id=new.facility_id, lane=new.lane.strip())


async def end_place(session: AsyncSession, who: Identity, code: str, now: datetime) -> None:
    """A printed code leads nowhere from now on; again changes nothing. Raises PlaceNotFound, NotAllowed."""
    place = await session.get(PayPlace, code)
    if place is None:
        raise PlaceNotFound()
    await _theirs(session, who, place.facility_id)
    if place.ended_at is None:
        place.ended_at = now
        await _note(session, who, "pay-place ended", code)


async def ensure_places(session: AsyncSession, facility_ids: Collection[UUID]) -> None:
    """A code for each whole facility that has none in use."""
    insert = text(
        "insert into pay_place (code, facility_id) values (:code, :facility)"
        " on conflict (facility_id, lane) where ended_at is null do nothing"
    )
    if facility_ids:
        await session.execute(insert, [{"code": _new_code(), "facility": id_} for id_ in facility_ids])


def _new_code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def _as_place(row: PayPlace) -> Place:
    return Place(code=row.code, facility_id=row.facility_id, lane=row.lane)


async def _theirs(session: AsyncSession, who: Identity, facility_id: UUID) -> None:
    label = (await facility_labels(session, [facility_id])).get(facility_id)
    if label is None:
        raise NotFound()
    if who.role is Role.OPERATOR_STAFF and label.operator_id != who.operator_id:
        raise NotAllowed()


async def _note(session: AsyncSession, who: Identity, action: str, code: str) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type="pay_place",
        subject_id=code,
    )

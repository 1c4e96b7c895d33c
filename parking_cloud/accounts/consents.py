"""Separate consents (单独同意), for what nobody needs to agree to in order to park and pay.

Each can be taken back as easily as it was given, and what hangs on it then stops.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.consent_models import Consent, ConsentText, RetentionRule
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import Problem


class Purpose(StrEnum):
    POSITION = "position"
    """Where I am, while I say that I am parked."""
    RATING = "rating"
    """My words about a stay, for everybody to read."""
    SMS = "sms"


class ConsentNeeded(Problem):
    slug = "consent-needed"
    status = 403
    title = {"zh-CN": "需要您的单独同意", "en": "This needs your consent"}
    detail = {
        "zh-CN": "请在“我的数据”中查看并同意，或换用不需要它的方式。",
        "en": "Read it and agree under “My data”, or use the way that does not need it.",
    }


class TextHasChanged(Problem):
    slug = "consent-text-changed"
    status = 409
    title = {"zh-CN": "同意书已更新", "en": "The words of this consent have changed"}
    detail = {"zh-CN": "请重新阅读后再决定。", "en": "Read them again, then decide."}


class ConsentOut(msgspec.Struct, frozen=True, kw_only=True):
    """`version`: of the text that is asked for now; `agreed`: to which version the driver said yes."""

    purpose: Purpose
    version: int
    title: str
    body: str
    agreed: int | None
    given_at: datetime | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What stays when an account is closed; `confirmed`: the length of time was found in the law."""

    what: str
    title: str
    why: str
    confirmed: bool


async def offered(session: AsyncSession, user_id: UUID, language: str) -> list[ConsentOut]:
    """What a driver may agree to, and has."""
    given = {row.purpose: row for row in await session.scalars(_live(user_id))}
    texts = {
        row.purpose: row for row in await session.scalars(select(ConsentText).order_by(ConsentText.version))
    }
    return [
        ConsentOut(
            purpose=purpose,
            version=texts[purpose].version,
            title=texts[purpose].texts[language]["title"],
            body=texts[purpose].texts[language]["body"],
            agreed=given[purpose].version if purpose in given else None,
            given_at=given[purpose].given_at if purpose in given else None,
        )
        for purpose in Purpose
    ]


async def give(session: AsyncSession, user_id: UUID, purpose: Purpose, version: int, now: datetime) -> None:
    """Yes to these words; said again, nothing changes. Raises TextHasChanged."""
    newest = await _newest(session, purpose)
    if version != newest:
        raise TextHasChanged()
    before = await session.scalar(_live(user_id).where(Consent.purpose == purpose.value))
    if before is not None and before.version == version:
        return
    await withdraw(session, user_id, purpose, now)
    await session.execute(
        insert(Consent)
        .values(id=new_id(), user_id=user_id, purpose=purpose.value, version=version, given_at=now)
        .on_conflict_do_nothing()
    )


async def give_newest(session: AsyncSession, user_id: UUID, purpose: Purpose, now: datetime) -> None:
    """What a driver asked for themselves is agreed to by that."""
    await give(session, user_id, purpose, await _newest(session, purpose), now)


async def withdraw(session: AsyncSession, user_id: UUID, purpose: Purpose, now: datetime) -> None:
    """No more, from now on."""
    await session.execute(
        text(
            "update consent set withdrawn_at = greatest(:now, given_at)"
            " where user_id = :user and purpose = :purpose and withdrawn_at is null"
        ),
        {"user": user_id, "purpose": purpose.value, "now": now},
    )


async def givers(session: AsyncSession, user_ids: Collection[UUID], purpose: Purpose) -> set[UUID]:
    """Who of these agrees."""
    query = select(Consent.user_id).where(
        Consent.user_id.in_(user_ids), Consent.purpose == purpose.value, Consent.withdrawn_at.is_(None)
    )
    return set(await session.scalars(query))


async def given_since(
    session: AsyncSession, user_ids: Collection[UUID], purpose: Purpose
) -> dict[UUID, datetime]:
    """Who of these agrees, and since when without a break; newer words agreed to are no break."""
    query = (
        select(Consent)
        .where(Consent.user_id.in_(user_ids), Consent.purpose == purpose.value)
        .order_by(Consent.given_at, Consent.id)
    )
    since: dict[UUID, datetime] = {}
    ended: dict[UUID, datetime | None] = {}
    for row in await session.scalars(query.execution_options(populate_existing=True)):
        if ended.get(row.user_id) != row.given_at:
            since[row.user_id] = row.given_at
        ended[row.user_id] = row.withdrawn_at
    return {user: at for user, at in since.items() if ended[user] is None}


async def needed(session: AsyncSession, user_id: UUID, purpose: Purpose) -> None:
    """Raises ConsentNeeded."""
    if user_id not in await givers(session, [user_id], purpose):
        raise ConsentNeeded()


async def kept_by_law(session: AsyncSession, language: str) -> list[Kept]:
    """What stays when an account is closed."""
    rows = await session.scalars(select(RetentionRule).order_by(RetentionRule.place))
    return [
        Kept(
            what=row.what,
            title=row.texts[language]["title"],
            why=row.texts[language]["why"],
            confirmed=row.status == "confirmed",
        )
        for row in rows
    ]


def _live(user_id: UUID) -> Select[Consent]:
    return select(Consent).where(Consent.user_id == user_id, Consent.withdrawn_at.is_(None))


async def _newest(session: AsyncSession, purpose: Purpose) -> int:
    query = select(func.max(ConsentText.version)).where(ConsentText.purpose == purpose.value)
    return await session.scalar(query) or 0


async def history_of(session: AsyncSession, user_id: UUID) -> list[Consent]:
    """What a driver agreed to and took back, ever."""
    query = select(Consent).where(Consent.user_id == user_id).order_by(Consent.id)
    return list(await session.scalars(query))

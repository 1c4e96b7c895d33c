"""The notices' verbs: tell somebody something once, keep where they want it, show what they were told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents, vehicles
from parking_cloud.accounts.consents import Purpose
from parking_cloud.accounts.phone_codes import sealed_phone
from parking_cloud.kernel.contacts import Channel, ContactVault, checked
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import LANGUAGES, InvalidInput, NotFound
from parking_cloud.notices.models import Contact, Notice, NoticeState
from parking_cloud.notices.schemas import (
    ContactIn,
    ContactOut,
    Given,
    NoticeOut,
    NoticePage,
    Reader,
    Texts,
)


class NoPhone(NotFound):
    slug = "no-phone"
    title = {"zh-CN": "这个账号没有登录手机号", "en": "This account has no phone to sign in by"}


class PhoneNotProved(InvalidInput):
    slug = "phone-not-proved"
    title = {"zh-CN": "只能使用登录手机号接收短信", "en": "Messages go only to the phone you sign in by"}


class NoticeNotFound(NotFound):
    slug = "notice-not-found"
    title = {"zh-CN": "没有这条通知", "en": "There is no such notice"}


async def tell(
    session: AsyncSession,
    *,
    reader: Reader,
    kind: str,
    dedupe_key: str,
    texts: Texts,
    now: datetime,
    vault: ContactVault | None = None,
) -> bool:
    """Tell a reader something; True the first time, False where it was told before under this key.

    A user finds it in the app and has it by every contact on file; a vehicle's holder likewise, once there
    is one; an address (sealed by `vault`) by mail. What is sent leaves after the commit.
    """
    user_id = reader.user_id
    if user_id is None and reader.plate_hash is not None:
        user_id = await _holder(session, reader.plate_hash, reader.about_at)
    rows: list[dict[str, object]] = [
        {"channel": contact.channel, "address_sealed": contact.sealed, "language": contact.language}
        for contact in await _contacts(session, user_id)
    ]
    if reader.mail:
        if vault is None:
            raise ValueError("an address can only be kept sealed")
        sealed = vault.seal(checked(Channel.MAIL, reader.mail))
        rows.append({"channel": Channel.MAIL.value, "address_sealed": sealed, "language": LANGUAGES[0]})
    for row in rows:
        row |= {"state": NoticeState.QUEUED.value, "try_again_at": now, "sent_at": None}
    if user_id is not None or reader.plate_hash is not None:
        rows.append(_in_app(user_id, now))
    if not rows:
        return False
    common = {
        "dedupe_key": dedupe_key,
        "kind": kind,
        "user_id": user_id,
        "plate_hash": reader.plate_hash,
        "about_at": reader.about_at,
        "texts": msgspec.to_builtins(texts),
        "created_at": now,
    }
    written = await session.execute(
        insert(Notice)
        .values([{"id": new_id(), **common, **row} for row in rows])
        .on_conflict_do_nothing(index_elements=["dedupe_key", "channel"])
        .returning(Notice.id)
    )
    return bool(written.all())


async def _holder(session: AsyncSession, plate_hash: bytes, about_at: datetime | None) -> UUID | None:
    holder = (await vehicles.holders(session, [plate_hash])).get(plate_hash)
    if holder is None or about_at is None or about_at < holder.since:
        return None
    return holder.user_id


def _in_app(user_id: UUID | None, now: datetime) -> dict[str, object]:
    """A user's notice is there for them at once; a vehicle's that nobody has waits for its holder."""
    state = NoticeState.QUEUED if user_id is None else NoticeState.SENT
    return {
        "channel": Channel.IN_APP.value,
        "address_sealed": None,
        "language": LANGUAGES[0],
        "state": state.value,
        "try_again_at": None,
        "sent_at": None if user_id is None else now,
    }


async def _contacts(session: AsyncSession, user_id: UUID | None) -> list[Contact]:
    if user_id is None:
        return []
    query = select(Contact).where(Contact.user_id == user_id).order_by(Contact.channel)
    found = (await session.scalars(query)).all()
    agrees = await consents.givers(session, [user_id], Purpose.SMS)
    return [contact for contact in found if contact.channel != Channel.SMS or agrees]


async def given(session: AsyncSession, dedupe_keys: Collection[str]) -> dict[str, Given]:
    """Which of these notices have really been given, by the best of their channels."""
    rows = await session.execute(
        select(Notice.dedupe_key, func.min(Notice.sent_at), func.bool_and(Notice.state == "failed"))
        .where(Notice.dedupe_key.in_(dedupe_keys))
        .group_by(Notice.dedupe_key)
    )
    return {key: Given(state=_best(at, failed), at=at) for key, at, failed in rows}


def _best(sent_at: datetime | None, failed: bool) -> NoticeState:
    if sent_at is not None:
        return NoticeState.SENT
    return NoticeState.FAILED if failed else NoticeState.QUEUED


async def vehicle_found_its_holder(
    session: AsyncSession, user_id: UUID, plate_hash: bytes, since: datetime, now: datetime
) -> None:
    """What waited for a vehicle's holder is laid before them, as far as it is of their time."""
    await session.execute(
        update(Notice)
        .where(Notice.plate_hash == plate_hash, Notice.user_id.is_(None), Notice.state == "queued")
        .where(Notice.about_at >= since)
        .values(user_id=user_id, state="sent", sent_at=now)
    )


async def notices_of(
    session: AsyncSession, user_id: UUID, *, language: str, before: UUID | None, limit: int
) -> NoticePage:
    """What a user was told in the app, newest first."""
    mine = (Notice.user_id == user_id, Notice.channel == "in_app")
    query = select(Notice).where(*mine).order_by(Notice.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Notice.id < before)
    rows = (await session.scalars(query)).all()
    unread = await session.scalar(select(func.count()).where(*mine, Notice.state == "sent"))
    items = [
        NoticeOut(
            id=row.id,
            kind=row.kind,
            title=row.texts[language]["title"],
            body=row.texts[language]["body"],
            created_at=row.created_at,
            read_at=row.read_at,
        )
        for row in rows[:limit]
    ]
    return NoticePage(items, unread or 0, items[-1].id if len(rows) > limit else None)


async def mark_read(session: AsyncSession, user_id: UUID, notice_id: UUID, now: datetime) -> None:
    """The reader has seen it; a second time changes nothing. Raises NoticeNotFound."""
    found = await session.scalar(
        update(Notice)
        .where(Notice.id == notice_id, Notice.user_id == user_id, Notice.channel == "in_app")
        .values(state="read", read_at=func.coalesce(Notice.read_at, now))
        .returning(Notice.id)
    )
    if found is None:
        raise NoticeNotFound()


async def set_contact(
    session: AsyncSession, user_id: UUID, stated: ContactIn, vault: ContactVault, now: datetime
) -> None:
    """Where the user wants to be told from now on; by SMS only at the phone that is proved to be theirs,
    or anybody could have strangers sent messages. Raises NoSuchAddress, PhoneNotProved."""
    channel = Channel(stated.channel)
    address = checked(channel, stated.address)
    if channel is Channel.SMS:
        proved = await sealed_phone(session, user_id)
        if proved is None or vault.open(proved) != address:
            raise PhoneNotProved(errors=[{"field": "address", "message": "not the phone you sign in by"}])
    sealed = vault.seal(address)
    await _keep_contact(session, user_id, channel, sealed, stated.language, now)


async def use_own_phone(session: AsyncSession, user_id: UUID, language: str, now: datetime) -> None:
    """Be told by SMS to the phone that one signs in by. Raises NoPhone."""
    sealed = await sealed_phone(session, user_id)
    if sealed is None:
        raise NoPhone()
    await _keep_contact(session, user_id, Channel.SMS, sealed, language, now)


async def _keep_contact(
    session: AsyncSession, user_id: UUID, channel: Channel, sealed: bytes, language: str, now: datetime
) -> None:
    values = {"sealed": sealed, "language": language, "changed_at": now}
    await session.execute(
        insert(Contact)
        .values(user_id=user_id, channel=channel.value, **values)
        .on_conflict_do_update(index_elements=["user_id", "channel"], set_=values)
    )
    if channel is Channel.SMS:
        await consents.give_newest(session, user_id, Purpose.SMS, now)


async def drop_contact(session: AsyncSession, user_id: UUID, channel: Channel, now: datetime) -> None:
    """No more by this channel; what is on its way there is not sent."""
    if channel is Channel.SMS:
        await consents.withdraw(session, user_id, Purpose.SMS, now)
    parameters = {"user": user_id, "channel": channel.value}
    await session.execute(
        text("delete from contact where user_id = :user and channel = :channel"), parameters
    )
    await session.execute(
        text(
            "update notice set state = 'failed', failure = 'contact withdrawn', try_again_at = null"
            " where user_id = :user and channel = :channel and state = 'queued'"
        ),
        parameters,
    )


async def forget(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """An account is closed: nothing more is sent, and of what was, only that it was."""
    for channel in (Channel.SMS, Channel.MAIL):
        await drop_contact(session, user_id, channel, now)
    await session.execute(
        text(
            "update notice set texts = '{}',"
            " address_sealed = case when channel <> 'in_app' then cast('' as bytea) end where user_id = :user"
        ),
        {"user": user_id},
    )


async def contacts_of(
    session: AsyncSession, user_id: UUID, vault: ContactVault, *, whole: bool = False
) -> list[ContactOut]:
    """Where the user is told, masked unless `whole`."""
    return [
        ContactOut(
            channel=Channel(row.channel),
            address=vault.open(row.sealed) if whole else _masked(vault.open(row.sealed)),
            language=row.language,
        )
        for row in await _contacts(session, user_id)
    ]


def _masked(address: str) -> str:
    name, at, domain = address.partition("@")
    return f"{name[:1]}***{at}{domain}" if at else f"{name[:3]}****{name[-4:]}"

"""A notice leaves once, whatever happens on its way; one that nobody can be given is not called sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.phone_codes import PhoneBook, give_phone
from parking_cloud.kernel.contacts import Channel, ContactVault
from parking_cloud.kernel.db import transaction
from parking_cloud.notices import service
from parking_cloud.notices.desk import NoticeDesk
from parking_cloud.notices.models import NoticeState
from parking_cloud.notices.schemas import ContactIn, Reader, Texts, Words
from parking_cloud.notices.senders import CarrierAway, CarrierRefused
from parking_cloud.notices.service import PhoneNotProved
from tests.notices.parts import KEY, LostAnswer, ScriptedCarrier, driver

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Sessions = async_sessionmaker[AsyncSession]
NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
VAULT = ContactVault(KEY)
WORDS: Texts = {
    "zh-CN": Words("提醒", "您有一笔停车费待缴。", "您有一笔停车费待缴，请登录查看。"),
    "en": Words("Reminder", "A parking charge is due.", "A parking charge is due; sign in."),
}


async def somebody(sessions: Sessions, channel: str = "sms", address: str = "13800001234") -> UUID:
    async with transaction(sessions) as session:
        who = await driver(session, "li")
        contact = ContactIn(channel=channel, address=address, language="en")  # type: ignore[arg-type]
        if channel == "sms":
            await give_phone(session, PhoneBook(KEY), who.user_id, address, NOW)
        await service.set_contact(session, who.user_id, contact, VAULT, NOW)
        return who.user_id


async def tell(sessions: Sessions, reader: Reader, key: str = "reminder 1") -> bool:
    async with transaction(sessions) as session:
        return await service.tell(
            session, reader=reader, kind="reminder", dedupe_key=key, texts=WORDS, now=NOW, vault=VAULT
        )


async def state_of(sessions: Sessions, key: str = "reminder 1") -> NoticeState:
    async with transaction(sessions) as session:
        return (await service.given(session, [key]))[key].state


async def test_told_twice_is_sent_once(sessions: Sessions) -> None:
    reader = Reader(user_id=await somebody(sessions))
    assert await tell(sessions, reader)
    assert not await tell(sessions, reader)
    sms = ScriptedCarrier()
    desk = NoticeDesk(sessions, {Channel.SMS: sms}, VAULT)
    assert await desk.send_some(NOW) == 1
    assert await desk.send_some(NOW + timedelta(days=1)) == 0
    (message,) = sms.taken.values()
    assert (message.to, message.text) == ("13800001234", WORDS["en"].short)


async def test_a_lost_answer_is_asked_for_again_with_the_same_id(sessions: Sessions) -> None:
    await tell(sessions, Reader(user_id=await somebody(sessions)))
    sms = ScriptedCarrier(LostAnswer(CarrierAway("ReadTimeout")), CarrierAway("HTTP 503"))
    desk = NoticeDesk(sessions, {Channel.SMS: sms}, VAULT)
    for minutes in (0, 10, 20):
        await desk.send_some(NOW + timedelta(minutes=minutes))
    assert (sms.asked, len(sms.taken)) == (3, 1)


async def test_who_dies_between_claim_and_answer_leaves_it_to_the_next(sessions: Sessions) -> None:
    await tell(sessions, Reader(user_id=await somebody(sessions)))
    dying = NoticeDesk(sessions, {Channel.SMS: ScriptedCarrier(RuntimeError("killed"))}, VAULT)
    with pytest.raises(RuntimeError):
        await dying.send_some(NOW)
    sms = ScriptedCarrier()
    desk = NoticeDesk(sessions, {Channel.SMS: sms}, VAULT)
    assert await desk.send_some(NOW + timedelta(seconds=30)) == 0
    assert await desk.send_some(NOW + timedelta(minutes=3)) == 1
    assert len(sms.taken) == 1


async def test_one_that_is_refused_has_not_been_given(sessions: Sessions) -> None:
    await tell(sessions, Reader(mail="wang@example.com"))
    mail = ScriptedCarrier(CarrierRefused("HTTP 422"))
    assert await state_of(sessions) is NoticeState.QUEUED
    await NoticeDesk(sessions, {Channel.MAIL: mail}, VAULT).send_some(NOW)
    assert await state_of(sessions) is NoticeState.FAILED


async def test_a_carrier_that_stays_away_is_given_up_after_days(sessions: Sessions) -> None:
    await tell(sessions, Reader(mail="wang@example.com"))
    mail = ScriptedCarrier(*[CarrierAway("HTTP 503")] * 50)
    desk = NoticeDesk(sessions, {Channel.MAIL: mail}, VAULT)
    for hours in range(0, 24 * 7, 3):
        await desk.send_some(NOW + timedelta(hours=hours))
    assert await state_of(sessions) is NoticeState.FAILED
    assert mail.asked == 12


async def test_a_vehicle_that_nobody_has_is_not_told(sessions: Sessions) -> None:
    await tell(sessions, Reader(plate_hash=b"x" * 32, about_at=NOW))
    assert await state_of(sessions) is NoticeState.QUEUED


async def test_a_user_finds_it_in_the_app_and_reads_it(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        li, wu = await driver(session, "li"), await driver(session, "wu")
    await tell(sessions, Reader(user_id=li.user_id))
    async with transaction(sessions) as session:
        page = await service.notices_of(session, li.user_id, language="en", before=None, limit=10)
        assert ([n.title for n in page.items], page.unread) == (["Reminder"], 1)
        with pytest.raises(service.NoticeNotFound):
            await service.mark_read(session, wu.user_id, page.items[0].id, NOW)
        await service.mark_read(session, li.user_id, page.items[0].id, NOW)
        await service.mark_read(session, li.user_id, page.items[0].id, NOW + timedelta(hours=1))
        page = await service.notices_of(session, li.user_id, language="zh-CN", before=None, limit=10)
        assert ([n.read_at for n in page.items], page.unread) == ([NOW], 0)


async def test_a_withdrawn_contact_gets_nothing_more(sessions: Sessions) -> None:
    user = await somebody(sessions)
    await tell(sessions, Reader(user_id=user))
    async with transaction(sessions) as session:
        await service.drop_contact(session, user, Channel.SMS, NOW)
    sms = ScriptedCarrier()
    assert await NoticeDesk(sessions, {Channel.SMS: sms}, VAULT).send_some(NOW) == 0


async def test_an_address_is_nowhere_in_the_clear(sessions: Sessions) -> None:
    user = await somebody(sessions, "mail", "Wang@Example.com")
    await tell(sessions, Reader(user_id=user))
    async with transaction(sessions) as session:
        rows = await session.execute(text("select n::text || c::text from notice n, contact c"))
        stored = "".join(row[0] for row in rows).lower()
        assert stored
        assert "wang@example.com" not in stored
        assert b"wang@example.com".hex() not in stored
        (contact,) = await service.contacts_of(session, user, VAULT)
        assert contact.address == "W***@Example.com"


async def test_an_sms_goes_to_no_phone_that_is_not_proved(sessions: Sessions) -> None:
    """Else anybody could have strangers sent messages."""
    user = await somebody(sessions)
    async with transaction(sessions) as session:
        own = ContactIn(channel="sms", address="138 0000 1234")
        await service.set_contact(session, user, own, VAULT, NOW)
        another = ContactIn(channel="sms", address="13900001234")
        with pytest.raises(PhoneNotProved):
            await service.set_contact(session, user, another, VAULT, NOW)
        assert [c.address for c in await service.contacts_of(session, user, VAULT)] == ["138****1234"]

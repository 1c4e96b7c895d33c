"""A driver reads everything kept about them, and nobody else's; and leaves, with what is owed named first."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import phone_codes, sessions, vehicles
from parking_cloud.accounts.consents import Purpose, give_newest
from parking_cloud.accounts.phone_codes import PhoneBook
from parking_cloud.accounts.service import upsert_user
from parking_cloud.accounts.tokens import Identity
from parking_cloud.driver.my_data import SECTIONS
from parking_cloud.enforcement import service as enforcement
from parking_cloud.enforcement.schemas import ClueSource
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import ContactIn, Reader, Words
from parking_cloud.payments.charging import assess_stay
from parking_cloud.sharing.booking import extend
from parking_cloud.sharing.paying import end_over
from sensor_gateway.plates import parse_plate
from sensor_gateway.sealing import PlateVault
from tests.driver.parts import Phone, a_phone, verified
from tests.enforcement.test_evidence_is_never_changed_after_intake import picture
from tests.notices.parts import driver
from tests.payments.parts import (
    HOUR,
    KEY,
    NEIGHBOURS,
    OWN,
    VAULT,
    hashed,
    left,
    minute,
    parked,
    priced_garage,
)
from tests.sharing.parts import FRIDAY_NOON, hall, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
PHONE = "13800138000"
HOURS = timedelta(hours=1)
SEVEN, NINE = city("2026-11-20 19:00"), city("2026-11-20 21:00")
WORDS = {language: Words("title", "body", "short") for language in ("zh-CN", "en")}


@pytest.fixture
async def phone(settings: Settings, redis: Redis, session: AsyncSession) -> AsyncIterator[Phone]:
    async with a_phone(settings) as made:
        yield made


async def with_a_life(session: AsyncSession, name: str = "li") -> Identity:
    """A driver of whom something is kept in every place where a driver can leave something."""
    who, now = await driver(session, name), minute(0)
    await phone_codes.give_phone(session, PhoneBook(KEY), who.user_id, PHONE, now)
    await sessions.begin(session, who.user_id, "Mozilla/5.0 (Linux; Android 14) Chrome/120", now)
    await give_newest(session, who.user_id, Purpose.POSITION, now)
    mail = ContactIn(channel="mail", address="li@example.com")
    await notices.set_contact(session, who.user_id, mail, ContactVault(KEY), now)
    reader = Reader(user_id=who.user_id)
    await notices.tell(session, reader=reader, kind="x", dedupe_key="a notice", texts=WORDS, now=now)
    await enforcement.add_clue(
        session,
        cause="a report",
        kind="other",
        source=ClueSource.REPORT,
        at=now,
        text="seen by li",
        plate_hash=hashed(NEIGHBOURS),
        plate_sealed=VAULT.seal(parse_plate(NEIGHBOURS)),
        photos=[await enforcement.seal_photo(picture(), FileVault(KEY, enforcement.PURPOSE))],
        reporter=who.user_id,
        now=now,
    )
    await session.commit()
    await verified(session, who)
    return who


async def owes_an_hour(session: AsyncSession) -> None:
    stay = await parked(session, await priced_garage(session))
    await left(session, stay, 30)
    await assess_stay(session, stay, minute(31))
    await session.commit()


async def test_the_document_is_whole_and_only_their_own(phone: Phone, session: AsyncSession) -> None:
    li = await with_a_life(session)
    other = await driver(session, "other")
    await verified(session, other, NEIGHBOURS)
    await owes_an_hour(session)
    await parked(session, (await session.scalar(text("select id from facility where code = 'garage'"))), 40)
    answer = await phone.asks(li, "GET", "/v1/me/data")
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-disposition"].startswith("attachment")
    assert document.keys() == {"made_at", *SECTIONS}
    filled = {name for name in SECTIONS if document[name]}
    assert filled >= {
        "account",
        "signed_in",
        "vehicles",
        "consents",
        "contacts",
        "notices",
        "stays_and_charges",
        "reports",
    }
    assert document["account"][0]["phone"] == PHONE
    assert document["vehicles"][0]["plate"] == OWN
    assert document["contacts"][0]["address"] == "li@example.com"
    assert document["reports"][0]["plate"] == NEIGHBOURS
    assert b64decode(document["report_photos"][0]["base64"]) == picture()
    assert document["stays_and_charges"][1]["charge"]["amount"] == HOUR
    others: dict[str, Any] = (await phone.asks(other, "GET", "/v1/me/data")).json()
    assert {name for name in SECTIONS if others[name]} == {"account", "vehicles", "left_out"}
    assert str(li.user_id) not in str(others)


async def test_much_of_it_comes_page_by_page(phone: Phone, session: AsyncSession) -> None:
    li = await with_a_life(session)
    garage = await priced_garage(session)
    for n in range(103):
        await parked(session, garage, n)
    document = (await phone.asks(li, "GET", "/v1/me/data")).json()
    assert len({stay["id"] for stay in document["stays_and_charges"]}) == 103


async def test_what_is_owed_is_named_before_the_account_goes(phone: Phone, session: AsyncSession) -> None:
    li = await with_a_life(session)
    await owes_an_hour(session)
    told = (await phone.asks(li, "GET", "/v1/me/closing")).json()
    assert (told["owed_total"], [charge["owed"] for charge in told["owed"]]) == (HOUR, [HOUR])
    assert {"money", "stays", "reports"} <= {kept["what"] for kept in told["kept"]}
    refused = await phone.asks(li, "DELETE", "/v1/me")
    assert refused.json()["type"].rpartition(":")[2] == "owed-is-named-first"
    assert (await phone.asks(li, "DELETE", f"/v1/me?owed={HOUR}")).status_code == 204
    assert await session.scalar(text("select amount - paid from charge")) == HOUR


async def test_what_goes_on_from_what_is_over_is_given_back_as_well(
    phone: Phone, session: AsyncSession
) -> None:
    await hall(session)
    li = await owner(session)
    first = await li.books(session, SEVEN, NINE)
    await pays(session, first, FRIDAY_NOON)
    more = await extend(session, li.id, first.id, NINE + 2 * HOURS, SEVEN)
    await session.commit()
    await pays(session, more, SEVEN)
    tomorrow = await li.books(session, SEVEN + 24 * HOURS, NINE + 24 * HOURS)
    await pays(session, tomorrow, FRIDAY_NOON)
    phone.clock.moment = NINE + HOURS
    await end_over(session, NINE + HOURS)
    await session.commit()
    told = (await phone.asks(li.who, "GET", "/v1/me/closing")).json()
    assert {booking["id"] for booking in told["bookings"]} == {str(more.id), str(tomorrow.id)}
    assert (await phone.asks(li.who, "DELETE", "/v1/me")).status_code == 204
    states = [(await state_of(session, each))[0] for each in (first, more, tomorrow)]
    assert states == ["ended", "cancelled", "cancelled"]


async def test_what_only_they_needed_goes_at_once(phone: Phone, session: AsyncSession) -> None:
    li = await with_a_life(session)
    assert (await phone.asks(li, "DELETE", "/v1/me")).status_code == 204
    for table in ("driver_phone", "driver_session", "contact", "licence_photo", "barrier_payment"):
        assert await session.scalar(text(f"select count(*) from {table}")) == 0, table
    assert await vehicles.holdings(session, li.user_id) == []
    assert set(await session.scalars(text("select octet_length(plate_sealed) from vehicle_binding"))) == {0}
    assert await session.scalar(text("select count(*) from consent where withdrawn_at is null")) == 0
    clue = (await session.execute(text("select reporter_id, text from clue"))).one()
    assert tuple(clue) == (None, "seen by li")
    assert set(await session.scalars(text("select texts::text from notice"))) == {"{}"}
    user = (await session.execute(text("select username, password_hash, active from user_account"))).one()
    assert (user.username.startswith("closed-"), user.password_hash, user.active) == (True, None, False)


async def test_the_same_phone_begins_anew(session: AsyncSession, phone: Phone) -> None:
    li = await with_a_life(session)
    await phone.asks(li, "DELETE", "/v1/me")
    book = PhoneBook(KEY)
    code = await phone_codes.new_code(session, book, PHONE, minute(130))
    again = await phone_codes.redeem(session, book, PHONE, code, minute(130))
    assert again.user_id != li.user_id
    assert await vehicles.vehicles_of(session, again.user_id, PlateVault(KEY)) == []


async def test_nobody_closes_anothers_or_a_staff_account(phone: Phone, session: AsyncSession) -> None:
    li = await with_a_life(session)
    staff = await upsert_user(session, username="s", password="a password", role="auditor")  # type: ignore[arg-type]
    await session.commit()
    auditor = Identity(user_id=staff.id, username="s", role="auditor")  # type: ignore[arg-type]
    assert (await phone.asks(auditor, "DELETE", "/v1/me")).status_code == 403
    assert await session.scalar(text("select count(*) from user_account where active")) == 2
    assert li.username == "li"

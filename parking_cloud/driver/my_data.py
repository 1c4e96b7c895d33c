"""Everything kept about a driver, as one JSON document that is written while it is read (PIPL art. 45)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts import consents, licences, own, sessions
from parking_cloud.accounts.phone_codes import sealed_phone
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import vehicles_of
from parking_cloud.arrears.service import objected_by, owed_by
from parking_cloud.enforcement import own as reported
from parking_cloud.enforcement.service import PURPOSE
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices.service import contacts_of, notices_of
from parking_cloud.payments import mandates, mine, permit_sales
from parking_cloud.payments.mandates import NoMandate
from parking_cloud.ratings.drivers import my_ratings
from parking_cloud.sharing import turn_away_records
from parking_cloud.sharing.bans import bans_of
from parking_cloud.sharing.mine import my_bookings
from parking_cloud.sharing.overstay_desk import overstays_of
from parking_cloud.stays.parked import said_by
from sensor_gateway.sealing import PlateVault

_PAGE = 100
_MOST_ROWS = 10_000
"""Of what comes in one piece: nobody rates or reports more."""


class Asked(NamedTuple):
    """Whose data, and what it takes to read them."""

    who: Identity
    settings: Settings
    language: str
    now: datetime


Rows = Callable[[AsyncSession, Asked], AsyncIterator[Any]]


async def document(reading: async_sessionmaker[AsyncSession], asked: Asked) -> AsyncIterator[bytes]:
    """The document, a row at a time: however much there is, little of it is in memory."""
    yield b'{"made_at":' + msgspec.json.encode(asked.now)
    for name, rows in SECTIONS.items():
        yield b',"' + name.encode() + b'":['
        async with reading() as session:
            first = True
            async for row in rows(session, asked):
                yield (b"" if first else b",") + msgspec.json.encode(row)
                first = False
        yield b"]"
    yield b"}"


async def _account(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    sealed = await sealed_phone(session, asked.who.user_id)
    phone = ContactVault(asked.settings.plate_key).open(sealed) if sealed else ""
    yield {"id": asked.who.user_id, "user_name": asked.who.username, "phone": phone}


async def _sessions(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await sessions.sessions_of(session, asked.who.user_id, asked.who.session_id, asked.now):
        yield row


async def _vehicles(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await vehicles_of(
        session, asked.who.user_id, PlateVault(asked.settings.plate_key), whole=True
    ):
        yield row


async def _consents(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await consents.history_of(session, asked.who.user_id):
        yield {
            "purpose": row.purpose,
            "version": row.version,
            "given_at": row.given_at,
            "withdrawn_at": row.withdrawn_at,
        }


async def _contacts(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await contacts_of(
        session, asked.who.user_id, ContactVault(asked.settings.plate_key), whole=True
    ):
        yield row


async def _notices(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    cursor: UUID | None = None
    while True:
        page = await notices_of(
            session, asked.who.user_id, language=asked.language, before=cursor, limit=_PAGE
        )
        for row in page.items:
            yield row
        cursor = page.next_cursor
        if cursor is None:
            return


async def _stays(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    before: datetime | None = None
    while True:
        page = await mine.my_stays(
            session, asked.who.user_id, asked.settings.secret_key, before=before, limit=_PAGE
        )
        for row in page.items:
            yield row
        before = page.next_before
        if before is None:
            return


async def _owed(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await owed_by(session, asked.who.user_id):
        yield row


async def _mandate(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    try:
        yield await mandates.look(session, asked.who.user_id, asked.now)
    except NoMandate:
        return


async def _permits(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await permit_sales.purchases_of(session, asked.who.user_id):
        yield row


async def _bookings(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    before: UUID | None = None
    while True:
        page = await my_bookings(session, asked.who.user_id, asked.now, before=before, limit=_PAGE)
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        before = page[-1].id


async def _turned_away(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await turn_away_records.mine(session, asked.who.user_id):
        yield row


async def _overstays(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await overstays_of(session, asked.who.user_id):
        yield row


async def _ratings(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await my_ratings(session, asked.who.user_id, asked.now, _MOST_ROWS):
        yield row


async def _reports(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await reported.reports_of(session, asked.who.user_id, PlateVault(asked.settings.plate_key)):
        yield row


async def _report_photos(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    vault = FileVault(asked.settings.plate_key, PURPOSE)
    async for row in reported.photos_of(session, asked.who.user_id, vault):
        yield row


async def _licence_photos(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    vault = FileVault(asked.settings.plate_key, licences.PURPOSE)
    for row in await own.licence_photos(session, asked.who.user_id, vault):
        yield row


async def _barrier_payments(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await own.barrier_payments(session, asked.who.user_id):
        yield row


async def _said_parked(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await said_by(session, asked.who.user_id):
        yield row


async def _objections(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await objected_by(session, asked.who.user_id):
        yield row


async def _suspensions(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for row in await bans_of(session, asked.who.user_id):
        yield row


_LEFT_OUT = {
    "zh-CN": (
        "开票信息：按小票保存，不关联账号；凭小票链接查看",
        "网关原始记录与审计日志：其中涉及他人，可向管理部门申请",
        "登录验证码、密钥与哈希值：公开会危及您的账号安全",
    ),
    "en": (
        "Buyers' details of invoices: kept by receipt, of no account; see the receipt's own link",
        "Raw records of gates and the audit log: they tell of others too; ask the authority for yours",
        "Sign-in codes, keys and hashes: they would endanger your account",
    ),
}


async def _left_out(session: AsyncSession, asked: Asked) -> AsyncIterator[Any]:
    for what in _LEFT_OUT["en" if asked.language == "en" else "zh-CN"]:
        yield what


SECTIONS: dict[str, Rows] = {
    "account": _account,
    "signed_in": _sessions,
    "vehicles": _vehicles,
    "consents": _consents,
    "contacts": _contacts,
    "notices": _notices,
    "stays_and_charges": _stays,
    "owed": _owed,
    "automatic_payment": _mandate,
    "permits": _permits,
    "bookings": _bookings,
    "turned_away": _turned_away,
    "overstays": _overstays,
    "ratings": _ratings,
    "reports": _reports,
    "report_photos": _report_photos,
    "licence_photos": _licence_photos,
    "barrier_payments": _barrier_payments,
    "said_parked": _said_parked,
    "objections": _objections,
    "suspensions": _suspensions,
    "left_out": _left_out,
}
"""Each slice's own, by its own verb: nobody else's data can be among them."""

"""Signing in by a code on one's phone. Whether a phone is known here is told to nobody: an account is made
for it when its first code is redeemed, and until then all phones are alike.

Nobody is kept out by what others do with their number: a code belongs to the network that asked for it, and a
right code is never refused for tries made elsewhere. Guessing is bounded by the codes themselves.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.driver_models import DriverPhone, PhoneCode
from parking_cloud.accounts.models import User
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.contacts import Channel, ContactVault, checked
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.limits import Limit, network_of
from parking_cloud.kernel.problems import Problem

DIGITS = 6
HOLDS_FOR = timedelta(minutes=5)
MOST_TRIES = 5
AGAIN_AFTER = timedelta(minutes=1)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TO_ONE_PHONE = (("h", 5, _HOUR), ("d", 10, _DAY))
_TO_ONE_PHONE_BY_ONE_ADDRESS = (("m", 1, AGAIN_AFTER), ("h", 3, _HOUR), ("d", 6, _DAY))
"""Fewer, so that no single stranger uses up what a phone may be sent."""
_BY_ONE_ADDRESS = (("h", 60, _HOUR), ("d", 200, _DAY))
"""Generous: mobile networks have many phones behind one address."""
_BY_EVERYBODY = ("all", 6000, _HOUR)
"""Above this somebody is pumping messages at the city's cost."""
_TRIES_BY_ONE_ADDRESS = 120
"""An hour. Ten codes a day, each of five tries from its own network and five from all others, make a hundred
guesses at one of a million: a limit for a phone would only let strangers shut its owner out."""


class CodeWrong(Problem):
    """Also for a code that was never asked for, ran out, or was tried too often: which, is not told."""

    slug = "code-wrong"
    status = 401
    commits = True
    title = {"zh-CN": "验证码不正确或已失效", "en": "The code is wrong or no longer holds"}
    detail = {
        "zh-CN": "请核对短信中的 6 位数字；5 分钟后或输错 5 次后，请重新获取。",
        "en": "Check the six digits; after five minutes or five failures, ask for a new one.",
    }


class PhoneBook:
    """Seals phones, hashes them, and hashes the codes sent to them, under keys derived from the data key."""

    def __init__(self, key_hex: str) -> None:
        self._vault = ContactVault(key_hex)
        self._code_key = hmac.digest(bytes.fromhex(key_hex), b"sign-in code", sha256)
        self._phone_key = hmac.digest(bytes.fromhex(key_hex), b"sign-in phone", sha256)

    def seal(self, phone: str) -> bytes:
        return self._vault.seal(phone)

    def masked(self, sealed: bytes) -> str:
        """Enough to recognise one's own: 138****8000."""
        phone = self._vault.open(sealed)
        return f"{phone[:3]}****{phone[-4:]}"

    def phone_hash(self, phone: str) -> bytes:
        return hmac.digest(self._phone_key, phone.encode(), sha256)

    def asked_from(self, phone_hash: bytes, address: str) -> bytes:
        """Tells networks apart for one phone, and tells of none."""
        return hmac.digest(self._phone_key, phone_hash + network_of(address).encode(), sha256)

    def code_hash(self, phone_hash: bytes, sent_at: datetime, code: str) -> bytes:
        said = b"|".join((phone_hash, sent_at.isoformat().encode(), code.encode()))
        return hmac.digest(self._code_key, said, sha256)


def phone_of(typed: str) -> str:
    """A mainland mobile number, tidied. Raises NoSuchAddress."""
    return checked(Channel.SMS, typed)


def limits_of_asking(phone_hash: bytes, address: str) -> list[Limit]:
    """How often a code may be asked for: to a phone, by an address, by all together."""
    phone, network = phone_hash.hex()[:32], network_of(address)
    everybody, most, window = _BY_EVERYBODY
    return [
        *(Limit(f"code:phone:{name}:{phone}", n, w) for name, n, w in _TO_ONE_PHONE),
        *(
            Limit(f"code:phone-from:{name}:{phone}:{network}", n, w)
            for name, n, w in _TO_ONE_PHONE_BY_ONE_ADDRESS
        ),
        *(Limit(f"code:from:{name}:{network}", n, w) for name, n, w in _BY_ONE_ADDRESS),
        Limit(f"code:{everybody}", most, window),
    ]


def limits_of_trying(address: str) -> list[Limit]:
    """How often codes may be typed: by an address."""
    return [Limit(f"code-try:from:{network_of(address)}", _TRIES_BY_ONE_ADDRESS, _HOUR)]


async def new_code(
    session: AsyncSession, book: PhoneBook, phone: str, now: datetime, address: str = ""
) -> str:
    """The code to send to a phone; one that the same network asked for before no longer holds."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    phone_hash = book.phone_hash(phone)
    values = {
        "code_hash": book.code_hash(phone_hash, now, code),
        "tries": 0,
        "tries_elsewhere": 0,
        "sent_at": now,
        "expires_at": now + HOLDS_FOR,
    }
    await session.execute(
        insert(PhoneCode)
        .values(phone_hash=phone_hash, asked_from=book.asked_from(phone_hash, address), **values)
        .on_conflict_do_update(index_elements=["phone_hash", "asked_from"], set_=values)
    )
    return code


async def redeem(
    session: AsyncSession, book: PhoneBook, phone: str, code: str, now: datetime, address: str = ""
) -> Identity:
    """Who signs in with a code; a phone seen for the first time gets an account. Raises CodeWrong."""
    phone_hash = book.phone_hash(phone)
    here = book.asked_from(phone_hash, address)
    live = select(PhoneCode).where(PhoneCode.phone_hash == phone_hash, PhoneCode.expires_at > now)
    query = live.order_by(PhoneCode.asked_from).with_for_update()
    sent = list(await session.scalars(query.execution_options(populate_existing=True)))
    if not any(_tried(book, each, code.strip(), own=each.asked_from == here) for each in sent):
        raise CodeWrong()
    await session.execute(delete(PhoneCode).where(PhoneCode.phone_hash == phone_hash))
    return identity_of(await _user_of(session, phone_hash) or await _new_user(session, book, phone, now))


def _tried(book: PhoneBook, sent: PhoneCode, code: str, *, own: bool) -> bool:
    """Whether it is that code; a wrong try is counted against it, by whence it came."""
    right = hmac.compare_digest(sent.code_hash, book.code_hash(sent.phone_hash, sent.sent_at, code))
    if (sent.tries if own else sent.tries_elsewhere) >= MOST_TRIES:
        return False
    if right:
        return True
    if own:
        sent.tries += 1
    else:
        sent.tries_elsewhere += 1
    return False


async def _user_of(session: AsyncSession, phone_hash: bytes) -> User | None:
    """Raises CodeWrong for one who may not sign in any more."""
    found: User | None = await session.scalar(
        select(User)
        .join(DriverPhone, DriverPhone.user_id == User.id)
        .where(DriverPhone.phone_hash == phone_hash)
    )
    if found is not None and not found.active:
        raise CodeWrong()
    return found


async def _new_user(session: AsyncSession, book: PhoneBook, phone: str, now: datetime) -> User:
    id_ = new_id()
    user = User(id=id_, username=f"driver-{id_.hex[-12:]}", password_hash=None, role=Role.DRIVER)
    session.add(user)
    await session.flush()
    await give_phone(session, book, user.id, phone, now)
    return user


async def give_phone(
    session: AsyncSession, book: PhoneBook, user_id: UUID, phone: str, now: datetime
) -> None:
    """A driver signs in by this phone from now on."""
    values = {"phone_hash": book.phone_hash(phone), "phone_sealed": book.seal(phone), "since": now}
    await session.execute(
        insert(DriverPhone)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )


async def holder_of(session: AsyncSession, book: PhoneBook, phone: str) -> UUID | None:
    """Whose phone it is."""
    found: UUID | None = await session.scalar(
        select(DriverPhone.user_id).where(DriverPhone.phone_hash == book.phone_hash(phone))
    )
    return found


async def sealed_phone(session: AsyncSession, user_id: UUID) -> bytes | None:
    """The phone that a driver signs in by, sealed as contacts are."""
    query = select(DriverPhone.phone_sealed).where(DriverPhone.user_id == user_id)
    found: bytes | None = await session.scalar(query)
    return found


async def masked_phone(session: AsyncSession, book: PhoneBook, user_id: UUID) -> str:
    """What a driver is shown of the phone they sign in by; empty where they have none."""
    sealed = await sealed_phone(session, user_id)
    return "" if sealed is None else book.masked(sealed)


def message(code: str, host: str, language: str) -> str:
    """What the SMS says. Its last line lets phones fill the code in, on our page and no other's."""
    words = {
        "zh-CN": f"【湖州停车】登录验证码 {code}，5 分钟内有效。请勿告诉任何人。",
        "en": f"[Huzhou Parking] Your sign-in code is {code}, good for 5 minutes. Tell it to nobody.",
    }
    return f"{words[language]}\n@{host} #{code}"

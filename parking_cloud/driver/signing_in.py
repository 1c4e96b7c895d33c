"""A driver signs in: a code goes to the phone, and whoever types it is signed in there. What the page and
the API share.

The carrier is asked between two transactions: the code is committed before it leaves, so the one that arrives
is the one that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import structlog
from litestar import Request
from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import phone_codes, sessions
from parking_cloud.accounts.phone_codes import AGAIN_AFTER, HOLDS_FOR, PhoneBook
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.contacts import Channel
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.limits import Limit, Limiter
from parking_cloud.kernel.problems import Problem
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices.senders import CarrierAway, CarrierRefused, Message, Sender

DEMO_PHONE = "13800138000"
"""Of the demo's driver: a carrier's own service number, nobody's."""

log = structlog.get_logger(__name__)


class CodeNotSent(Problem):
    slug = "code-not-sent"
    status = 503
    title = {"zh-CN": "短信暂时发不出去", "en": "No message can be sent at the moment"}
    detail = {
        "zh-CN": "请稍后再试。缴费不需要登录。",
        "en": "Try again shortly. Paying needs no signing in.",
    }


class CodeSent(msgspec.Struct, frozen=True, kw_only=True):
    """The same for every phone. Seconds; `demo_code` is told in the demo only, where no message leaves."""

    expires_in: int
    again_in: int
    demo_code: str | None = None


class Door(NamedTuple):
    """What signing in needs of the application."""

    state: State
    limiter: Limiter
    settings: Settings
    clock: Clock
    address: str
    user_agent: str


def door(request: Request[Identity | None, object, State], limiter: Limiter) -> Door:
    """The door that this request stands at."""
    state = request.app.state
    return Door(
        state,
        limiter,
        state.settings,
        state.clock,
        request.client.host if request.client else "",
        request.headers.get("user-agent", ""),
    )


async def send_code(at: Door, typed: str, language: str) -> CodeSent:
    """Send a code to a phone. Raises NoSuchAddress, TooManyTries, CodeNotSent."""
    phone, book = phone_codes.phone_of(typed), PhoneBook(at.settings.plate_key)
    now = at.clock.now()
    await at.limiter.count(_limits_of_asking(at, phone, book.phone_hash(phone)), now)
    async with transaction(at.state.sessions) as session:
        code = await phone_codes.new_code(session, book, phone, now, at.address)
    host = urlsplit(at.settings.public_url).hostname or ""
    words = phone_codes.message(code, host, language)
    await _give_over(at.state.senders, Message(id=new_id(), to=phone, title="", text=words), at.settings)
    return CodeSent(
        expires_in=int(HOLDS_FOR.total_seconds()),
        again_in=int(AGAIN_AFTER.total_seconds()),
        demo_code=code if at.settings.demo else None,
    )


def _limits_of_asking(at: Door, phone: str, phone_hash: bytes) -> list[Limit]:
    limits = phone_codes.limits_of_asking(phone_hash, at.address)
    if at.settings.demo and phone == DEMO_PHONE:
        # Everybody who looks at the demo signs in by it, and nobody is sent a message.
        return [limit for limit in limits if limit.window <= AGAIN_AFTER]
    return limits


async def _give_over(senders: Mapping[Channel, Sender], message: Message, settings: Settings) -> None:
    sender = senders.get(Channel.SMS)
    if sender is None:
        if settings.demo:
            return  # the page shows it
        log.error("no SMS carrier is set: nobody can sign in by phone")
        raise CodeNotSent()
    try:
        await sender.send(message)
    except (CarrierAway, CarrierRefused) as error:
        log.warning("a sign-in code could not be given over", why=str(error))
        raise CodeNotSent() from error


async def sign_in(at: Door, session: AsyncSession, typed: str, code: str) -> Identity:
    """Who typed the right code, in a session of their own. Raises NoSuchAddress, TooManyTries, CodeWrong."""
    phone, book = phone_codes.phone_of(typed), PhoneBook(at.settings.plate_key)
    now = at.clock.now()
    await at.limiter.count(phone_codes.limits_of_trying(at.address), now)
    identity = await phone_codes.redeem(session, book, phone, code, now, at.address)
    begun = await sessions.begin(session, identity.user_id, at.user_agent, now)
    return msgspec.structs.replace(identity, session_id=begun)

"""A code on one's phone signs in: once, within minutes, and telling nobody whether the phone is known."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import phone_codes
from parking_cloud.accounts.phone_codes import MOST_TRIES, CodeWrong, PhoneBook, limits_of_asking
from parking_cloud.app import create_app
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.contacts import Channel
from parking_cloud.kernel.limits import Limiter, TooManyTries
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices.senders import CarrierAway
from tests.factories import NOON
from tests.notices.parts import ScriptedCarrier
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
BOOK = PhoneBook("5c" * 32)
PHONE = "13800138000"


class World:
    """The application, a carrier whose messages can be read, and a clock."""

    def __init__(self, client: AsyncTestClient[Any], carrier: ScriptedCarrier, clock: FixedClock) -> None:
        self.client, self.carrier, self.clock = client, carrier, clock

    async def ask(self, phone: str = PHONE) -> Any:
        return await self.client.post("/v1/auth/codes", json={"phone": phone})

    @property
    def code(self) -> str:
        """The newest that was sent."""
        found = re.search(r"验证码 (\d{6})", list(self.carrier.taken.values())[-1].text)
        assert found
        return found[1]

    async def redeem(self, code: str, phone: str = PHONE) -> Any:
        return await self.client.post("/v1/auth/codes/redeem", json={"phone": phone, "code": code})

    def later(self, **time: float) -> None:
        self.clock.moment += timedelta(**time)


async def worlds(settings: Settings) -> AsyncIterator[World]:
    clock, carrier = FixedClock(NOON), ScriptedCarrier()
    async with client_of(settings, clock) as client:
        client.app.state.senders = {Channel.SMS: carrier}
        yield World(client, carrier, clock)


@pytest.fixture
async def world(settings: Settings, redis: Redis, session: AsyncSession) -> AsyncIterator[World]:
    async for made in worlds(settings):
        yield made


async def test_the_first_code_makes_the_account_and_the_next_finds_it(
    world: World, session: AsyncSession
) -> None:
    for minute in range(2):
        world.later(minutes=2 * minute)
        asked = await world.ask()
        assert asked.status_code == 202
        assert asked.json() == {"expires_in": 300, "again_in": 60, "demo_code": None}
        entered = await world.redeem(world.code)
        assert entered.status_code == 200
        bearer = {"Authorization": f"Bearer {entered.json()['access_token']}"}
        assert (await world.client.get("/v1/auth/me", headers=bearer)).json()["role"] == "driver"
    assert await session.scalar(text("select count(*) from user_account")) == 1


async def test_the_database_holds_neither_phone_nor_code_in_the_clear(
    world: World, session: AsyncSession
) -> None:
    await world.ask()
    code = world.code
    sent = (await session.execute(text("select t::text from phone_code t"))).scalars().all()
    await world.redeem(code)
    kept = (await session.execute(text("select t::text from driver_phone t"))).scalars().all()
    users = (await session.execute(text("select t::text from user_account t"))).scalars().all()
    for row in [*sent, *kept, *users]:
        assert PHONE not in row
        assert PHONE.encode().hex() not in row
        assert code.encode().hex() not in row


async def test_known_and_unknown_phones_are_answered_alike(world: World) -> None:
    await world.ask()
    await world.redeem(world.code)
    world.later(minutes=2)
    known, unknown = await world.ask(), await world.ask("13900139000")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    wrong = [await world.redeem("000000"), await world.redeem("000000", "13700137000")]
    assert wrong[0].json() == wrong[1].json()
    assert wrong[0].status_code == wrong[1].status_code == 401


async def test_a_code_holds_once_and_for_five_minutes(session: AsyncSession) -> None:
    async def sent() -> str:
        return await phone_codes.new_code(session, BOOK, PHONE, NOON)

    async def try_(code: str, seconds: float) -> None:
        await phone_codes.redeem(session, BOOK, PHONE, code, NOON + timedelta(seconds=seconds))

    code = await sent()
    with pytest.raises(CodeWrong):
        await try_(code, 300)
    await try_(code, 299)
    with pytest.raises(CodeWrong):
        await try_(code, 299)
    first, second = await sent(), await sent()
    if first != second:
        with pytest.raises(CodeWrong):
            await try_(first, 1)
    await try_(second, 1)


async def test_five_wrong_tries_end_it_even_for_the_right_code(world: World) -> None:
    await world.ask()
    right = world.code
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert (await world.redeem(wrong)).status_code == 401
    assert (await world.redeem(right)).status_code == 401


async def test_a_code_is_sent_once_a_minute_and_three_times_an_hour(world: World) -> None:
    assert (await world.ask()).status_code == 202
    assert (await world.ask()).status_code == 429
    for _ in range(2):
        world.later(seconds=61)
        assert (await world.ask()).status_code == 202
    world.later(seconds=61)
    assert (await world.ask()).status_code == 429
    assert (await world.ask("13900139000")).status_code == 202


async def test_strangers_who_try_or_ask_end_nobodys_code(session: AsyncSession) -> None:
    """Neither by five wrong tries, nor by asking for a code of their own to the same phone."""
    later = NOON + timedelta(minutes=1)
    right = await phone_codes.new_code(session, BOOK, PHONE, NOON, "192.0.2.1")
    other = await phone_codes.new_code(session, BOOK, PHONE, NOON, "198.51.100.9")
    wrong = next(f"{n:06}" for n in range(3) if f"{n:06}" not in (right, other))
    for _ in range(2 * MOST_TRIES):
        with pytest.raises(CodeWrong):
            await phone_codes.redeem(session, BOOK, PHONE, wrong, later, "198.51.100.9")
    with pytest.raises(CodeWrong):
        await phone_codes.redeem(session, BOOK, PHONE, right, later, "198.51.100.9")
    assert await phone_codes.redeem(session, BOOK, PHONE, right, later, "192.0.2.1")


async def test_a_phone_may_change_its_network_before_it_types(session: AsyncSession) -> None:
    right = await phone_codes.new_code(session, BOOK, PHONE, NOON, "192.0.2.1")
    assert await phone_codes.redeem(session, BOOK, PHONE, right, NOON, "203.0.113.7")


async def test_a_known_number_locks_nobody_out_for_a_day(world: World) -> None:
    await world.ask()
    wrong = f"{(int(world.code) + 1) % 1_000_000:06}"
    for _ in range(40):
        assert (await world.redeem(wrong)).status_code == 401
    world.later(minutes=2)
    assert (await world.ask()).status_code == 202
    assert (await world.redeem(world.code)).status_code == 200


async def test_no_single_stranger_uses_up_what_a_phone_may_be_sent(redis: Redis) -> None:
    limiter, now = Limiter(redis), NOON
    phone = BOOK.phone_hash(PHONE)
    asked = 0
    for _ in range(60):
        with suppress(TooManyTries):
            await limiter.count(limits_of_asking(phone, "198.51.100.9"), now)
            asked += 1
        now += timedelta(minutes=20)
    assert asked == 6
    await limiter.count(limits_of_asking(phone, "192.0.2.1"), now)


async def test_asking_again_too_soon_leaves_the_field_for_the_code_that_came(world: World) -> None:
    form = {"phone": PHONE, "next": "/me"}
    await world.client.post("/sign-in", data=form)
    code = world.code
    again = await world.client.post("/sign-in", data=form)
    assert "操作过于频繁" in again.text
    assert "管理员" not in again.text
    assert 'autocomplete="one-time-code"' in again.text
    entered = await world.client.post("/sign-in/code", data=form | {"code": code}, follow_redirects=False)
    assert entered.status_code == 303


async def test_the_demos_phone_is_for_everybody_all_day(
    settings: Settings, redis: Redis, session: AsyncSession
) -> None:
    async for world in worlds(msgspec.structs.replace(settings, demo=True)):
        for _ in range(12):
            assert (await world.ask()).status_code == 202
            world.later(minutes=2)
        others = [(await world.ask("13900139000"), world.later(minutes=2))[0] for _ in range(6)]
        assert others[-1].status_code == 429


async def test_a_carrier_that_is_away_is_told(world: World) -> None:
    world.carrier.failures.append(CarrierAway("HTTP 503"))
    refused = await world.ask()
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (503, "code-not-sent")


async def test_only_the_demo_tells_the_code(settings: Settings, redis: Redis, session: AsyncSession) -> None:
    async for world in worlds(msgspec.structs.replace(settings, demo=True)):
        assert (await world.ask()).json()["demo_code"] == world.code


async def test_what_is_ended_is_out_everywhere_within_a_minute(world: World, settings: Settings) -> None:
    await world.ask()
    one = (await world.redeem(world.code)).json()["access_token"]
    world.later(minutes=2)
    await world.ask()
    two = (await world.redeem(world.code)).json()["access_token"]
    world.client.cookies.clear()

    async def get(token: str, path: str = "/v1/me/sessions") -> Any:
        return await world.client.get(path, headers={"Authorization": f"Bearer {token}"})

    assert [s["current"] for s in (await get(two)).json()] == [True, False]
    other = create_app(settings, world.clock)
    async with AsyncTestClient(other) as elsewhere:
        bearer = {"Authorization": f"Bearer {one}"}
        assert (await elsewhere.get("/v1/auth/me", headers=bearer)).status_code == 200
        done = await world.client.delete("/v1/me/sessions", headers={"Authorization": f"Bearer {two}"})
        assert done.status_code == 204
        assert (await get(two)).status_code == 401
        world.later(seconds=61)
        assert (await elsewhere.get("/v1/auth/me", headers=bearer)).status_code == 401


async def test_the_pages_lead_in_and_never_to_another_site(world: World) -> None:
    for asked, leads in (("/report", "/report"), ("//evil.example/", "/me"), ("https://evil.example", "/me")):
        world.later(minutes=2)
        page = await world.client.post("/sign-in", data={"phone": PHONE, "next": asked})
        assert 'autocomplete="one-time-code"' in page.text
        form = {"phone": PHONE, "code": world.code, "next": asked}
        entered = await world.client.post("/sign-in/code", data=form, follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, leads)
        assert "HttpOnly" in entered.headers["set-cookie"]
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    refused = await world.client.post("/sign-in/code", data=form, headers=elsewhere)
    assert refused.status_code == 403

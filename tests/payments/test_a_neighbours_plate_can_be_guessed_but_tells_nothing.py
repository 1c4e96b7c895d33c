"""Anybody can type a neighbour's plate: the answer has an amount and a token, and guessing is slowed down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.limits import Limit, Limiter, TooManyTries, network_of
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import by_plate
from parking_cloud.payments.by_plate import OfferAsk, offer_by_plate
from tests.payments.parts import (
    HOUR,
    KEY,
    OWN,
    VAULT,
    ScriptedProvider,
    hashed,
    minute,
    parked,
    priced_garage,
)
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
UNKNOWN = "浙E98765"
CLOCK = FixedClock(minute(50))


@pytest.fixture
async def client(
    settings: Settings, session: AsyncSession, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    """The API; one vehicle has been in the garage for fifty minutes."""
    monkeypatch.setattr("parking_cloud.app.make_providers", lambda _: {"stripe": ScriptedProvider()})
    CLOCK.moment = minute(50)
    await parked(session, await priced_garage(session))
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY), CLOCK) as client:
        yield client


async def ask(client: Client, plate: str) -> Any:
    return await client.post("/v1/pay/offers", json={"plate": plate})


async def test_known_or_not_the_answer_has_the_same_shape(client: Client) -> None:
    known, unknown = await ask(client, OWN), await ask(client, UNKNOWN)
    assert {name: type(value) for name, value in known.json().items()} == {"amount": int, "token": str}
    assert (known.json()["amount"], unknown.json()["amount"]) == (HOUR, 0)
    assert known.json().keys() == unknown.json().keys()
    assert len(known.json()["token"]) == len(unknown.json()["token"])
    assert (known.status_code, known.headers["cache-control"]) == (200, "no-store")
    named = {name for name in known.headers if name != "content-length"}
    assert named == {name for name in unknown.headers if name != "content-length"}


async def test_neither_is_told_by_its_speed(client: Client) -> None:
    """No answer comes before the floor, and what there is to do for either is done well before it."""
    for plate in (OWN, UNKNOWN):
        began = time.monotonic()
        await ask(client, plate)
        assert time.monotonic() - began >= by_plate.SOONEST_S


async def test_neither_redis_nor_the_outbox_learns_a_plate(
    client: Client, redis: Redis, session: AsyncSession
) -> None:
    token = (await ask(client, OWN)).json()["token"]
    await client.post("/v1/pay/payments", json={"token": token, "method": "card"})
    kept = [key async for key in redis.scan_iter("parking:*")]
    offer = next(key for key in kept if b"pay:offer" in key)
    assert not any(token.encode() in key or b"12345" in key for key in kept)
    assert OWN.encode() not in await redis.get(offer)
    assert 0 < await redis.ttl(offer) <= 600
    payloads = await session.scalars(text("select key || payload::text from outbox_message"))
    for payload in payloads:
        assert OWN not in payload
        assert hashed(OWN).hex() not in payload


async def test_asking_for_a_plate_again_and_again_is_slowed_down(client: Client) -> None:
    answers = [(await ask(client, OWN)).status_code for _ in range(8)]
    assert answers == [200] * 6 + [429] * 2
    refused = (await ask(client, OWN)).json()
    assert refused["type"].rpartition(":")[2] == "too-many-tries"
    CLOCK.moment = minute(52)
    assert (await ask(client, OWN)).status_code == 200


async def test_who_guesses_plates_is_slowed_down(client: Client) -> None:
    """Known plates among the guessed ones help nobody: it is the address that is counted."""
    answers = await asyncio.gather(*(ask(client, f"浙E{number:05}") for number in range(40)))
    assert sorted(answer.status_code for answer in answers) == [200] * 30 + [429] * 10
    for minutes in range(51, 90):  # patiently
        CLOCK.moment = minute(minutes)
        await asyncio.gather(*(ask(client, f"浙E{minutes:02}{number:03}") for number in range(3)))
    assert (await ask(client, UNKNOWN)).status_code == 429


async def answers_to(redis: Redis, session: AsyncSession, address: str, plates: list[str]) -> list[int]:
    """What each gets who asks for these plates, a second apart: an amount, or -1 where refused."""
    found = []
    for number, plate in enumerate(plates):
        now = minute(50) + timedelta(seconds=number)
        asked = OfferAsk(plate=plate)
        try:
            offer = await offer_by_plate(
                session, redis, Limiter(redis), VAULT, asked, address=address, secret_key="k", now=now
            )
            found.append(int(offer.amount))
        except TooManyTries:
            found.append(-1)
    return found


async def test_past_the_limit_a_plate_that_owes_is_refused_like_one_that_does_not(
    client: Client, redis: Redis, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_plate, "MISSES_BY_ADDRESS", 5)
    guessed = [f"浙A{number:05}" for number in range(5)]
    assert await answers_to(redis, session, "203.0.113.7", [*guessed, UNKNOWN, OWN]) == [0] * 5 + [-1, -1]


async def test_a_network_of_ipv6_is_one_asker(client: Client, redis: Redis, session: AsyncSession) -> None:
    found = []
    for number in range(32):
        plate = f"浙B{number:05}"
        found += await answers_to(redis, session, f"2001:db8:0:1:{number:x}::1", [plate])
    assert found == [0] * 30 + [-1] * 2
    assert await answers_to(redis, session, "2001:db8:0:2::1", [OWN]) == [HOUR]
    assert network_of("::ffff:203.0.113.7") == network_of("203.0.113.7") == "203.0.113.7"


async def test_asking_for_a_neighbours_plate_does_not_keep_the_neighbour_from_paying(
    client: Client, redis: Redis, session: AsyncSession
) -> None:
    asked = await answers_to(redis, session, "203.0.113.7", [OWN] * 8)
    assert asked == [HOUR] * 6 + [-1] * 2
    assert await answers_to(redis, session, "203.0.113.8", [OWN]) == [HOUR]


async def test_a_plate_that_the_whole_city_asks_for_is_slowed_down_all_the_same(
    client: Client, redis: Redis, session: AsyncSession
) -> None:
    found = [await answers_to(redis, session, f"203.0.113.{number}", [OWN] * 6) for number in range(11)]
    assert found == [[HOUR] * 6] * 10 + [[-1] * 6]


async def test_guessing_from_many_addresses_shows_in_the_whole(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch, session: AsyncSession
) -> None:
    monkeypatch.setattr(by_plate, "MOST_MISSES", 3)
    for number in range(3):
        assert (await ask(client, f"浙E7000{number}")).status_code == 200
    assert (await ask(client, UNKNOWN)).status_code == 429
    garage: UUID | None = await session.scalar(text("select id from facility where code = 'garage'"))
    insert = text("insert into pay_place (code, facility_id) values ('abcdefghjkmn', :garage)")
    await session.execute(insert, {"garage": garage})
    await session.commit()
    scanned = await client.post("/v1/pay/offers", json={"plate": UNKNOWN, "place": "abcdefghjkmn"})
    assert scanned.status_code == 200  # who stands at the place is answered


async def test_without_redis_there_is_still_a_limit() -> None:
    async with Redis(port=1) as away:
        limiter = Limiter(away)
        limits = [Limit("address:x", 20, timedelta(minutes=1)), Limit("plate:y", 8, timedelta(minutes=1))]
        for _ in range(2):
            await limiter.count(limits, minute(0))
        with pytest.raises(TooManyTries):
            await limiter.count(limits, minute(0))
        await limiter.count(limits, minute(2))


@pytest.mark.parametrize("plate", ["", "无牌车", "  "])
async def test_what_is_no_plate_is_refused(client: Client, plate: str) -> None:
    assert (await ask(client, plate)).status_code == 422

"""1,000 payments, while the provider is killed again and again, loses answers and repeats its webhooks, and
the worker and the API are killed too: at the end both sides have the same totals, and nobody paid twice."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from bench.till import (
    METHODS,
    PRICE,
    Till,
    entry_id,
    insistently,
    open_garage,
    park,
    plates,
    send_gate_events,
)
from parking_cloud.devstack import Stack, free_port
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from parking_cloud.payments.provider import BookLine
from parking_cloud.payments.stripe_provider import StripeProvider
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PAYMENTS = int(os.environ.get("PARKING_TEST_PAYMENTS", "120"))
"""`make faults` makes a thousand; here so many as take half a minute."""
VOIDED = PAYMENTS // 10
AT_ONCE = 16
AWAY_S = 0.5


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Platform]:
    """A platform of its own, whose processes may be killed."""
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        os.environ.pop(name, None)
    stack = Stack(tmp_path / "servers", progress=lambda _: None, fast=True)
    platform = Platform(
        stack, tmp_path, simulate=False, lived_in=False, api_port=free_port(), progress=lambda _: None
    )
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()
        stack.remove()


class Killer:
    """kill -9 as the payments go on: of the provider, and once of the worker and of the API as well."""

    ALSO = {2: "worker", 4: "api"}

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.kills = 0

    async def follow(self, payments: Payments) -> None:
        """With each sixth of the payments it kills again."""
        while payments.done < PAYMENTS:
            if payments.done >= (self.kills + 1) * PAYMENTS // 6:
                await asyncio.to_thread(self._kill)
            await asyncio.sleep(0.05)

    def _kill(self) -> None:
        self.kills += 1
        victims = ["provider", *([self.ALSO[self.kills]] if self.kills in self.ALSO else [])]
        for name in victims:
            self._platform.kill(name)
        time.sleep(AWAY_S)
        for name in victims:
            self._platform.spawn(name)
        make_trouble(self._platform)


def make_trouble(platform: Platform) -> None:
    """Every tenth answer is lost after the deed, and each webhook comes twice."""
    trouble = {"lost_answers": 0.1, "webhook_copies": 2}
    key = json.loads((platform.home / "credentials.json").read_bytes())["provider"]["secret_key"]

    def told() -> bool:
        try:
            url = f"{platform.running['provider_url']}/local/trouble"
            answer = httpx.post(
                url, json=trouble, headers={"Authorization": f"Bearer {key}"}, trust_env=False
            )
        except httpx.TransportError:
            return False
        return answer.is_success

    eventually("the provider back", told)


class Payments:
    """Drivers at the till, some at once; each insists until the gate opens."""

    def __init__(self, platform: Platform, vehicles: list[str]) -> None:
        self._till = Till(platform)
        self._waiting = [(plate, METHODS[number % len(METHODS)]) for number, plate in enumerate(vehicles)]
        self.done = 0

    async def run(self) -> None:
        await self._till.sign_in()
        await asyncio.gather(*(self._driver() for _ in range(AT_ONCE)))
        self._till.close()

    async def _driver(self) -> None:
        while self._waiting:
            await self._leave(*self._waiting.pop())
            self.done += 1

    async def _leave(self, plate: str, method: str) -> None:
        while True:
            said = (await insistently(partial(self._till.ask, plate))).json()
            if said["open"]:
                assert said["why"] == "paid"
                return
            assert said["amount"] == PRICE
            answer = await insistently(partial(self._till.start, said["pay_token"], method))
            if answer.status != 409:  # 409: it was paid after all, while the gate was asked
                await self._pay(answer.json())

    async def _pay(self, payment: dict[str, Any]) -> None:
        acted: set[str] = set()
        while payment["state"] in ("created", "pending"):
            if payment["action"] and payment["payment"] not in acted:
                await insistently(partial(self._till.act, payment["action"]))
                acted.add(payment["payment"])
            await asyncio.sleep(0.25)
            payment = (await insistently(partial(self._till.look, payment["payment"]))).json()


def ask(platform: Platform, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(platform.running["database_url"]) as connection:
        return connection.execute(query).fetchall()


def void_entries(platform: Platform, vehicles: list[str]) -> None:
    """The garage says of these that they never came: what was paid has to go back by itself."""
    now = datetime.now(UTC).isoformat()
    rows = [
        {"record_id": f"{entry_id(plate)}-v", "corrects": entry_id(plate), "stated_at": now, "void": True}
        for plate in vehicles
    ]
    send_gate_events(platform, rows, "corrections")


async def books(platform: Platform, since: datetime) -> list[BookLine]:
    keys = json.loads((platform.home / "credentials.json").read_bytes())["provider"]
    provider = StripeProvider(
        Settings(
            database_url="",
            redis_url="",
            secret_key="",
            stripe_secret_key=keys["secret_key"],
            stripe_api_url=platform.running["provider_url"],
        )
    )
    lines = [line async for line in provider.books(since, datetime.now(UTC) + timedelta(seconds=2))]
    await provider.close()
    return lines


def test_a_thousand_payments_survive_a_killed_provider(shop: Platform) -> None:
    since = datetime.now(UTC) - timedelta(seconds=2)
    asyncio.run(open_garage(shop))
    vehicles = plates(PAYMENTS)
    park(shop, vehicles)
    make_trouble(shop)
    killer = Killer(shop)

    async def rush() -> None:
        payments = Payments(shop, vehicles)
        await asyncio.gather(payments.run(), killer.follow(payments))

    asyncio.run(rush())
    void_entries(shop, vehicles[:VOIDED])
    shop.kill("provider")
    shop.spawn("provider")
    refunds = "select count(*) from refund where state = 'done'"
    eventually("the refunds", lambda: ask(shop, refunds) == [(VOIDED,)], 60)
    live = "select count(*) from payment where state in ('created', 'pending')"
    eventually("all at rest", lambda: ask(shop, live) == [(0,)], 60)

    lines = asyncio.run(books(shop, since))
    paid = [line.payment_id for line in lines if line.kind == "payment"]
    refunded = [line.payment_id for line in lines if line.kind == "refund"]
    assert len(paid) == len(set(paid)) == PAYMENTS
    assert len(refunded) == len(set(refunded)) == VOIDED
    there = sum(line.amount for line in lines)
    assert there == (PAYMENTS - VOIDED) * PRICE
    ours = "select sum(e.amount) from ledger_entry e join ledger_account a on a.id = e.account_id"
    assert ask(shop, f"{ours} where a.kind = 'provider'") == [(there,)]
    assert ask(shop, f"{ours} where a.kind = 'driver'") == [(0,)]  # nobody owes, nobody has paid too much
    charges = "select state, count(*), sum(paid)::bigint from charge group by state order by state"
    assert ask(shop, charges) == [
        ("open", PAYMENTS - VOIDED, (PAYMENTS - VOIDED) * PRICE),
        ("void", VOIDED, 0),
    ]
    assert killer.kills >= 5

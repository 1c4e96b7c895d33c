"""A garage of its own, vehicles that want to leave it, and drivers who pay: over HTTP, as they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx
import psycopg
from sqlalchemy import text

from bench.http import Answer, Client
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import upsert_user
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, FacilityIn, OperatorIn, RegistryBatch
from parking_cloud.tariffs import keeping
from parking_cloud.tariffs.schemas import Pricing, TariffIn

GARAGE, GATE = "till", "till-gate"
PRICE = 12_00
"""Fen: of an hour and a half, at six yuan for each hour begun."""
METHODS = ("card", "alipay", "wechat_pay")
_PARKED = timedelta(minutes=90)
_BATCH = 500
_TARIFF: dict[str, Any] = {
    "rates": {
        "hour": {
            "kind": "steps",
            "name": {"zh": "按小时", "en": "by the hour"},
            "steps": [{"unit": 60, "amount": PRICE // 2}],
        }
    },
    "schedules": [{"hours": [{"rate": "hour"}]}],
    "exit_grace_minutes": 15,
}


async def open_garage(platform: Platform) -> None:
    """The garage with its gate and its tariff."""
    settings = Settings(database_url=platform.running["database_url"], redis_url="", secret_key="")
    chief = Identity(user_id=uuid4(), username="bench", role=Role.CITY_ADMINISTRATOR)
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    garage = FacilityIn(
        code=GARAGE,
        name="测试停车库",
        kind="public_offstreet",
        counting="counter",
        capacity=9_000,
        lat=30.87,
        lon=120.1,
        operator_code="till",
        synthetic=True,
    )
    gate = DeviceIn(external_id=GATE, vendor="generic", model="gate", source="gates", facility_code=GARAGE)
    operator = OperatorIn(code="till", name="测试运营")
    engine = make_engine(settings)
    async with transaction(make_sessions(engine)) as session:
        await import_batch(session, RegistryBatch(operators=[operator], facilities=[garage], devices=[gate]))
        of = await session.scalar(text("select id from operator where code = :code"), {"code": operator.code})
        username, password = _login(platform)
        await upsert_user(
            session, username=username, password=password, role=Role.INTEGRATION, operator_id=of
        )
        said = TariffIn(
            code="till", name="测试", name_en="Test", pricing=Pricing.GOVERNMENT, filing_number="测1号"
        )
        tariff = await keeping.save_tariff(session, chief, said)
        await keeping.add_version(session, chief, tariff, _TARIFF, long_ago, long_ago)
        place = await session.scalar(text("select id from facility where code = :code"), {"code": GARAGE})
        await keeping.assign(session, chief, place, tariff, long_ago, long_ago)
    await engine.dispose()


def _login(platform: Platform) -> tuple[str, str]:
    """The name and password of the garage's own system: a secret of this running platform."""
    return "till", platform.running["api_keys"]["gates"]


def send_gate_events(platform: Platform, rows: Sequence[dict[str, Any]], what: str = "gate-events") -> None:
    """To the intake, as a garage's system does; a gate that was just made may not be known there yet."""
    key = platform.running["api_keys"]["gates"]
    url = f"{platform.running['intake_url']}/v1/{what}"
    until = time.monotonic() + 20
    with httpx.Client(trust_env=False, timeout=30) as intake:
        for start in range(0, len(rows), _BATCH):
            batch = list(rows[start : start + _BATCH])
            while (answer := intake.post(url, json=batch, headers={"X-Api-Key": key})).status_code != 202:
                if time.monotonic() > until:
                    raise RuntimeError(f"{what} were refused: {answer.text[:300]}")
                time.sleep(0.2)


def park(platform: Platform, plates: Sequence[str], seconds: float = 120) -> None:
    """These vehicles have been in the garage for an hour and a half; returns when they have stays."""
    entered = (datetime.now(UTC) - _PARKED).isoformat()
    read = {"device_id": GATE, "direction": "entry", "occurred_at": entered, "confidence": 0.99}
    rows = [{"record_id": entry_id(plate), "plate": plate, "plate_color": "blue", **read} for plate in plates]
    send_gate_events(platform, rows)
    until = time.monotonic() + seconds
    with psycopg.connect(platform.running["database_url"], autocommit=True) as connection:
        count = (
            "select count(*) from stay s join gate_event e on e.id = s.entry_event_id"
            " where e.record_id = any(%s)"
        )
        ids = [entry_id(plate) for plate in plates]
        while connection.execute(count, [ids]).fetchone() != (len(plates),):
            if time.monotonic() > until:
                raise RuntimeError("the vehicles' stays did not come about")
            time.sleep(0.2)


def entry_id(plate: str) -> str:
    return f"till-{plate.encode().hex()}"


def plates(count: int, letter: str = "T") -> list[str]:
    """Made up, in the shape of real ones."""
    return [f"浙{chr(ord('A') + number // 10_000)}{letter}{number % 10_000:04d}" for number in range(count)]


class Till:
    """Gates that ask, and drivers who pay."""

    def __init__(self, platform: Platform) -> None:
        running = platform.running
        self._api_url = running["api_url"]
        self.drivers = Client(self._api_url)
        self.provider = Client(running["provider_url"])
        self._login = _login(platform)
        self.gates = self.drivers

    async def sign_in(self) -> None:
        """The gates' own identity."""
        username, password = self._login
        answer = await self.drivers.post("/v1/auth/login", {"username": username, "password": password})
        token = answer.json()["access_token"]
        self.gates = Client(self._api_url, {"Authorization": f"Bearer {token}"})

    async def ask(self, plate: str) -> Answer:
        """May it leave?"""
        return await self.gates.post("/v1/exits", {"facility": GARAGE, "lane": "1", "plate": plate})

    async def start(self, token: str, method: str) -> Answer:
        """Pay what the gate showed."""
        return await self.drivers.post("/v1/pay/payments", {"token": token, "method": method})

    async def look(self, payment: str) -> Answer:
        return await self.drivers.get(f"/v1/pay/payments/{payment}")

    async def act(self, action: dict[str, Any]) -> Answer:
        """What the payer does at the provider: type a card, or agree in the wallet."""
        if action["kind"] == "card_form":
            secret = action["client_secret"]
            form = {
                "key": action["publishable_key"],
                "client_secret": secret,
                "payment_method_data[type]": "card",
                "payment_method_data[card][number]": "4242424242424242",
                "payment_method_data[card][exp_month]": "12",
                "payment_method_data[card][exp_year]": "40",
            }
            intent = secret.partition("_secret_")[0]
            return await self.provider.post_form(f"/v1/payment_intents/{intent}/confirm", urlencode(form))
        page = urlsplit(action["url"])
        secret = parse_qs(page.query)["client_secret"][0]
        form = {"client_secret": secret, "outcome": "authorise"}
        return await self.provider.post_form(page.path, urlencode(form))

    def close(self) -> None:
        for client in (self.gates, self.drivers, self.provider):
            client.close()


async def insistently(deed: Any, seconds: float = 90) -> Answer:
    """As a person does: again, until there is an answer that is one."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer: Answer = await deed()
        except (OSError, asyncio.IncompleteReadError):
            answer = Answer(599, {}, b"no answer")
        if answer.status < 500:
            return answer
        if time.monotonic() > until:
            raise RuntimeError(f"no answer for {seconds:g} s: {answer.status} {answer.body[:200]!r}")
        await asyncio.sleep(0.3)

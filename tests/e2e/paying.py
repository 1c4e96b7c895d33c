"""A garage with a price, and vehicles at its gate, for the browser tests of paying."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psycopg
import redis
from playwright.sync_api import Page
from sqlalchemy import text

from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from tests.e2e.waiting import eventually
from tests.tariffs.parts import with_tariff

GARAGE = "wx-public-041"
NAME = "爱山广场停车库"
TARIFF: dict[str, Any] = {
    "rates": {
        "hour": {
            "kind": "steps",
            "name": {"zh": "按小时", "en": "by the hour"},
            "steps": [{"unit": 60, "amount": 600}],
        }
    },
    "schedules": [{"hours": [{"rate": "hour"}]}],
    "exit_grace_minutes": 15,
}
PRICE = "¥12.00"
"""Of an hour and a half."""
GOOD, DECLINED = "4242424242424242", "4000000000000002"

_serial = count(10001)


def give_price(platform: Platform) -> None:
    """The garage costs ¥6 an hour; again changes nothing."""

    async def give() -> None:
        settings = Settings(database_url=platform.running["database_url"], redis_url="", secret_key="")
        engine = make_engine(settings)
        async with transaction(make_sessions(engine)) as session:
            known = await session.scalar(text("select count(*) from tariff where code = 'e2e'"))
            if not known:
                await session.execute(
                    text(
                        "delete from tariff_assignment where facility_id"
                        " = (select id from facility where code = :code)"
                    ),
                    {"code": GARAGE},
                )
                await with_tariff(session, GARAGE, TARIFF, code="e2e")
        await engine.dispose()

    # The browser's driver has an event loop running in this thread.
    with ThreadPoolExecutor() as beside:
        beside.submit(asyncio.run, give()).result()


def new_plate() -> str:
    """Of a vehicle that nobody has seen before."""
    return f"浙E{next(_serial)}"


def passes(platform: Platform, plate: str, direction: str, minutes_ago: float) -> None:
    """A vehicle passed the garage's gate; returns when its stay says so."""
    row = {
        "record_id": f"pay-{direction}-{plate[2:]}",
        "device_id": f"{GARAGE}-counter",
        "direction": direction,
        "occurred_at": (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat(),
        "plate": plate,
        "plate_color": "blue",
        "confidence": 0.99,
    }
    key = platform.running["api_keys"]["gates"]
    with httpx.Client(base_url=platform.running["intake_url"], trust_env=False) as intake:
        answer = intake.post("/v1/gate-events", json=[row], headers={"X-Api-Key": key})
    assert answer.status_code == 202, answer.text
    stays = (
        "select count(*) from stay s join gate_event e on e.id in (s.entry_event_id, s.exit_event_id)"
        " where e.record_id = %s"
    )
    eventually("the stay", lambda: ask(platform, stays, row["record_id"])[0] == (1,))


def forget_tries(platform: Platform) -> None:
    """All the tests ask from one address."""
    with redis.Redis.from_url(platform.running["redis_url"]) as store:
        for key in store.scan_iter("parking:{limit}:*"):
            store.delete(key)


def ask(platform: Platform, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(platform.running["database_url"]) as connection:
        return connection.execute(query, values).fetchall()


def type_card(page: Page, number: str, frame_title: str = "安全的银行卡输入框") -> None:
    """Into the provider's own frame."""
    fields = page.frame_locator(f'iframe[title="{frame_title}"]').locator("input")
    for field, digits in enumerate((number, "1240", "123")):
        fields.nth(field).fill(digits)

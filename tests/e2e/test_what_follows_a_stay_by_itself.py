"""Through the whole platform: a vehicle is verified, its driver gives a mandate, parks and drives off. The
stay is paid by itself, the receipt is there, an invoice is issued, and the driver was told by SMS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from parking_cloud.driver.signing_in import DEMO_PHONE
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from tests.e2e.waiting import eventually
from tests.tariffs.parts import with_tariff

pytestmark = [pytest.mark.stack]

GARAGE = "wx-public-042"
PLATE = "浙E77531"
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


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False) as client:
        yield client


class Person:
    """Somebody signed in at the API."""

    def __init__(self, http: httpx.Client, platform: Platform, role: str) -> None:
        self._http = http
        self._url = platform.running["api_url"]
        login = next(x for x in platform.running["logins"] if x["role"] == role)
        said = {k: login[k] for k in ("username", "password")}
        token = http.post(f"{self._url}/v1/auth/login", json=said).json()["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        answer = self._http.get(f"{self._url}{path}", headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.request(method, f"{self._url}{path}", json=body, headers=self._headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


async def give_tariff(platform: Platform) -> None:
    engine = make_engine(Settings(database_url=platform.running["database_url"], redis_url="", secret_key=""))
    async with transaction(make_sessions(engine)) as session:
        await with_tariff(session, GARAGE, TARIFF, code="after")
    await engine.dispose()


def verify(driver: Person, desk: Person) -> None:
    claim = driver.send("POST", "/v1/me/vehicles", {"plate": PLATE})
    registered = (datetime.now(UTC) - timedelta(days=300)).isoformat()
    decision = {"verified": True, "reason": "行驶证原件", "plate": PLATE, "since": registered}
    desk.send("POST", f"/v1/vehicle-claims/{claim['id']}/decision", decision)


def give_mandate(http: httpx.Client, platform: Platform, driver: Person) -> None:
    """The card goes to the provider's own form, never through the platform."""
    ceilings = {"method": "card", "ceiling_stay": 3_000, "ceiling_day": 6_000}
    driver.send("POST", "/v1/me/mandate", ceilings)
    eventually("the form", lambda: driver.get("/v1/me/mandate")["action"] is not None)
    action = driver.get("/v1/me/mandate")["action"]
    secret = action["client_secret"]
    form = {
        "key": action["publishable_key"],
        "client_secret": secret,
        "payment_method_data[type]": "card",
        "payment_method_data[card][number]": "4242424242424242",
        "payment_method_data[card][exp_month]": "12",
        "payment_method_data[card][exp_year]": "40",
        "payment_method_data[card][cvc]": "123",
    }
    saving = secret.partition("_secret_")[0]
    provider = platform.running["provider_url"]
    confirmed = http.post(f"{provider}/v1/setup_intents/{saving}/confirm", data=form)
    assert confirmed.status_code == 200, confirmed.text
    eventually("the mandate", lambda: driver.get("/v1/me/mandate")["state"] == "active")


def pass_gate(http: httpx.Client, platform: Platform, direction: str, at: datetime) -> None:
    row = {
        "record_id": f"after-{direction}",
        "device_id": f"{GARAGE}-counter",
        "direction": direction,
        "occurred_at": at.isoformat(),
        "plate": PLATE,
        "plate_color": "blue",
        "confidence": 0.99,
    }
    address = f"{platform.running['intake_url']}/v1/gate-events"
    answer = http.post(address, json=[row], headers={"X-Api-Key": platform.running["api_keys"]["gates"]})
    assert answer.status_code == 202, answer.text


def inbox(http: httpx.Client, platform: Platform, kind: str) -> list[dict[str, Any]]:
    key = {"Authorization": f"Bearer {platform.running['carrier_key']}"}
    entries = http.get(f"{platform.running['outside_url']}/inbox", headers=key).json()
    return [entry["body"] for entry in entries if entry["kind"] == kind]


def test_a_stay_is_paid_by_itself_receipted_and_invoiced(platform: Platform, http: httpx.Client) -> None:
    asyncio.run(give_tariff(platform))
    driver, desk = Person(http, platform, "driver"), Person(http, platform, "city_administrator")
    driver.send("PUT", "/v1/me/contacts", {"channel": "sms", "address": DEMO_PHONE})
    verify(driver, desk)
    eventually("the SMS", lambda: DEMO_PHONE in [m["to"] for m in inbox(http, platform, "sms")])
    give_mandate(http, platform, driver)

    now = datetime.now(UTC)
    pass_gate(http, platform, "entry", now - timedelta(minutes=50))
    pass_gate(http, platform, "exit", now)
    eventually("the charge", lambda: driver.get("/v1/me/charges")["items"])
    eventually("the payment", lambda: driver.get("/v1/me/charges")["items"][0]["receipts"])
    (charge,) = driver.get("/v1/me/charges")["items"]
    assert (charge["state"], charge["amount"], charge["paid"]) == ("settled", 600, 600)
    assert driver.get("/v1/me/mandate")["taken_today"] == 600

    (token,) = charge["receipts"]
    api = platform.running["api_url"]
    eventually("its receipt", lambda: http.get(f"{api}/v1/receipts/{token}").status_code == 200)
    asked = {
        "receipt": token,
        "title_kind": "company",
        "title": "湖州某某有限公司",
        "tax_number": "91350100M000100Y43",
        "email": "finance@example.com",
    }
    assert http.post(f"{api}/v1/invoices", json=asked).status_code == 202
    eventually("the invoice", lambda: _invoice(http, api, token)["state"] == "issued")
    orders = [o for o in inbox(http, platform, "invoice") if o["buyer"]["tax_number"] == asked["tax_number"]]
    assert [order["amount"] for order in orders] == [600]


def _invoice(http: httpx.Client, api: str, token: str) -> dict[str, Any]:
    return dict(http.get(f"{api}/v1/receipts/{token}").json()["receipts"][0]["invoice"])

"""The local provider's own part: what Stripe documents, and its test mode lets nobody bring about at will."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from parking_cloud.devprovider import DevProvider, make_keys
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.provider import (
    BadSignature,
    Method,
    NewPayment,
    ProviderAway,
    ProviderPayment,
    ProviderState,
)
from parking_cloud.payments.provider_time import provider_time
from parking_cloud.payments.stripe_provider import StripeProvider
from tests.payments.receiver import Receiver, receiving

pytestmark = pytest.mark.anyio

RETURN = "https://parking.example/pay/return?payment=abc"


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[DevProvider]:
    """A local provider for one test alone, to be killed."""
    provider = DevProvider(tmp_path, make_keys())
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
async def stripe_provider(local_provider: DevProvider) -> AsyncIterator[StripeProvider]:
    made = speaking_to(local_provider)
    yield made
    await made.close()


@pytest.fixture
async def http(local_provider: DevProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(local_provider) as client:
        yield client


@pytest.fixture
async def receiver(http: httpx.AsyncClient) -> AsyncIterator[Receiver]:
    async with receiving() as made:
        await http.post("/v1/webhook_endpoints", data={"url": made.url, "enabled_events[]": "*"})
        yield made


def speaking_to(provider: DevProvider) -> StripeProvider:
    return StripeProvider(Settings(database_url="", redis_url="", secret_key="", **provider.settings))


def client_of(provider: DevProvider) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {provider.settings['stripe_secret_key']}"}
    return httpx.AsyncClient(base_url=provider.url, headers=headers, trust_env=False, timeout=20)


def new_payment(method: Method = Method.CARD, **given: object) -> NewPayment:
    said = {"key": str(uuid.uuid4()), "amount": Fen(8_00), "method": method, "description": "停车费"}
    return NewPayment(**(said | {"return_url": RETURN} | given))


async def pay(
    http: httpx.AsyncClient, payment: ProviderPayment, card: str = "pm_card_visa"
) -> httpx.Response:
    return await http.post(f"/v1/payment_intents/{payment.id}/confirm", data={"payment_method": card})


async def answer_at(url: str, outcome: str) -> httpx.Response:
    """The payer's answer on the provider's page."""
    secret = parse_qs(urlsplit(url).query)["client_secret"][0]
    async with httpx.AsyncClient(trust_env=False) as payer:
        assert "Test only" in (await payer.get(url)).text
        return await payer.post(url.partition("?")[0], data={"client_secret": secret, "outcome": outcome})


@pytest.mark.parametrize(
    ("outcome", "state"), [("authorise", ProviderState.SUCCEEDED), ("refuse", ProviderState.FAILED)]
)
async def test_alipay_comes_back_with_the_payers_answer(
    stripe_provider: StripeProvider, outcome: str, state: ProviderState
) -> None:
    payment = await stripe_provider.open_payment(new_payment(Method.ALIPAY))
    assert payment.action is not None
    back = await answer_at(payment.action.url, outcome)
    assert back.status_code == 303
    told = parse_qs(urlsplit(back.headers["location"]).query)
    assert back.headers["location"].startswith(RETURN)
    assert told["payment_intent"] == [payment.id]
    assert told["redirect_status"] == ["succeeded" if state == ProviderState.SUCCEEDED else "failed"]
    assert (await stripe_provider.look_at_payment(payment.id)).state == state


async def test_a_wechat_code_leads_to_a_page_that_pays(stripe_provider: StripeProvider) -> None:
    payment = await stripe_provider.open_payment(new_payment(Method.WECHAT_PAY))
    assert payment.action is not None
    assert "已付款" in (await answer_at(payment.action.url, "authorise")).text
    assert (await stripe_provider.look_at_payment(payment.id)).state == ProviderState.SUCCEEDED


async def test_a_page_of_a_payment_opens_to_its_payer_only(stripe_provider: StripeProvider) -> None:
    payment = await stripe_provider.open_payment(new_payment(Method.ALIPAY))
    assert payment.action is not None
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(payment.action.url.partition("?")[0])).status_code == 404


async def test_a_bank_that_asks_the_holder_is_answered_first(
    stripe_provider: StripeProvider, http: httpx.AsyncClient
) -> None:
    payment = await stripe_provider.open_payment(new_payment())
    asked = (await pay(http, payment, "pm_card_authenticationRequired")).json()
    assert asked["status"] == "requires_action"
    assert (await stripe_provider.look_at_payment(payment.id)).state == ProviderState.PENDING
    await answer_at(asked["next_action"]["use_stripe_sdk"]["stripe_js"], "authorise")
    assert (await stripe_provider.look_at_payment(payment.id)).state == ProviderState.SUCCEEDED


async def test_a_page_needs_the_clients_secret_to_confirm(
    local_provider: DevProvider, stripe_provider: StripeProvider
) -> None:
    payment = await stripe_provider.open_payment(new_payment())
    assert payment.action is not None
    card = {
        "type": "card",
        "card][number": "4242424242424242",
        "card][exp_month": "12",
        "card][exp_year": "40",
    }
    data = {f"payment_method_data[{name}]": value for name, value in card.items()}
    data["key"] = local_provider.settings["stripe_publishable_key"]
    address = f"/v1/payment_intents/{payment.id}/confirm"
    async with httpx.AsyncClient(base_url=local_provider.url, trust_env=False) as page:
        assert (await page.post(address, data=data | {"client_secret": "x"})).status_code == 404
        done = await page.post(address, data=data | {"client_secret": payment.action.client_secret})
        assert done.json()["status"] == "succeeded"
        assert (await page.get("/v1/balance_transactions", params={"key": data["key"]})).status_code == 401


async def test_what_was_answered_survives_a_kill(own: DevProvider) -> None:
    provider = speaking_to(own)
    new = new_payment()
    payment = await provider.open_payment(new)
    async with client_of(own) as http:
        await pay(http, payment)
    own.kill()
    own.start()
    assert await provider.open_payment(new) == payment  # the first answer, word for word
    assert (await provider.look_at_payment(payment.id)).state == ProviderState.SUCCEEDED
    await provider.close()


async def test_no_answer_at_all_means_to_try_again_with_the_key(own: DevProvider) -> None:
    provider = speaking_to(own)
    own.kill()
    with pytest.raises(ProviderAway):
        await provider.open_payment(new_payment())
    await provider.close()


async def test_lost_answers_make_no_second_payment(own: DevProvider) -> None:
    provider = speaking_to(own)
    async with client_of(own) as http:
        await http.post("/local/trouble", json={"lost_answers": 1})
        new = new_payment()
        with pytest.raises(ProviderAway):
            await provider.open_payment(new)
        await http.post("/local/trouble", json={})
        payment = await provider.open_payment(new)
        opened = (await http.get("/v1/payment_intents")).json()["data"]
    assert [intent["id"] for intent in opened] == [payment.id]
    await provider.close()


async def test_a_key_that_stripe_has_forgotten_is_looked_for_in_its_books(own: DevProvider) -> None:
    """Keys live for a day; a desk that was away for longer must not open a second payment."""
    provider = speaking_to(own)
    new = new_payment()
    payment = await provider.open_payment(new)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    old = NewPayment(
        key=new.key, amount=new.amount, method=Method.CARD, description="other", return_url="",
        first_asked_at=long_ago,
    )  # fmt: skip
    assert (await provider.open_payment(old)).id == payment.id
    await provider.close()


async def test_the_same_request_twice_at_once_is_done_once(own: DevProvider) -> None:
    provider = speaking_to(own)
    async with client_of(own) as http:
        await http.post("/local/trouble", json={"latency_ms": 150})
        form = {"amount": "800", "currency": "cny"}
        same = [
            http.post("/v1/payment_intents", data=form, headers={"Idempotency-Key": "one"}) for _ in range(2)
        ]
        answers = await asyncio.gather(*same)
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        new = new_payment()  # the SDK waits, and asks again
        first, second = await asyncio.gather(provider.open_payment(new), provider.open_payment(new))
    assert first == second
    await provider.close()


async def test_what_the_provider_took_is_told_apart(own: DevProvider) -> None:
    provider = speaking_to(own)
    async with client_of(own) as http:
        await http.post("/local/trouble", json={"latency_ms": 100})
    with provider_time() as spent:
        await provider.open_payment(new_payment())
    assert 0.1 <= spent.seconds < 5
    assert spent.header().startswith("provider;dur=")
    await provider.close()


async def test_webhooks_are_signed_and_sent_until_they_are_taken(
    local_provider: DevProvider, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    endpoint = (await http.get("/v1/webhook_endpoints", params={"limit": 1})).json()["data"][0]
    provider = StripeProvider(
        Settings(
            database_url="",
            redis_url="",
            secret_key="",
            **(local_provider.settings | {"stripe_webhook_secret": endpoint["secret"]}),
        )
    )
    receiver.status = 503
    payment = await provider.open_payment(new_payment())
    await receiver.until(lambda: len(receiver.received) >= 2)  # tried again
    receiver.status = 200
    await pay(http, payment)
    await receiver.until(
        lambda: any(json.loads(body)["type"] == "payment_intent.succeeded" for body, _ in receiver.received)
    )
    body, headers = next(x for x in receiver.received if b"payment_intent.succeeded" in x[0])
    news = provider.read_event(body, headers)
    assert news is not None
    assert (news.payment_id, news.type) == (payment.id, "payment_intent.succeeded")
    with pytest.raises(BadSignature):
        provider.read_event(body.replace(b"succeeded", b"canceled!"), headers)
    with pytest.raises(BadSignature):
        provider.read_event(body, {})
    with pytest.raises(BadSignature):
        provider.read_event(body, {"Stripe-Signature": sign(body, endpoint["secret"], time.time() - 301)})
    await provider.close()


def sign(body: bytes, secret: str, at: float) -> str:
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at))


async def test_a_disputed_payment_is_told_and_booked(
    local_provider: DevProvider, stripe_provider: StripeProvider, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=2)
    payment = await stripe_provider.open_payment(new_payment())
    await pay(http, payment, "pm_card_createDispute")
    await receiver.until(lambda: any(b"charge.dispute.created" in body for body, _ in receiver.received))
    body = next(body for body, _ in receiver.received if b"charge.dispute.created" in body)
    secret = local_provider.settings["stripe_webhook_secret"]
    news = stripe_provider.read_event(body, {"Stripe-Signature": sign(body, secret, time.time())})
    assert news is not None
    assert news.dispute is not None
    assert (news.dispute.state, news.dispute.payment_id, news.dispute.amount) == ("open", payment.id, 8_00)
    won = {"evidence[uncategorized_text]": "winning_evidence"}
    await http.post(f"/v1/disputes/{news.dispute.id}", data=won)
    assert (await stripe_provider.look_at_dispute(news.dispute.id)).state == "won"
    until = datetime.now(UTC) + timedelta(seconds=2)
    lines = [x async for x in stripe_provider.books(since, until) if x.payment_id == payment.id]
    assert [(x.kind, x.amount) for x in lines] == [
        ("payment", 8_00), ("dispute", -8_00), ("dispute_reversal", 8_00),
    ]  # fmt: skip
    assert lines[1].dispute_id == news.dispute.id


async def test_a_wallets_refund_arrives_later(stripe_provider: StripeProvider, receiver: Receiver) -> None:
    payment = await stripe_provider.open_payment(new_payment(Method.ALIPAY))
    assert payment.action is not None
    await answer_at(payment.action.url, "authorise")
    refund = await stripe_provider.refund(payment_id=payment.id, amount=Fen(8_00), key=str(uuid.uuid4()))
    assert refund.state == ProviderState.PENDING
    await receiver.until(lambda: any(b'"refund.updated"' in body for body, _ in receiver.received))
    assert (await stripe_provider.look_at_refund(refund.id)).state == ProviderState.SUCCEEDED


async def test_a_refund_that_the_bank_sends_back_has_failed(
    stripe_provider: StripeProvider, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    payment = await stripe_provider.open_payment(new_payment())
    await pay(http, payment, "pm_card_refundFail")
    refund = await stripe_provider.refund(payment_id=payment.id, amount=Fen(8_00), key=str(uuid.uuid4()))
    assert refund.state == ProviderState.SUCCEEDED
    await receiver.until(lambda: any(b'"refund.failed"' in body for body, _ in receiver.received))
    failed = await stripe_provider.look_at_refund(refund.id)
    assert (failed.state, failed.failure) == (ProviderState.FAILED, "expired_or_canceled_card")


async def test_books_of_many_pages_are_read_oldest_first(own: DevProvider) -> None:
    provider = speaking_to(own)
    since = datetime.now(UTC) - timedelta(seconds=2)
    async with client_of(own) as http:
        confirm = {"amount": "800", "currency": "cny", "confirm": "true", "payment_method": "pm_card_visa"}
        made = [(await http.post("/v1/payment_intents", data=confirm)).json()["id"] for _ in range(230)]
    lines = [x async for x in provider.books(since, datetime.now(UTC) + timedelta(seconds=2))]
    assert [line.payment_id for line in lines] == made
    assert {line.fee for line in lines} == {23}
    await provider.close()

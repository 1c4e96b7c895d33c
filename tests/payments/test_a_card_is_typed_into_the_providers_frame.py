"""The stand-in for Stripe.js in a real browser: the number goes to the provider alone."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from parking_cloud.devprovider import DevProvider
from parking_cloud.devstack import ensure_chromium
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.provider import Method, NewPayment, ProviderState
from parking_cloud.payments.stripe_provider import StripeProvider

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
_ARGUMENTS += ["--disable-background-networking", "--disable-component-update"]
_PAGE = """<!doctype html><script src="{url}/v3/"></script><div id="card"></div><p id="said"></p>
<script>
  const stripe = Stripe("{key}");
  const card = stripe.elements({{ locale: "en" }}).create("card");
  card.mount("#card");
  window.pay = async () => {{
    const method = {{ payment_method: {{ card }} }};
    const {{ error, paymentIntent }} = await stripe.confirmCardPayment("{secret}", method);
    document.querySelector("#said").textContent = error ? error.message : paymentIntent.status;
  }};
</script>"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    program = ensure_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield await browser.new_page()
        await browser.close()


@pytest.fixture
async def stripe_provider(local_provider: DevProvider) -> AsyncIterator[StripeProvider]:
    made = StripeProvider(Settings(database_url="", redis_url="", secret_key="", **local_provider.settings))
    yield made
    await made.close()


async def test_a_declined_card_then_a_good_one_then_the_banks_question(
    page: Page, local_provider: DevProvider, stripe_provider: StripeProvider
) -> None:
    await _open(page, local_provider, stripe_provider)
    said = page.locator("#said")
    await _type(page, "4000000000000002")
    await expect(said).to_have_text("Your card was declined.")
    await _type(page, "4242424242424242")
    await expect(said).to_have_text("succeeded")
    assert "4242424242424242" not in await page.content()

    opened = await _open(page, local_provider, stripe_provider)
    await _type(page, "4000002760003184")
    challenge = page.frame_locator('iframe[title="3-D Secure"]')
    await challenge.get_by_role("button", name="Refuse").click()
    await expect(said).to_have_text("The payer did not agree to it.")
    await _type(page, "4000002760003184")
    await challenge.get_by_role("button", name="Authorise").click()
    await expect(said).to_have_text("succeeded")
    assert (await stripe_provider.look_at_payment(opened)).state == ProviderState.SUCCEEDED


async def _open(page: Page, provider: DevProvider, stripe: StripeProvider) -> str:
    new = NewPayment(
        key=str(uuid.uuid4()), amount=Fen(800), method=Method.CARD, description="parking", return_url=""
    )
    payment = await stripe.open_payment(new)
    assert payment.action is not None
    await page.goto(f"{provider.url}/health")
    await page.set_content(
        _PAGE.format(
            url=provider.url, key=payment.action.publishable_key, secret=payment.action.client_secret
        )
    )
    return payment.id


async def _type(page: Page, number: str) -> None:
    frame = page.frame_locator('iframe[title="Secure card payment input frame"]')
    await frame.get_by_label("Card number").fill(number)
    await frame.get_by_label("MM / YY").fill("12 / 40")
    await frame.get_by_label("CVC").fill("123")
    await page.evaluate("void pay()")

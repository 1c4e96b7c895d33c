"""A driver scans a printed code, types the plate, pays and sees the receipt: on a phone, through the whole
platform, with the local payment provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from parking_cloud.invoices.tax_numbers import credit_code_digit
from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium, phone
from tests.e2e.paying import (
    DECLINED,
    GARAGE,
    GOOD,
    NAME,
    PRICE,
    ask,
    forget_tries,
    give_price,
    new_plate,
    passes,
    type_card,
)

TAX_NUMBER = "91330500MA2B3C4D5" + credit_code_digit("91330500MA2B3C4D5")

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def scan_link(platform: Platform) -> str:
    """What the QR code holds that staff have printed for the garage's exit."""
    give_price(platform)
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    with httpx.Client(base_url=platform.running["api_url"], trust_env=False) as api:
        said = api.post("/v1/auth/login", json={k: login[k] for k in ("username", "password")}).json()
        facility = api.get(f"/v1/facilities/{GARAGE}").json()["id"]
        place = api.post(
            "/v1/pay/places",
            json={"facility_id": facility, "lane": "出口"},
            headers={"Authorization": f"Bearer {said['access_token']}"},
        )
    assert place.status_code == 201, place.text
    return f"{platform.running['api_url']}/pay?p={place.json()['code']}"


@pytest.fixture
def plate(platform: Platform, scan_link: str) -> str:
    """A vehicle that has been in the garage for an hour and a half; nobody has asked for its price yet."""
    forget_tries(platform)
    plate = new_plate()
    passes(platform, plate, "entry", 90)
    return plate


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = phone(browser)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Nothing may go wrong in it unseen."""
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    assert faults == []


def payments(platform: Platform) -> list[tuple[Any, ...]]:
    """(method, state) of every payment, the newest first."""
    return ask(platform, "select method, state from payment order by created_at desc, id desc")


def see_amount(page: Page, plate: str) -> None:
    for key in plate:
        page.locator(f'#keys [data-character="{key}"]').tap()
    page.get_by_role("button", name="查询金额").tap()
    expect(page.locator("#amount")).to_have_text(PRICE)


def test_scan_once_plate_once_pay_once(platform: Platform, page: Page, scan_link: str, plate: str) -> None:
    before = len(payments(platform))
    page.goto(scan_link)
    with page.expect_response("**/v1/pay/offers") as answer:
        see_amount(page, plate)
    offer = answer.value.json()
    assert sorted(offer) == ["amount", "token"]
    assert offer["amount"] == 1200
    assert NAME not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_role("button", name="银行卡").dblclick()
    type_card(page, GOOD)
    page.get_by_role("button", name=f"支付 {PRICE}").dblclick()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    assert payments(platform)[: len(payments(platform)) - before] == [("card", "succeeded")]

    page.get_by_role("link", name="查看收据").tap()
    paper = page.locator(".paper")
    for words in (PRICE, NAME, "银行卡", "按小时", f"{plate[:2]}·**{plate[-3:]}"):
        expect(paper).to_contain_text(words)
    assert plate not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_by_the_receipt_one_asks_for_an_invoice_and_objects(page: Page, scan_link: str, plate: str) -> None:
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name=f"支付 {PRICE}").tap()
    page.get_by_role("link", name="查看收据").tap()
    page.get_by_text("申请电子发票").tap()
    page.get_by_label("企业").check()
    wrong = "91330500MA2B3C4D5X"
    for code in (wrong, TAX_NUMBER):
        holds = page.evaluate(
            "c => import('/assets/driver/receipt.js').then(m => m.creditCodeHolds(c))", code
        )
        assert holds == (code == TAX_NUMBER)
    page.get_by_label("纳税人识别号").fill(wrong)
    expect(page.get_by_text("最后一位校验码不符")).to_be_visible()
    page.get_by_label("发票抬头").fill("湖州某某有限公司")
    page.get_by_label("接收邮箱").fill("buyer@example.com")
    page.get_by_role("button", name="提交申请").tap()
    expect(page.get_by_role("alert")).to_contain_text("税号有误")
    page.get_by_label("纳税人识别号").fill(TAX_NUMBER)
    page.get_by_role("button", name="提交申请").tap()
    expect(page.locator("#message")).to_contain_text("发票已申请")

    page.get_by_text("对这笔费用有异议").tap()
    page.get_by_label("哪里不对").fill("我没有停那么久")
    page.get_by_role("button", name="提出异议").tap()
    expect(page.locator("#message")).to_contain_text("异议已提交")
    page.reload()
    page.get_by_text("申请电子发票").tap()
    expect(page.get_by_text(re.compile("发票已(申请|开具)"))).to_be_visible()


def test_a_declined_card_says_so_and_lets_another_pay(page: Page, scan_link: str, plate: str) -> None:
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, DECLINED)
    pay = page.get_by_role("button", name=f"支付 {PRICE}")
    pay.tap()
    expect(page.get_by_role("alert")).to_contain_text("银行卡被拒绝，没有扣款")
    type_card(page, GOOD)
    pay.tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()


def test_alipay_refused_then_paid_by_the_same_offer(page: Page, scan_link: str, plate: str) -> None:
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="支付宝").tap()
    page.get_by_role("button", name="拒绝").tap()
    expect(page.get_by_role("heading", name="支付没有成功")).to_be_visible()
    page.get_by_role("button", name="再试一次").tap()
    expect(page.locator("#amount")).to_have_text(PRICE)
    page.get_by_role("button", name="支付宝").tap()
    page.get_by_role("button", name="同意付款").tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/pay(\?p=\w+)?$"))  # nothing of the payment stays in the address


def test_a_wallet_that_comes_back_in_another_tab_finds_its_payment(
    page: Page, context: BrowserContext, scan_link: str, plate: str
) -> None:
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="支付宝").tap()
    expect(page.get_by_role("button", name="拒绝")).to_be_visible()
    other = context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="同意付款").tap()
    expect(other.get_by_role("heading", name="已支付")).to_be_visible()
    assert other.evaluate("localStorage.length") == 0


def test_back_from_the_wallet_another_way_is_paid_once(
    platform: Platform, page: Page, scan_link: str, plate: str
) -> None:
    before = len(payments(platform))
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="支付宝").tap()
    expect(page.get_by_role("button", name="拒绝")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="换一种支付方式").tap()
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name=f"支付 {PRICE}").tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    assert payments(platform)[: len(payments(platform)) - before] == [
        ("card", "succeeded"),
        ("alipay", "cancelled"),
    ]


def test_waiting_survives_a_lost_network_and_a_reload(
    page: Page, context: BrowserContext, browser: Browser, scan_link: str, plate: str
) -> None:
    page.goto(scan_link)
    see_amount(page, plate)
    page.get_by_role("button", name="微信支付").tap()
    expect(page.get_by_alt_text("微信支付二维码")).to_be_visible()
    expect(page.locator("#qr:not([src=''])")).to_have_js_property("complete", True)
    page.reload()
    expect(page.get_by_alt_text("微信支付二维码")).to_be_visible()
    wallet = page.get_by_role("link", name="在本手机打开微信支付").get_attribute("href")
    context.set_offline(True)
    expect(page.locator("#away-step")).to_contain_text("网络已断开")
    other = browser.new_page()  # another phone scans the code and pays
    other.goto(str(wallet))
    other.get_by_role("button", name="同意付款").click()
    expect(other.locator("[data-status]")).to_contain_text("已付款")
    other.close()
    context.set_offline(False)
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()


def test_in_english_by_the_keyboard_alone(browser: Browser, scan_link: str, plate: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.goto(scan_link)
    focus_on(page, lambda: page.get_by_role("link", name="English"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your number plate")).to_be_visible()
    expect(page.locator("#plate")).to_be_focused()
    page.keyboard.type(plate)
    page.keyboard.press("Enter")
    expect(page.locator("#amount")).to_have_text(PRICE)
    focus_on(page, lambda: page.get_by_role("button", name="Bank card"))
    page.keyboard.press("Enter")
    frame = page.frame_locator('iframe[title="Secure card payment input frame"]')
    expect(frame.get_by_label("Card number")).to_be_visible()
    focus_on(page, lambda: frame.get_by_label("Card number"))
    for text in (GOOD, "1240", "123"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    focus_on(page, lambda: page.get_by_role("button", name=f"Pay {PRICE}"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Paid")).to_be_focused()
    expect(page.get_by_role("link", name="Show the receipt")).to_be_visible()
    focus_on(page, lambda: page.get_by_role("link", name="Show the receipt"))
    page.keyboard.press("Enter")
    expect(page.locator(".paper")).to_contain_text("by the hour")
    context.close()


def test_a_stranger_with_a_plate_learns_nothing(page: Page, scan_link: str, plate: str) -> None:
    """Of a vehicle that owes nothing the page says the same as of one that nobody has ever seen."""
    said = []
    for typed in ("浙E99999", "苏A88888"):
        page.goto(scan_link)
        page.get_by_label("车牌号", exact=True).fill(typed)
        page.get_by_role("button", name="查询金额").tap()
        expect(page.get_by_role("heading", name="现在没有需要支付的费用")).to_be_visible()
        said.append(page.locator("main").inner_text())
    assert said[0] == said[1]


def focus_on(page: Page, wanted: Callable[[], Any]) -> None:
    """By the Tab key, as somebody does who has no mouse."""
    for _ in range(30):
        if wanted().evaluate("element => element === element.ownerDocument.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("it cannot be reached by the Tab key")

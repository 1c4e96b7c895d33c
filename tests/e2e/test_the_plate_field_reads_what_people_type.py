"""The plate keyboard: tapped, typed, pasted and by arrow keys; it reads a plate as the platform does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from parking_cloud.launcher import Platform
from sensor_gateway.plates import parse_plate
from tests.e2e.browsing import chromium, phone

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, platform: Platform) -> Iterator[Page]:
    context = phone(browser)
    page = context.new_page()
    page.goto(f"{platform.running['api_url']}/pay")
    yield page
    context.close()


def tap(page: Page, keys: str) -> None:
    for key in keys:
        page.locator(f'#keys [data-character="{key}"]').tap()


def test_tapped_key_by_key_a_new_energy_plate_turns_green(page: Page) -> None:
    plate = page.get_by_label("车牌号", exact=True)
    expect(plate).to_have_attribute("inputmode", "none")  # the phone's own keyboard stays away
    expect(page.locator("#keys button").first).to_have_text("浙")
    tap(page, "浙ED12345")
    expect(plate).to_have_value("浙E·D12345")
    expect(plate).to_have_attribute("data-kind", "new-energy")
    page.get_by_role("button", name="删除").tap()
    expect(plate).to_have_value("浙E·D1234")
    expect(plate).to_have_attribute("data-kind", "ordinary")
    assert page.locator('#keys [data-character="I"], #keys [data-character="O"]').count() == 0
    page.get_by_role("button", name="警 学 挂 …").tap()
    tap(page, "警")
    expect(plate).to_have_value("浙E·D1234警")
    sizes = page.locator("#keys button").evaluate_all(
        "keys => keys.map(k => k.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("浙e·12345", "浙E·12345"),
        (" 浙 Ｅ－Ｄ１２３４５ ", "浙E·D12345"),
        ("浙EO1I23", "浙E·01123"),
        ("WJ浙1234X", "WJ浙1234X"),
        ("粤Z1234港", "粤Z·1234港"),
    ],
)
def test_typed_or_pasted_it_is_read_as_the_platform_reads_it(page: Page, typed: str, shown: str) -> None:
    plate = page.get_by_label("车牌号", exact=True)
    plate.fill(typed)
    expect(plate).to_have_value(shown)
    sent = page.evaluate(
        "text => import('/assets/driver/plate_field.js').then(m => m.normalise(text))", typed
    )
    assert sent == parse_plate(sent).reveal() == parse_plate(shown).reveal()


def test_by_the_keyboard_alone(page: Page) -> None:
    plate = page.get_by_label("车牌号", exact=True)
    plate.focus()
    page.keyboard.press("Tab")
    expect(page.locator('#keys [data-character="浙"]')).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.locator('#keys [data-character="苏"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(plate).to_be_focused()
    page.keyboard.type("E12345")
    expect(plate).to_have_value("苏E·12345")
    page.keyboard.press("Home")
    page.keyboard.press("Delete")
    page.keyboard.type("浙")
    expect(plate).to_have_value("浙E·12345")


def test_it_is_remembered_only_when_ticked(page: Page) -> None:
    remembered = "localStorage.getItem('parking-plate')"
    plate = page.get_by_label("车牌号", exact=True)
    plate.fill("浙E12345")
    page.reload()
    expect(plate).to_have_value("")
    assert page.evaluate(remembered) is None
    plate.fill("浙E12345")
    page.get_by_label("在本手机上记住车牌").check()
    page.get_by_role("button", name="查询金额").tap()
    page.wait_for_function(f"{remembered} === '浙E12345'")
    page.goto(page.url.split("?")[0])
    expect(plate).to_have_value("浙E·12345")
    page.get_by_label("在本手机上记住车牌").uncheck()
    assert page.evaluate(remembered) is None


def test_a_plate_that_is_too_short_is_told_in_words(page: Page) -> None:
    page.get_by_label("车牌号", exact=True).fill("浙E1")
    page.get_by_role("button", name="查询金额").tap()
    expect(page.get_by_role("alert")).to_have_text("请输入完整的车牌号。")


def test_without_scripts_it_says_what_to_do(browser: Browser, platform: Platform) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{platform.running['api_url']}/pay?lang=en")
    expect(page.locator("noscript p")).to_have_text(
        "This page needs JavaScript. You can also pay the attendant in cash."
    )
    context.close()

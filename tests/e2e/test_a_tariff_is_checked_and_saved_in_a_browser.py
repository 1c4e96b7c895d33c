"""A city administrator looks at a tariff's prices, is told what is wrong, and saves a version."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def sign_in(page: Page, platform: Platform) -> None:
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    page.goto(f"{platform.running['api_url']}/console/tariffs")  # not signed in: led to the door
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill(login["password"])
    page.get_by_role("button").click()
    page.get_by_role("link", name="收费标准").click()


def read_the_picture(page: Page) -> None:
    """By the keyboard alone, and as a table."""
    page.get_by_role("link", name="湖州甲类（演示）").press("Enter")
    picture = page.get_by_role("img", name="48 小时内的价格")
    expect(picture).to_be_visible()
    picture.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".readout")).to_contain_text("¥10.00")
    page.get_by_text("以表格显示").click()
    expect(page.get_by_role("row", name="31 分钟")).to_contain_text("¥5.00")
    page.get_by_label("车型").select_option("exempt")
    page.get_by_label("日期类型").select_option("statutory_holiday")
    page.get_by_role("button", name="检查").first.press("Enter")
    expect(page.locator(".readout")).to_contain_text("¥0.00")


def change_it(page: Page) -> None:
    """A longer stay that would be cheaper is refused with its place; a good change becomes a version."""
    text = page.get_by_role("textbox", name="内容")
    good = text.input_value()
    text.fill(good.replace('"total": 1000', '"total": 100'))
    page.get_by_role("button", name="保存为新版本").click()
    expect(page.get_by_role("alert")).to_contain_text("停得更久反而更便宜")
    expect(page.get_by_role("alert")).to_contain_text("rates.stay.rows[1]")
    page.get_by_role("textbox", name="内容").fill(good.replace('"total": 1000', '"total": 1100'))
    page.get_by_role("button", name="保存为新版本").click()
    expect(page.locator(".said")).to_have_text("已保存。")
    expect(page.locator(".versions").first).to_contain_text("将生效")


def on_a_phone(page: Page) -> None:
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="The price over 48 hours")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="All tariffs").click()
    expect(page.get_by_role("link", name="Huzhou A (demo)")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_tariff_is_checked_and_saved(platform: Platform, api: httpx.Client) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        sign_in(page, platform)
        read_the_picture(page)
        change_it(page)
        on_a_phone(page)
        assert faults == []
    said = api.get("/v1/facilities/wx-public-042/tariff").json()
    assert "演示" in said["tariff"]["name"]

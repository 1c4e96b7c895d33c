"""A driver sees the number change when a sensor speaks; the pages ask nobody but us."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from parking_cloud.devstack import ensure_chromium
from parking_cloud.launcher import Platform

pytestmark = [pytest.mark.stack, pytest.mark.browser]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
GARAGE = "wx-public-042"


def say(intake: httpx.Client, free: int) -> None:
    row = {"device_id": f"{GARAGE}-counter", "free": free, "observed_at": datetime.now(UTC).isoformat()}
    assert intake.post("/v1/observations", json=[row]).status_code == 202


def look(browser: Browser, platform: Platform, api: httpx.Client, intake: httpx.Client) -> None:
    facility = api.get(f"/v1/facilities/{GARAGE}").json()["id"]
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN")
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(platform.running["api_url"])
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    number = page.locator(f'#list [data-facility="{facility}"] [data-free]')
    for free in (37, 5):
        say(intake, free)
        expect(number).to_have_text(str(free), timeout=10_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    elsewhere = [url for url in asked if not url.startswith((platform.running["api_url"], "data:"))]
    assert elsewhere == []

    page.locator(f'#list [data-facility="{facility}"]').press("Enter")
    expect(page.locator("#detail")).to_contain_text("衣裳街停车库")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert faults == []

    asked.clear()
    page.goto(f"{platform.running['api_url']}/docs")
    expect(page.locator(".swagger-ui .info")).to_be_visible()
    assert [url for url in asked if not url.startswith((platform.running["api_url"], "data:"))] == []


def enter(browser: Browser, platform: Platform) -> None:
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(f"{platform.running['api_url']}/console")
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill(login["password"])
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="总览")).to_be_visible()
    expect(page.locator("#facilities tbody tr").first).to_be_visible()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_label("密码")).to_be_visible()


def test_numbers_change_when_a_sensor_speaks_and_staff_sign_in(
    platform: Platform, api: httpx.Client, intake: httpx.Client
) -> None:
    chromium = ensure_chromium()
    if chromium is None:
        pytest.skip("chromium is missing, and only root may install it: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        try:
            look(browser, platform, api, intake)
            enter(browser, platform)
        finally:
            browser.close()
